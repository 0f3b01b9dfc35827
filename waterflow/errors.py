"""Every error that Waterflow raises on purpose, as one tree.

```
WaterflowError
├── DefinitionError            a pipeline or step is written wrongly; names file and line
├── ConfigurationError         a profile, a project or this machine is set up wrongly
│   └── MissingDependencyError a library is not installed (also an ImportError)
├── UnsupportedFeatureError    a provider cannot honour what a step asks for
├── ArtifactError              an artifact is missing, half written, altered or cannot be written
├── ProviderError              the cloud refused or failed an operation
│   ├── AuthenticationError, PermissionDeniedError, QuotaError
│   └── NotFoundError, ConflictError, TransientError
├── RunError                   a run did not succeed
│   ├── StepFailed, RunTimeout, RunCancelled
└── TrackingError              MLflow could not be reached or refused
```

Each message names the thing, says what was found, and gives the next command. `exit_code` is
what the command line answers with: 2 for what the user wrote, 3 for the set-up, 1 for a run that
failed, 4 for a provider, 5 for tracking, 130 for a cancelled run.
"""

from __future__ import annotations


class WaterflowError(Exception):
    """The root: catch it to catch everything Waterflow raises on purpose."""

    exit_code = 1


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
