"""An emulator as its user holds it: a service in a process of its own that ends with the block."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, Self

from waterflow.emulation.faults import FaultRules, Faults
from waterflow.emulation.images import check
from waterflow.emulation.middleware import CONTROL
from waterflow.emulation.site import GRACE
from waterflow.errors import ConfigurationError, ProviderError
from waterflow.provider.emulators import SHARED, Image, missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from waterflow.project.profile import Profile

_PATIENCE: Final = 90.0
"""Seconds that the service has to get ready."""
_FAREWELL: Final = 60.0
"""Seconds that it has to end its jobs and to keep its state."""
_TAIL: Final = 2000


class EmulatorProcess(ABC):
    """An emulator of one's own, in a process that ends with the block.

    A vendor's emulator subclasses it, and says what is run and how clients find it.

    Args:
        images: Container image -> the environment (a folder with a `bin`) that stands for it, with
            a command or without; any other image is the environment that this runs in.
        faults: What is to go wrong: `throttle=0.2,spot=1,seed=7`. See `waterflow emulate --help`.
        state: A folder in which the state is kept; None to drop it.
        profiles: Profiles of its provider: what they name is made when it starts.
        grace: Seconds that a job has between SIGTERM and SIGKILL; clouds give more.
        isolation: A lesser isolation than the best one of this machine.
        tls: Whether it answers over TLS.
        machines: How many jobs run at once, the others waiting; None for what this one bears.
        shared: Folders of this machine that its jobs may change, beside those that the variable
            WATERFLOW_EMULATOR_SHARED names.
        allowed: Globs of other hosts that clients and jobs may reach, such as a package index; a
            port of this machine's, as `localhost:5432`, for jobs.

    Raises:
        ConfigurationError: An argument is wrong.
        MissingDependencyError: A library that it needs is not installed.
    """

    NAME: ClassVar[str]
    """Its name in the entry-point group, which is its provider's too."""
    TITLE: ClassVar[str]
    """What it emulates, as its errors call it."""
    MODULE: ClassVar[str]
    """What `python -m` runs: `service.main` with the vendor's cloud."""
    LIBRARIES: ClassVar[tuple[str, ...]] = ()
    """The import names of libraries that an installation may lack."""
    RULES: ClassVar[FaultRules] = FaultRules()
    """Which faults it has; the same as its cloud's."""

    def __init__(
        self,
        *,
        images: Mapping[str, Path | Image] | None = None,
        faults: str | None = None,
        state: Path | None = None,
        profiles: Sequence[Profile] = (),
        grace: float = GRACE,
        isolation: str | None = None,
        tls: bool = False,
        machines: int | None = None,
        shared: Sequence[Path] = (),
        allowed: Sequence[str] = (),
    ) -> None:
        for library in self.LIBRARIES:
            if importlib.util.find_spec(library) is None:
                raise missing(library, self.NAME)
        Faults.parse(faults, self.RULES)
        self._images = check(images or {})
        wishes, self._unread = self.wishes(profiles)
        self._options = [
            "--prepare", wishes,
            *(["--fault", faults] if faults else []),
            *(["--state", str(state.resolve())] if state else []),
            *(["--isolation", isolation] if isolation else []),
            *(["--tls"] if tls else []),
            *(["--jobs", str(machines)] if machines else []),
            "--grace", str(grace),
            *(f"--shared={folder}" for folder in _shared(shared)),
            *(f"--allowed={host}" for host in allowed),
        ]  # fmt: skip
        self._ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._errors: IO[bytes] | None = None

    # --- what a vendor says -----------------------------------------------------------------------

    @abstractmethod
    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point unmodified SDKs at `self.endpoint`.

        Args:
            folder: Where files for the SDKs can be written; it ends with the emulator.
        """

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return ()

    def wishes(self, profiles: Sequence[Profile]) -> tuple[str, list[str]]:
        """Return what profiles name, for the cloud's `prepare`, and a line for each unread one.

        Args:
            profiles: Profiles of its provider.
        """
        del profiles
        return "{}", []

    # --- the emulator -----------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The address it answers at."""
        return str(self.ready["endpoint"])

    @property
    def authorities(self) -> str | None:
        """The file of the authorities that its clients must trust; None without TLS."""
        return self.ready.get("authorities")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point unmodified SDKs at it."""
        ready = self.ready
        assert self._folder is not None  # noqa: S101 - it is ready, so there is a folder
        variables = self.variables(self._folder) | ready.get("door", {})
        if self.authorities is not None:
            from waterflow.emulation.certificates import trusting

            variables |= trusting(self.authorities)
        # Past a door nothing may go round it, whatever this shell lets go direct.
        direct = _direct({} if "door" in ready else os.environ)
        # First, so that whoever sets one after the other leads nothing of this machine to the door.
        return {"NO_PROXY": direct, "no_proxy": direct, **variables}

    @property
    def unset(self) -> tuple[str, ...]:
        """The variables that would point them elsewhere."""
        return self.misleading()

    @property
    def isolation(self) -> str:
        """How far its jobs are walled in, in one line."""
        return str(self.ready["isolation"]["text"])

    @property
    def prepared(self) -> tuple[str, ...]:
        """What was made in it for the profiles, a line each."""
        return (*self.ready["prepared"], *self._unread)

    @property
    def ready(self) -> dict[str, Any]:
        """What the process said when it was ready.

        Raises:
            RuntimeError: It is not started.
        """
        if not self._ready:
            raise RuntimeError(f"The emulator of {self.TITLE} is not started: use it with `with`")
        return self._ready

    def ended(self) -> str | None:
        """Return why the service has ended by itself; None while it runs."""
        code = None if self._process is None else self._process.poll()
        return None if code is None else f"exit code {code}: {self._complaint()}"

    def advance(self, seconds: float) -> None:
        """Let time pass at once: schedules that become due by it fire.

        Args:
            seconds: How far the emulator's clock goes forward.
        """
        self._control("advance", {"seconds": seconds})

    def refused(self) -> dict[str, int]:
        """Return the hosts that its door has refused, and how often each was tried."""
        return self._control("refused", {})

    def _control(self, name: str, wish: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own service
            f"{self.endpoint}{CONTROL}{name}", json.dumps(wish).encode()
        )
        # No proxy stands between us and this machine.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.authorities is not None and self.endpoint.startswith("https"):
            context = ssl.create_default_context(cafile=self.authorities)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=_FAREWELL) as reply:
            answer: dict[str, Any] = json.load(reply)
        return answer

    def start(self) -> Self:
        """Start the service, and return when it answers.

        Raises:
            ConfigurationError: The state folder cannot be used.
            ProviderError: It did not start.
        """
        self._folder = Path(tempfile.mkdtemp(prefix=f"waterflow-{self.NAME}-"))
        self._errors = (self._folder / "errors.log").open("wb")
        images = [
            f"--image={json.dumps([name, str(image.folder), image.command])}"
            for name, image in self._images.items()
        ]
        # A session of its own: Ctrl-C is the caller's to handle, and its jobs can be found by it.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                self.MODULE,
                "--attached",
                "--work",
                str(self._folder),
                *self._options,
                *images,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            self._ready = self._await(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the service, its jobs with it, and keep its state if that was wished."""
        process = self._process
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.terminate()
            try:
                process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._process = None
        if self._errors is not None:
            self._errors.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _await(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - it is a pipe of ours
        late = threading.Timer(_PATIENCE, process.kill)
        late.start()
        try:
            line = process.stdout.readline()
        finally:
            late.cancel()
        try:
            ready: dict[str, Any] = json.loads(line)
        except ValueError:
            process.wait()
            raise ProviderError(
                f"The emulator of {self.TITLE} did not start: {self._complaint()}",
                provider=self.NAME,
                operation="emulate",
            ) from None
        if "error" in ready:
            raise ConfigurationError(ready["error"])
        return ready

    def _complaint(self) -> str:
        if self._folder is None or self._errors is None:
            return "it was stopped"
        try:
            text = (self._folder / "errors.log").read_text("utf-8", "replace").strip()
        except FileNotFoundError:  # it has ended as it was told to, and taken its folder along
            return "it was stopped"
        return text[-_TAIL:] or "it said nothing"


def _shared(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that jobs may change, as absolute paths.

    Raises:
        ConfigurationError: One is no folder.
    """
    named = [Path(name) for name in os.environ.get(SHARED, "").split(os.pathsep) if name]
    for folder in (*folders, *named):
        if not folder.is_dir():
            raise ConfigurationError(
                f"--share {folder}: there is no such folder. Make it: mkdir -p {folder}"
            )
    return [folder.resolve() for folder in (*folders, *named)]


def _direct(outside: Mapping[str, str]) -> str:
    """Return the hosts that no proxy stands before: this machine, and those of before."""
    before = (outside.get("NO_PROXY") or outside.get("no_proxy", "")).split(",")
    return ",".join(dict.fromkeys(["127.0.0.1", "localhost", "::1", *filter(None, before)]))
