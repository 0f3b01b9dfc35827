"""A run that consists of others and that a thread drives: when it starts, stops and is left."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from waterflow_azureml.emulator.statuses import Status

if TYPE_CHECKING:
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.shared import Shared
    from waterflow_azureml.emulator.workspaces import Workspace


class DrivenRun(ABC):
    """One run, driven by a thread of its own.

    Args:
        shared: What all jobs share.
        workspace: Where it runs.
        run: Its record.
    """

    def __init__(self, shared: Shared, workspace: Workspace, run: Run) -> None:
        self._shared, self._workspace, self.run = shared, workspace, run
        self._events: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._stopping = self._late = self._closed = False
        name = f"{type(self).__name__.lower()}-{run.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> bool:
        """Ask it to stop; return False when it has ended already."""
        if self.run.final:
            return False
        self._stopping = True
        self._shared.runs.move(self.run, Status.CANCEL_REQUESTED)
        self._events.put(None)
        return True

    def close(self) -> None:
        """Leave it as it is: the emulator ends."""
        self._closed = True
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        try:
            self._shared.runs.move(self.run, Status.RUNNING)
            self._drive()
            if not self._closed:
                self._finish()
        except Exception as error:
            # Whatever happens here, a run that nobody drives is not told as running.
            self._shared.runs.fail(self.run, "SystemError", f"{type(error).__name__}: {error}")
            raise
        finally:
            self._tidy()
            self._shared.ended(self.run)

    @abstractmethod
    def _drive(self) -> None:
        """Begin the runs of which it consists, until all have ended or the emulator does."""

    @abstractmethod
    def _finish(self) -> None:
        """Tell what has become of it."""

    def _tidy(self) -> None:  # noqa: B027 - most leave nothing
        """Leave nothing unsaid, however it has ended."""
