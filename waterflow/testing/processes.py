"""Conformance: what a step may start, what is left of it at the end, and what is no good end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from waterflow.provider.state import Status

if TYPE_CHECKING:
    from waterflow.runs.run import Run
    from waterflow.testing.world import World

_METHODS: Final = ("fork", "spawn", "forkserver")
_WAYS: Final = ("processes", "pool", "executor", "manager", "memory", "loader")
_CUT: Final = ("ProcessEnded", "before the step had ended")


class Processes:
    """Two runs: one whose steps start processes, and one whose steps end theirs."""

    def _started(self, world: World) -> Run:
        return world.start("processes", "processes")

    def _ended(self, world: World) -> Run:
        return world.start("endings", "endings")

    @pytest.mark.parametrize(
        "step",
        [*(f"{way}_{method}" for way in _WAYS for method in _METHODS), "by_joblib", "by_command"],
    )
    def test_a_step_starts_processes_in_each_way(self, world: World, step: str) -> None:
        run = self._started(world)
        state = world.finish(run)
        assert state.steps[step].status is Status.SUCCEEDED, state
        assert run.artifact(step).load() == [1, 4, 9]

    def test_a_worker_that_is_ended_at_once_ends(self, world: World) -> None:
        run = self._started(world)
        world.finish(run)
        assert run.artifact("ended_at_once").load() == [-signal.SIGTERM] * 30

    def test_workers_print_to_the_steps_log_and_log_to_its_run(self, world: World) -> None:
        run = self._started(world)
        world.finish(run)
        lines = [line.text for line in run.logs("reporting")]
        assert [line for line in lines if line.endswith(" speaks")] == [
            f"worker {number} speaks" for number in (1, 2, 3)
        ]
        _, children = world.tracked(run)
        run_id = children["reporting", 1].info.run_id
        history = world.mlflow(run).get_metric_history(run_id, "reported")
        assert sorted((point.step, point.value) for point in history) == [
            (1, 1.0), (2, 2.0), (3, 3.0),
        ]  # fmt: skip

    @pytest.mark.parametrize("step", ["of_thread", "of_pools"])
    def test_threads_are_awaited(self, world: World, step: str) -> None:
        run = self._started(world)
        world.finish(run)
        assert run.artifact(step).load() == ["late"]

    def test_processes_that_are_left_are_ended(self, world: World) -> None:
        run = self._started(world)
        world.finish(run)
        pids: list[int] = run.artifact("leaves_processes").load()
        assert [pid for pid in pids if _sleeps(pid)] == []

    def test_exit_handlers_run_before_the_step_has_succeeded(self, world: World) -> None:
        run = self._started(world)
        world.finish(run)
        lines = [line.text for line in run.logs("leaves_an_exit_handler")]
        assert lines.count("the exit handler speaks") == 1
        _, children = world.tracked(run)
        assert children["leaves_an_exit_handler", 1].data.metrics == {"at_exit": 1.0}

    @pytest.mark.parametrize(
        ("how", "kind", "message"),
        [
            ("os_exit", *_CUT),
            ("library", *_CUT),
            ("handler", *_CUT),
            ("thread", *_CUT),
            ("sys_exit", "SystemExit", "sys.exit(0)"),
            ("refusal", "ProcessEnded", "exit code 3"),
        ],
    )
    def test_a_process_that_ends_itself_has_failed(
        self, world: World, how: str, kind: str, message: str
    ) -> None:
        run = self._ended(world)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        assert state.steps[f"ends_{how}"].attempt == 2
        _, children = world.tracked(run)
        first: dict[str, Any] = children[f"ends_{how}", 1].data.tags
        assert first["waterflow.error.type"] == kind
        assert message in first["waterflow.error.message"]
        assert children[f"ends_{how}", 2].info.status == "FINISHED"

    def test_a_step_without_outputs_runs_each_time(self, world: World) -> None:
        world.finish(self._ended(world))
        world.foretell("endings again", "endings")
        state = world.finish(world.start("endings again", "endings"))
        assert {step.status for step in state.steps.values()} == {Status.SUCCEEDED}
        assert set(world.foretold["endings again"].values()) == {"will run"}


def _sleeps(pid: int) -> bool:
    """Say whether a process that sleeps for ever is still there."""
    try:
        return b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
