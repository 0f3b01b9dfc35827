"""A run watched with what its steps print: its changes and their lines, in the order they come."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from waterflow.cli.log_lines import LogLines
from waterflow.cli.watch import Lines
from waterflow.errors import WaterflowError

if TYPE_CHECKING:
    from waterflow.provider.state import RunState
    from waterflow.runs.run import Run


class WithLogs(Lines):
    """One line a change, and between them what the steps print, as it comes.

    Args:
        run: The run.
        err: Whether lines go to standard error.
    """

    def __init__(self, run: Run, *, err: bool = False) -> None:
        super().__init__(err=err)
        self._run = run
        self._logs: LogLines | None = None
        self._reader = threading.Thread(target=self._read, name=f"logs-{run.id}", daemon=True)

    def show(self, state: RunState) -> None:
        """Print what has changed; the first state begins the logs."""
        begins = self._logs is None
        if begins:
            self._logs = LogLines(state.steps, times=True, live=True, err=self._err)
        super().show(state)
        if begins:
            self._reader.start()

    def _say(self, line: str) -> None:
        if self._logs is not None:
            self._logs.say(line)

    def _read(self) -> None:
        from waterflow.provider.discovery import open_provider

        own = self._run.provider
        # One of its own: what a provider remembers of a run is for one reader.
        provider = open_provider(own.root, own.profile.name)
        try:
            for line in provider.logs(self._run.id, None, follow=True):
                if self._logs is not None:
                    self._logs.show(line)
        except WaterflowError as error:
            self._say(f"The logs cannot be shown: {error}")

    def close(self) -> None:
        """Show the last lines: the run has ended, or nobody waits for it any more."""
        if self._reader.is_alive() and sys.exc_info()[0] is None:
            self._reader.join()
        if self._logs is not None:
            self._logs.close()
