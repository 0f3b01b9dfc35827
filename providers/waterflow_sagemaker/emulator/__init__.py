"""SageMaker on this machine: real jobs, real pipelines, behind the service's own HTTP protocol."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from waterflow.errors import ConfigurationError, ProviderError
from waterflow.provider.emulators import missing
from waterflow_sagemaker.emulator import environment, faults, preparing
from waterflow_sagemaker.emulator.images import check
from waterflow_sagemaker.emulator.world import GRACE, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from waterflow.project.profile import Profile

_PATIENCE: Final = 90.0
"""Seconds that the service has to get ready."""
_FAREWELL: Final = 60.0
"""Seconds that it has to end its jobs and to keep its state."""
_TAIL: Final = 2000


class Emulator:
    """A SageMaker of one's own, in a process that ends with the block.

    Args:
        images: Container image -> the environment (a folder with a `bin`) that stands for it; any
            other image is the environment that this runs in.
        faults: What is to go wrong: `throttle=0.2,spot=1,seed=7`. See `waterflow emulate --help`.
        state: A folder in which the state is kept; None to drop it.
        profiles: Profiles of SageMaker: what they name is made when it starts.
        grace: Seconds that a job has between SIGTERM and SIGKILL; the service gives 120.
        isolation: A lesser isolation than the best one of this machine.

    Raises:
        ConfigurationError: An argument is wrong.
        MissingDependencyError: moto is not installed.
    """

    def __init__(
        self,
        *,
        images: Mapping[str, Path] | None = None,
        faults: str | None = None,
        state: Path | None = None,
        profiles: Sequence[Profile] = (),
        grace: float = GRACE,
        isolation: str | None = None,
    ) -> None:
        for library in ("moto", "flask", "boto3"):
            if importlib.util.find_spec(library) is None:
                raise missing(library, "sagemaker")
        _parse(faults)
        self._images = check(images or {})
        wanted, self._unread = preparing.option(profiles)
        self._options = [
            "--prepare", wanted,
            *(["--fault", faults] if faults else []),
            *(["--state", str(state.resolve())] if state else []),
            *(["--isolation", isolation] if isolation else []),
            "--grace", str(grace),
        ]  # fmt: skip
        self._ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._errors: IO[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The address it answers at."""
        return str(self._ready["endpoint"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point unmodified SDKs at it."""
        assert self._folder is not None  # noqa: S101 - there is an endpoint, so there is a folder
        return environment.for_user(self.endpoint, REGION, self._folder, os.environ)

    @property
    def unset(self) -> tuple[str, ...]:
        """The variables that would point them elsewhere."""
        return environment.misleading(os.environ)

    @property
    def isolation(self) -> str:
        """How far its jobs are walled in, in one line."""
        return str(self._ready["isolation"]["text"])

    @property
    def prepared(self) -> tuple[str, ...]:
        """What was made in it for the profiles, a line each."""
        return (*self._ready["prepared"], *self._unread)

    @property
    def ready(self) -> dict[str, Any]:
        """What the process said when it was ready."""
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
        asked = urllib.request.Request(  # noqa: S310 - our own service
            f"{self.endpoint}/_waterflow/advance", json.dumps({"seconds": seconds}).encode()
        )
        # No proxy stands between us and this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked, timeout=_FAREWELL):
            pass

    def start(self) -> Self:
        """Start the service, and return when it answers.

        Raises:
            ConfigurationError: The state folder cannot be used.
            ProviderError: It did not start.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="waterflow-sagemaker-"))
        self._errors = (self._folder / "errors.log").open("wb")
        images = [f"--image={name}={folder}" for name, folder in self._images.items()]
        # A session of its own: Ctrl-C is the caller's to handle, and its jobs can be found by it.
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "waterflow_sagemaker.emulator", "--attached",
                "--work", str(self._folder), *self._options, *images,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._ready = self._await(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the service, its jobs with it, and keep its state if that was asked for."""
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
        assert process.stdout is not None  # noqa: S101 - it was asked for
        late = threading.Timer(_PATIENCE, process.kill)
        late.start()
        try:
            line = process.stdout.readline()
        finally:
            late.cancel()
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            process.wait()
            raise ProviderError(
                f"The emulator of SageMaker did not start: {self._complaint()}",
                provider="sagemaker",
                operation="emulate",
            ) from None
        if "error" in found:
            raise ConfigurationError(found["error"])
        return found

    def _complaint(self) -> str:
        if self._folder is None or self._errors is None:
            return "it was stopped"
        text = (self._folder / "errors.log").read_text("utf-8", "replace").strip()
        return text[-_TAIL:] or "it said nothing"


def _parse(text: str | None) -> None:
    faults.parse(text)
