"""Sending a run's tracking by a process of its own, so that no command waits for MLflow.

`python -m waterflow.cloud.sending FOLDER ROOT PROFILE RUN PAUSE LOCK` sends what comes of a run
until it has ended and MLflow has all of it. LOCK is the descriptor of the lock that says so on this
machine, and FOLDER is where that lies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from waterflow.errors import WaterflowError
from waterflow.provider.emulators import PASSING
from waterflow.warm.asking import in_ci

if TYPE_CHECKING:
    from waterflow.provider import Provider

_SHORTEST: Final = 1.0
"""Seconds between two looks at the least."""
_PATIENCE: Final = 60.0
"""Seconds without success after which what is left is left to `waterflow sync`."""


class Sending:
    """The processes of this machine that send runs of one provider.

    Args:
        folder: The provider's folder in the project's state.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, root: Path, profile: str, run_id: str, pause: float) -> bool:
        """Start one for a run, if none is at it; False where nothing outlives the command.

        Args:
            root: The project's folder.
            profile: The profile's name.
            run_id: The run.
            pause: Seconds between two looks at the run.
        """
        if in_ci(os.environ) or PASSING in os.environ:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        with (
            self._lock(run_id).open("a") as lock,
            self._lock(run_id).with_suffix(".log").open("ab") as log,
        ):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            pause = max(_SHORTEST, pause)
            words = [str(self._folder), str(root), profile, run_id, f"{pause:g}"]
            subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, *words, str(lock.fileno())],
                pass_fds=[lock.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return True

    def goes_on(self, run_id: str) -> bool:
        """Say whether one is at a run.

        Args:
            run_id: The run.
        """
        try:
            with self._lock(run_id).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def forget(self, run_id: str) -> None:
        """Remove what the process of a run has left, once it has nothing more to tell.

        Args:
            run_id: The run.
        """
        for file in (self._lock(run_id).with_suffix(".log"), self._lock(run_id)):
            file.unlink(missing_ok=True)

    def _lock(self, run_id: str) -> Path:
        return self._folder / f"sending-{run_id}.lock"


def send(provider: Provider, run_id: str, pause: float) -> str | None:
    """Send what comes of a run until it has ended and MLflow has all of it.

    Args:
        provider: The run's provider.
        run_id: The run.
        pause: Seconds between two looks.

    Returns:
        Why it was given up; None when all was sent.
    """
    since = time.monotonic()
    while True:
        problem = None
        with contextlib.suppress(WaterflowError):
            final = provider.status(run_id).status.final
            try:
                sent = provider.sync(run_id)
                problem = sent.error
                if final and not sent.left:
                    return None
            except WaterflowError as error:
                problem = str(error)
            if problem is None:
                since = time.monotonic()
        if time.monotonic() - since > _PATIENCE:
            return problem or "The service cannot be asked."
        time.sleep(pause)


def main(arguments: list[str]) -> None:
    """Be the process that the arguments describe."""
    from waterflow.provider.discovery import open_provider
    from waterflow.tracking import lean

    folder, root, profile, run_id, pause, lock = arguments
    os.set_inheritable(int(lock), False)
    with lean.sparing():
        problem = send(open_provider(Path(root), profile), run_id, float(pause))
    if problem is None:
        Sending(Path(folder)).forget(run_id)
    else:
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
