"""Conformance: which earlier results may stand for a step, and which may not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from waterflow.cli.watch import Lines, watch
from waterflow.provider.state import Status
from waterflow.testing.language import GIVEN

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.runs.run import Run
    from waterflow.testing.world import World


NAME = "conformance-1"
"""A run id of the submitter's own."""
_CAME = {
    Status.SUCCEEDED: "will run",
    Status.CACHED: "cached",
    Status.SKIPPED: "skipped",
}
"""What a step did, as a plan foretells it."""


class Caching:
    """Three runs of one pipeline: the first, the same again, and one with four changes."""

    def _first(self, world: World) -> Run:
        if "cached" not in world.started:
            source = world.root / "source.txt"
            source.write_text("the original")
            (world.root / "extra.txt").write_text("the extra")
            call = world.call("cached", **self._parameters(world))
            world.keep("cached", world.submit(call, run_id=NAME))
            # The step that reads it has not begun: it waits for the file below.
            source.write_text("edited after the submit")
            world.submit(world.call("cached", **self._parameters(world)), run_id=NAME)
            world.started.pop(NAME)
            world.path("open").touch()
            world.finish(world.started["cached"])
            source.write_text("the original")
        return world.started["cached"]

    def _again(self, world: World) -> Run:
        self._first(world)
        if "cached again" not in world.started:
            _edit(world.root / "kit_unrelated.py", "ANSWER = 42", "ANSWER = 43")
            # Other bundles, of the same code keys.
            _edit(world.root / "kit_coded_helper.py", '"one"', '"two"')
            _edit(world.root / "kit_coded.py", "@wf.step", "# A step.\n@wf.step")
            world.foretell("cached again", "cached", **self._parameters(world))
            world.start("cached again", "cached", **self._parameters(world))
        return world.started["cached again"]

    def _changed(self, world: World) -> Run:
        world.finish(self._again(world))
        if "cached changed" not in world.started:
            _edit(world.root / "kit_coded_helper.py", '"!"', '"?"')
            (world.root / "source.txt").write_text("another")
            parameters = self._parameters(world) | {
                "number": 5,
                "factor": 0.25,
                "extra": "extra.txt",
            }
            world.foretell("cached changed", "cached", **parameters)
            world.start("cached changed", "cached", **parameters)
        return world.started["cached changed"]

    def _anew(self, world: World, *steps: str) -> set[str]:
        """Return the steps that see equal inputs made anew, where those are not recognised."""
        return set() if world.capabilities.content_cache else set(steps)

    def _parameters(self, world: World) -> dict[str, object]:
        return {"hold": str(world.path("open"))}

    def test_data_is_what_it_was_at_submit(self, world: World) -> None:
        run = self._first(world)
        assert world.finish(run).status is Status.SUCCEEDED
        assert run.artifact("read").load() == "the original"
        assert run.artifact("maybe").load() == "none"

    def test_submitting_twice_gives_one_run(self, world: World) -> None:
        run = self._first(world)
        world.finish(run)
        assert run.id == NAME
        world.submit(world.call("cached", **self._parameters(world)), run_id=NAME)
        world.started.pop(NAME)
        assert world.state(run).status is Status.SUCCEEDED
        assert [state.run for state in world.provider.runs()].count(NAME) == 1
        parent, children = world.tracked(run)
        assert parent.data.params["hold"] == str(world.path("open"))
        assert {attempt for _, attempt in children} == {1}

    def test_the_second_run_is_all_cached(self, world: World) -> None:
        first, again = self._first(world), self._again(world)
        state = world.finish(again)
        assert state.status is Status.SUCCEEDED
        ran = {name for name, step in state.steps.items() if step.status is not Status.CACHED}
        assert ran == {"dice", "always", *self._anew(world, "after_always")}, "nothing else"
        digests, before = world.digests(again), world.digests(first)
        assert digests.pop(("dice", "output")) != before.pop(("dice", "output"))
        assert digests == before

    def test_a_cached_step_says_who_did_the_work(self, world: World) -> None:
        first, again = self._first(world), self._again(world)
        world.finish(again)
        _, originals = world.tracked(first)
        parent, children = world.tracked(again)
        ran = {"dice", "always", *self._anew(world, "after_always")}
        assert set(children) == {(step, 1) for step in ran}
        execution = world.execution(first)
        for step in ("read", "scale", "coded"):
            assert parent.data.tags[f"waterflow.cached.{step}"] == f"{execution}/{step}/1"
            origin = parent.data.tags[f"waterflow.cached.{step}.run_id"]
            assert origin == originals[step, 1].info.run_id

    def test_what_the_plan_foretells_comes_about(self, world: World) -> None:
        for key, run in (
            ("cached again", self._again(world)),
            ("cached changed", self._changed(world)),
        ):
            steps = world.finish(run).steps
            came = {name: _CAME.get(step.status) for name, step in steps.items()}
            foretold = world.foretold[key]
            assert foretold == {name: came[name] for name in foretold}, key

    def test_what_the_plan_foretells_of_the_same_again(self, world: World) -> None:
        """Its gates are known then, and with them what is skipped."""
        steps = world.finish(world.start("plain", "plain", **GIVEN)).steps
        world.foretell("plain again", "plain", **GIVEN)
        foretold = world.foretold["plain again"]
        skipped = {name for name in foretold if steps[name].status is Status.SKIPPED}
        assert foretold == {n: "skipped" if n in skipped else "cached" for n in foretold}

    def test_what_changed_is_computed_anew_and_nothing_else(self, world: World) -> None:
        run = self._changed(world)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED
        ran = {name for name, step in state.steps.items() if step.status is Status.SUCCEEDED}
        assert ran == {
            "dice",
            "always",  # never cached
            "read",
            "say",  # the data
            "maybe",  # given now
            "parity",  # its parameter; `after_parity` sees the same result as before
            "scale",
            "after_scale",  # its parameter, and what follows
            "coded",  # the module that its own imports
            *self._anew(world, "after_parity", "after_always"),
        }
        cached = {name for name, step in state.steps.items() if step.status is Status.CACHED}
        assert cached == {"after_parity", "after_always"} - ran
        assert run.artifact("read").load() == "another"
        assert run.artifact("maybe").load() == "the extra"
        assert run.artifact("coded").load() == "coded?"
        assert run.artifact("after_scale").load() == "0.75"

    def _changed_and_kept(self, world: World) -> Run:
        """Return the changed run, where the provider keeps what a run was made from."""
        run = self._changed(world)
        world.finish(run)
        if world.provider.run_basis(run.id) is None:
            pytest.skip("the provider keeps nothing to compare with: run_basis is optional")
        return run

    def test_the_plan_says_why_a_step_will_run(self, world: World) -> None:
        self._changed_and_kept(world)
        again, changed = world.plans["cached again"], world.plans["cached changed"]
        assert {s.name: s.why for s in again.steps if s.name == "dice"} == {
            "dice": ("never cached: cache=False",)
        }
        assert not [one for one in again.changes if one.what != "code"]
        assert not any(one.name == "coded" for one in again.changes)
        why = {step.name: step.why for step in changed.steps}
        assert "code: SUFFIX in kit_coded_helper.py changed" in why["coded"]
        assert {one.name: one.fields for one in changed.changes if one.what == "code"} == {
            "coded": ("SUFFIX in kit_coded_helper.py changed",)
        }

    def test_a_run_s_own_lines_say_why_its_steps_run(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = self._changed_and_kept(world)
        assert watch(run, Lines()).status is Status.SUCCEEDED
        output = capsys.readouterr().out
        for step, why in (
            ("coded", "code: SUFFIX in kit_coded_helper.py changed"),
            ("parity", "parameter number 3 -> 5"),
        ):
            (line,) = re.findall(rf"(?m)^\S+  {step} +running.*$", output)
            assert f"({why})" in line
        (line,) = re.findall(r"(?m)^\S+  dice +running.*$", output)
        assert line.endswith("running"), "it is never cached: nothing differs"

    def test_a_run_says_why_its_steps_ran(self, world: World) -> None:
        run = self._changed_and_kept(world)
        state = world.provider.status(run.id)
        run.explain(state)
        assert state.steps["dice"].why == ("never cached: cache=False",)
        assert state.steps["coded"].why == ("code: SUFFIX in kit_coded_helper.py changed",)
        assert "parameter number 3 -> 5" in state.steps["parity"].why
        cached = [step for step in state.steps.values() if step.status is Status.CACHED]
        assert not [step for step in cached if step.why]


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise AssertionError(f"{path} does not hold {old!r}")
    path.write_text(text.replace(old, new))
