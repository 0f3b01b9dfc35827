"""Running one sweep: trials of a command, some at once, each with values of its own."""

from __future__ import annotations

import json
import queue
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator.bodies import Literal
from waterflow_azureml.emulator.commands import USER
from waterflow_azureml.emulator.driving import DrivenRun
from waterflow_azureml.emulator.runs import Run
from waterflow_azureml.emulator.statuses import Status

if TYPE_CHECKING:
    from waterflow_azureml.emulator.shared import Shared
    from waterflow_azureml.emulator.spaces import Sweep
    from waterflow_azureml.emulator.tasks import Task
    from waterflow_azureml.emulator.workspaces import Workspace

BEST: Final = "best_child_run_id"
"""The property that names the trial whose metric was best."""


class Search(DrivenRun):
    """One sweep, run by a thread of its own.

    Args:
        shared: What all jobs share.
        workspace: Where it runs.
        run: Its record.
        sweep: How it searches.
        task: What each trial does.
    """

    def __init__(
        self, shared: Shared, workspace: Workspace, run: Run, sweep: Sweep, task: Task
    ) -> None:
        super().__init__(shared, workspace, run)
        self._sweep, self._task = sweep, task
        self._trials: list[Run] = []

    def _drive(self) -> None:
        points, limit = self._sweep.points(), self._sweep.timeout
        end = None if limit is None else time.monotonic() + limit
        more = True
        while not self._closed:
            running = [trial for trial in self._trials if not trial.final]
            if self._stopping or self._late:
                for trial in running:
                    self._shared.stop(trial)
            while more and not (self._stopping or self._late):
                if sum(not trial.final for trial in self._trials) >= self._sweep.parallel:
                    break
                point = next(points, None)
                more = point is not None
                if point is not None:
                    self._begin(point)
            if all(trial.final for trial in self._trials) and (
                not more or self._stopping or self._late
            ):
                break
            try:
                self._events.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
            except queue.Empty:
                self._late, end = True, None

    def _begin(self, point: dict[str, Any]) -> None:
        values = {name: _text(value) for name, value in point.items()}
        number, parent = len(self._trials), self.run
        # A trial of a job names its values as ${{search_space.x}}, one of a step as its inputs.
        given = {name: Literal(text) for name, text in values.items()} if parent.parent else {}
        trial = self._shared.runs.add(
            Run(
                name=f"{parent.name}_{number}",
                workspace=parent.workspace,
                kind="Command",
                body={"jobType": "Command"},
                parent=parent.name,
                root=parent.root,
                node=parent.node,
                display_name=f"{parent.display_name}_{number}",
                experiment=parent.experiment,
                tags={"hyperparameters": json.dumps(point), **values},
                properties={"azureml.runsource": "HyperDrive"},
            )
        )
        self._trials.append(trial)
        task = replace(self._task, space=values, inputs={**self._task.inputs, **given})
        self._shared.run_command(self._workspace, trial, task, self._events.put)

    def _finish(self) -> None:
        runs, done = self._shared.runs, [one for one in self._trials if one.status == "Completed"]
        self._choose(done)
        if self._stopping:
            self.run.message = "The job was canceled."
            runs.move(self.run, Status.CANCELED)
        elif done:
            # Trials that fail are no failure of a sweep, as long as one succeeds.
            runs.move(self.run, Status.FINALIZING)
            runs.move(self.run, Status.COMPLETED)
        else:
            names = ", ".join(trial.name for trial in self._trials)
            runs.fail(self.run, USER, f"All trials have failed: {names}")

    def _choose(self, done: list[Run]) -> None:
        """Name the best of the trials that have logged the metric; its outputs are the sweep's."""
        best: tuple[float, Run] | None = None
        for trial in done:
            value = self._shared.metric(trial, self._sweep.metric)
            if value is not None and (best is None or self._sweep.better(value, best[0])):
                best = value, trial
        if best is not None:
            value, trial = best
            self.run.properties |= {BEST: trial.name, "score": repr(value)}
            self.run.outputs = {name: dict(output) for name, output in trial.outputs.items()}


def _text(value: Any) -> str:
    """Return a value as it stands in a command."""
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
