"""Conformance: maps with a job for each item, where the provider can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from waterflow.provider.state import ItemCounts, Status

if TYPE_CHECKING:
    from waterflow.runs.run import Run
    from waterflow.testing.world import World

GIVEN = [5, 6]
DONE = (Status.SUCCEEDED, Status.CACHED)


def _jobs(world: World, key: str) -> Run:
    """Return the run whose maps have jobs; skip where there are no such maps."""
    if not world.capabilities.map_jobs:
        pytest.skip("its maps have no jobs: the contract's tests see that they are refused")
    if "stumbles" not in world.started:  # a service may wait long before it gives a job up
        world.start("stumbles", "stumbles", over=1, until=_until(world))
    if key not in world.started and key != "jobs":
        world.finish(world.start("jobs", "jobs", given=GIVEN))
        world.foretell(key, "jobs", given=GIVEN)
    run = world.start(key, "jobs", given=GIVEN)
    world.finish(run)
    return run


def _until(world: World) -> str:
    return str(world.path("mended"))


class Fanning:
    """Items of maps in jobs of their own."""

    def test_jobs_give_what_processes_give(self, world: World) -> None:
        run = _jobs(world, "jobs")
        assert run.state.status is Status.SUCCEEDED, run.state
        assert run.artifact("jobs_plain").load() == [1, 2]
        assert run.artifact("jobs_none").load() == []
        assert run.artifact("jobs_files.at").load() == [0, 1]
        items = {name: step.items for name, step in run.state.steps.items()}
        assert items["jobs_plain"] == ItemCounts(total=2, done=2, failed=0, running=0)
        assert items["of_constant"] == ItemCounts(total=1, done=1, failed=0, running=0)
        digests = world.digests(run)
        for step, output in list(digests):
            if step.startswith("jobs_"):
                other = f"processes_{step.removeprefix('jobs_')}"
                assert digests[step, output] == digests[other, output], (step, output)

    def test_lists_come_from_anywhere(self, world: World) -> None:
        run = _jobs(world, "jobs")
        assert run.artifact("of_parameter").load() == [25, 36]
        assert run.artifact("of_constant").load() == [49]
        assert run.artifact("of_map").load() == [49 * 49]
        assert run.artifact("total").load() == 49 * 49

    def test_a_map_is_one_step(self, world: World) -> None:
        run = _jobs(world, "jobs")
        plan = world.call("jobs", given=GIVEN).spec
        assert list(run.state.steps) == [step.name for step in plan.steps]

    def test_items_are_cached(self, world: World) -> None:
        run = _jobs(world, "jobs again")
        statuses = {name: one.status for name, one in run.state.steps.items()}
        assert set(statuses.values()) == {Status.CACHED}, statuses
        # What an equal step of the same run has made may have answered the first time.
        foretold = world.foretold["jobs again"]
        assert set(foretold.values()) <= {"cached"}, foretold
        assert world.digests(run) == world.digests(world.started["jobs"])

    def test_a_failed_item_fails_the_step_and_no_other(self, world: World) -> None:
        run = self._stumbled(world)
        state = run.state
        assert state.status is Status.FAILED
        step = state.steps["stumbling"]
        assert (step.status, step.attempt) == (Status.FAILED, 2)
        assert step.items == ItemCounts(total=2, done=1, failed=1, running=0)
        assert step.error is not None
        assert "item 1: cannot take 1" in step.error
        assert state.steps["total"].status is Status.NOT_RUN
        assert state.steps["say"].status in DONE
        lines = [line.text for line in run.logs("stumbling")]
        assert lines.count("item is 0") == 1
        assert lines.count("item is 1") == 2

    def test_what_other_items_have_made_is_kept(self, world: World) -> None:
        self._stumbled(world)
        world.path("mended").touch()
        again = world.start("stumbles again", "stumbles", over=1, until=_until(world))
        state = world.finish(again)
        assert state.status is Status.SUCCEEDED, state
        assert again.artifact("stumbling").load() == [0, 1]
        lines = [line.text for line in again.logs("stumbling")]
        assert "item is 1" in lines
        assert "item is 0" not in lines
        _, children = world.tracked(again)
        (child,) = (one for (name, _), one in children.items() if name == "stumbling")
        assert child.data.metrics == {"seen_0": 0.0, "seen_1": 1.0}

    def _stumbled(self, world: World) -> Run:
        if not world.capabilities.map_jobs:
            pytest.skip("its maps have no jobs: the contract's tests see that they are refused")
        run = world.start("stumbles", "stumbles", over=1, until=_until(world))
        world.finish(run)
        return run
