"""Every error that Waterflow raises on purpose, as one tree.

```
WaterflowError
├── DefinitionError            a pipeline or step is written wrongly; names file and line
├── ConfigurationError         a profile, a project or this machine is set up wrongly
│   ├── MissingDependencyError a library is not installed (also an ImportError)
│   └── LocalStorageError      a disk is full, or a place cannot be written or read
├── UnsupportedFeatureError    a provider cannot honour what a step asks for
├── ArtifactError              an artifact is missing, half written, altered or cannot be written
├── ProviderError              the cloud refused or failed an operation
│   ├── AuthenticationError, PermissionDeniedError, QuotaError
│   ├── NotFoundError, ConflictError, TransientError
│   └── UnknownNameError       a run, step or artifact of the name that was typed is not there
├── RunError                   a run did not succeed
│   ├── StepFailed, RunTimeout, RunCancelled
├── TrackingError              MLflow could not be reached or refused
└── SeveralErrors              more than one of them at once
```

Each message names the thing, says what was found, and gives the next command. `exit_code` is
what the command line answers with: 2 for what the user wrote, 3 for the set-up, 1 for a run that
failed, 4 for a provider, 5 for tracking, 130 for a cancelled run.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_STORAGE: Final = (*_FULL, errno.EROFS)
_REFUSED: Final = (errno.EACCES, errno.EPERM)
"""What the system answers where a place is not to be written or read."""
_BUILDING: Final = (".run-", ".tmp", ".waterflow-")
"""How names of what is being built begin."""
_CLOSE: Final = 3
"""Names that are proposed for one that is not there, at most."""


class WaterflowError(Exception):
    """The root: catch it to catch everything Waterflow raises on purpose."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows of it: the message alone, whose place in our code is no news.

        `%debug` and `raise` have the rest of it.
        """
        notes: list[str] = getattr(self, "__notes__", [])
        return [f"{type(self).__name__}: {self}", *notes]


class DefinitionError(WaterflowError):
    """A pipeline, a step or a parameter is written wrongly.

    Args:
        message: What is wrong and how to write it instead.
        location: `file:line` of the user's code, put before the message where it is known.
    """

    exit_code = 2

    def __init__(self, message: str, location: str | None = None) -> None:
        self.location = location
        super().__init__(f"{location}: {message}" if location else message)


class ConfigurationError(WaterflowError):
    """A profile, a project or this machine is set up wrongly."""

    exit_code = 3


class MissingDependencyError(ConfigurationError, ImportError):
    """A library that the request needs is not installed.

    Args:
        library: The library's import name.
        needed_for: What asked for it.
        install: The command that installs it.
    """

    def __init__(self, library: str, needed_for: str, install: str | None = None) -> None:
        self.library = library
        self.install = install or f"pip install {library}"
        super().__init__(
            f"{needed_for} needs {library}, which is not installed. Run: {self.install}"
        )


class LocalStorageError(ConfigurationError):
    """A disk of this machine is full, or a place on it cannot be written or read.

    Args:
        place: The file or folder.
        reason: What the system says.
        full: Whether there is no room, so that room is the way out.
    """

    def __init__(self, place: str, reason: str, *, full: bool = False) -> None:
        self.place, self.reason, self.full = place, reason, full
        way_out = (
            "Make room there (what Waterflow keeps: waterflow cache info)"
            if full
            else "Make it yours to use, or work in a folder that is"
        )
        super().__init__(f"{place} cannot be used: {reason}. {way_out}. See: waterflow doctor")

    @classmethod
    def of(cls, error: BaseException, place: str | None = None) -> LocalStorageError | None:
        """Return an error of the file system as the set-up's fault; None for any other error.

        Args:
            error: What was raised, or what was raised because of it.
            place: What could not be used, where the error does not name it.
        """
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, cls):
                return cause
            if isinstance(cause, OSError) and cause.errno in (*_STORAGE, *_REFUSED):
                named = cause.filename if cause.filename2 is None else cause.filename2
                shown = os.fsdecode(named) if isinstance(named, (str, bytes)) else None
                folder, _, name = (shown or "").rpartition("/")
                if name.startswith(_BUILDING):
                    shown = folder or "."  # what is being built there is nothing that people know
                # Signals and sockets are refused with the same numbers, and name no file.
                if shown is not None or cause.errno in _STORAGE:
                    reason = cause.strerror or str(cause)
                    full = cause.errno in _FULL
                    return cls(shown or place or "The disk", reason, full=full)
            cause = cause.__cause__
        return None


def is_storage_fault(error: str | None) -> bool:
    """Say whether an error that was told as "KIND: MESSAGE" is a `LocalStorageError`."""
    return (error or "").startswith(f"{LocalStorageError.__name__}: ")


class UnsupportedFeatureError(WaterflowError):
    """A provider cannot honour a setting; raised while compiling, never later.

    Args:
        step: The step that asks for it.
        feature: The setting, as the user wrote it.
        provider: The provider's name.
        alternative: What to do instead.
    """

    exit_code = 2

    def __init__(self, step: str, feature: str, provider: str, alternative: str) -> None:
        self.step, self.feature, self.provider, self.alternative = (
            step,
            feature,
            provider,
            alternative,
        )
        super().__init__(
            f"Step '{step}': provider '{provider}' cannot honour {feature}. {alternative}"
        )


class ArtifactError(WaterflowError):
    """An artifact is missing, half written, altered, or its value cannot be written."""


class ProviderError(WaterflowError):
    """The cloud refused or failed an operation.

    Args:
        message: What happened, in the cloud's words where it gave any.
        provider: The provider's name.
        operation: The operation that failed.
        native_code: The cloud's own error code.
        retryable: Whether trying again may succeed.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        operation: str = "",
        native_code: str = "",
        retryable: bool = False,
    ) -> None:
        self.provider, self.operation = provider, operation
        self.native_code, self.retryable = native_code, retryable
        super().__init__(message)


class AuthenticationError(ProviderError):
    """The cloud does not know who asks."""


class PermissionDeniedError(ProviderError):
    """The cloud knows who asks and refuses."""


class QuotaError(ProviderError):
    """A quota or the capacity is used up."""


class NotFoundError(ProviderError):
    """The thing asked for does not exist."""


class UnknownNameError(NotFoundError):
    """There is no run, step, output or schedule of the name that was typed.

    Args:
        message: What there is none of, and how to see what there is.
        name: The name.
        known: The names that there are, of which close ones are proposed.
        provider: The provider's name.
        operation: The operation that failed.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        name: str = "",
        known: Iterable[str] = (),
        provider: str = "",
        operation: str = "",
    ) -> None:
        self.close = close_names(name, known)
        guess = f" Did you mean {' or '.join(repr(one) for one in self.close)}?"
        super().__init__(
            f"{message}{guess if self.close else ''}", provider=provider, operation=operation
        )


class ConflictError(ProviderError):
    """The thing exists already, or is being changed by another."""


class TransientError(ProviderError):
    """A passing fault: the same request may succeed later."""


class RunError(WaterflowError):
    """A run did not succeed."""


class StepFailed(RunError):  # noqa: N818 - the name is fixed by the design
    """A step failed.

    Args:
        step: The step's name.
        message: The reason: the user's exception, or what ended the process.
        log_tail: The last lines of the step's log.
        url: Where the step can be looked at, when the provider has a console.
    """

    def __init__(self, step: str, message: str, log_tail: str = "", url: str | None = None) -> None:
        self.step, self.reason, self.log_tail, self.url = step, message, log_tail, url
        text = f"Step '{step}' failed: {message}"
        super().__init__(f"{text}\n{log_tail}" if log_tail else text)


class RunTimeout(RunError):  # noqa: N818 - the name is fixed by the design
    """A run has not ended within the time that its caller would wait; it goes on."""


class RunCancelled(RunError):  # noqa: N818 - the name is fixed by the design
    """A run was cancelled."""

    exit_code = 130


class TrackingError(WaterflowError):
    """MLflow could not be reached, or refused."""

    exit_code = 5


class SeveralErrors(WaterflowError):  # noqa: N818 - it is more than one
    """More than one thing is wrong.

    Args:
        errors: Each of them; at least two.
    """

    def __init__(self, errors: Iterable[WaterflowError]) -> None:
        self.errors = tuple(errors)
        self.exit_code = self.errors[0].exit_code
        super().__init__("\n".join(str(error) for error in self.errors))


class SeveralDefinitionErrors(SeveralErrors, DefinitionError):  # noqa: N818 - as above
    """More than one thing is written wrongly."""


class SeveralConfigurationErrors(SeveralErrors, ConfigurationError):  # noqa: N818 - as above
    """More than one thing is set up wrongly."""


class Gathering:
    """Gathers errors, so that all that is wrong is told at once.

    A block under it ends at its first error, and what follows the block goes on:

        errors = Gathering()
        for step in steps:
            with errors:
                check(step)
        errors.check()
    """

    def __init__(self) -> None:
        self.errors: list[WaterflowError] = []

    def add(self, error: WaterflowError) -> None:
        """Take an error, or each of several; one that says the same as another is left out."""
        for one in error.errors if isinstance(error, SeveralErrors) else (error,):
            if str(one) not in map(str, self.errors):
                self.errors.append(one)

    def check(self) -> None:
        """Raise what was gathered, if anything was.

        Raises:
            WaterflowError: There is one error: that one.
            SeveralErrors: There are more.
        """
        if self.errors:
            raise self.together()

    def together(self) -> WaterflowError:
        """Return what was gathered as one error; there is at least one."""
        if len(self.errors) == 1:
            return self.errors[0]
        for kind, several in (
            (DefinitionError, SeveralDefinitionErrors),
            (ConfigurationError, SeveralConfigurationErrors),
        ):
            if all(isinstance(error, kind) for error in self.errors):
                return several(self.errors)
        return SeveralErrors(self.errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, WaterflowError):
            self.add(error)
            return True
        return False


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that a mistyped one may have meant, the likeliest first."""
    import difflib

    names = list(dict.fromkeys(known))
    if not name:
        return []
    begun = [one for one in names if one.startswith(name)]
    near = difflib.get_close_matches(name, names, n=_CLOSE, cutoff=0.6)
    return list(dict.fromkeys([*near, *begun]))[:_CLOSE]
