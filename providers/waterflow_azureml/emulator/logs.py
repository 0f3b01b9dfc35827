"""The logs of jobs: blobs among a run's artifacts, which grow while it runs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from waterflow.emulation.clock import written
from waterflow_azureml.emulator.addresses import Place

if TYPE_CHECKING:
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.storage import Blobs
    from waterflow_azureml.emulator.workspaces import Workspace

ARTIFACTS: Final = "azureml"
"""The container of a workspace's store of artifacts."""
_EVERY: Final = 0.25
"""Seconds between two writings of a short log; the service takes longer."""
_BYTES_A_SECOND: Final = 2e6
"""Of a long log, which is written as a whole, what may be written in a second."""
_TAIL: Final = 20
_LONGEST: Final = 4096
"""Characters of a log's end that an error has at most."""
_DAY: Final = 86400


def artifact(workspace: Workspace, run: Run, name: str) -> Place:
    """Return where an artifact of a run is."""
    return Place(workspace.account, ARTIFACTS, f"{run.artifacts}/{name}")


def signed(place: Place, moment: float) -> str:
    """Return the address of a blob that whoever has it can read.

    Args:
        place: The blob.
        moment: Now, in seconds since the epoch: it holds for a day.
    """
    end = written(moment + _DAY).partition(".")[0] + "Z"
    return f"{place.url}?sv=2023-11-03&sr=b&se={end.replace(':', '%3A')}&sp=r&sig=emulator"


class Log:
    """One log.

    Args:
        blobs: Where it is kept.
        place: The blob.
    """

    def __init__(self, blobs: Blobs, place: Place) -> None:
        self._blobs, self.place = blobs, place
        self._text = bytearray()
        self._kept = -1
        self._next = 0.0
        self._lock = threading.Lock()
        self.flush()

    def write(self, lines: list[str]) -> None:
        """Take lines, as they come."""
        with self._lock:
            for line in lines:
                self._text += line.encode("utf-8", "replace") + b"\n"
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            if len(self._text) == self._kept:
                return
            text = bytes(self._text)
            self._kept = len(text)
            self._next = time.monotonic() + max(_EVERY, len(text) / _BYTES_A_SECOND)
            self._blobs.write(self.place.account, self.place.container, self.place.path, text)

    @property
    def due(self) -> bool:
        """Whether it is time to write what has come."""
        return len(self._text) != self._kept and time.monotonic() >= self._next

    def tail(self) -> str:
        """Return its last lines, as far as an error can hold them."""
        with self._lock:
            text = self._text[-_LONGEST:].decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-_TAIL:])
