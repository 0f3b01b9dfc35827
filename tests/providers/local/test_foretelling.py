"""What is foretold of a local run, each time held against what the run then does."""

import pytest

from tests.changing import Changing
from tests.providers.local.conftest import Status
from waterflow.runs import submit as submitting
from waterflow.runs.plan import make_plan

MODULES = {
    "kit_make": """
        import waterflow as wf

        @wf.step
        def make(number: int) -> int:
            return number + 1
        """,
    "kit_use": """
        import waterflow as wf

        @wf.step
        def use(number: int) -> int:
            return number % 2
        """,
    "kit_more": """
        import waterflow as wf

        @wf.step
        def read(source: wf.Data) -> str:
            return source.path.name

        @wf.step
        def tell(used: int) -> int:
            return used

        @wf.step
        def deep(used: int) -> int:
            return used

        @wf.step(cache=False)
        def always() -> int:
            return 1
        """,
    "kit_foretold": """
        import waterflow as wf
        from kit_make import make
        from kit_more import always, deep, read, tell
        from kit_use import use

        @wf.pipeline
        def pipeline(number: int, source: wf.Data = wf.Data("source.txt")) -> None:
            used = use(make(number))
            read(source)
            always()
            with wf.when(used == 0):
                deep(tell(used))
        """,
}
EVERY = ("make", "use", "read", "always", "tell", "deep")
ACTUAL = {Status.CACHED: "cached", Status.SKIPPED: "skipped", Status.SUCCEEDED: "will run"}


def row(*words):
    return dict(zip(EVERY, words, strict=True))


class ForetellingProject(Changing):
    """The project with the steps of this module in it."""

    def __init__(self, project):
        super().__init__(project, MODULES)
        (project.root / "source.txt").write_text("one")

    def plan(self, **parameters):
        with self.call("kit_foretold:pipeline", **parameters) as call:
            return make_plan(call, self.project.root, "mine")

    def foretold(self, **parameters):
        return {step.name: step.cache for step in self.plan(**parameters).steps}

    def run(self, **parameters):
        """Start a run after foretelling it, and see that nothing foretold is wrong."""
        plan = self.plan(**parameters)
        with self.call("kit_foretold:pipeline", **parameters) as call:
            run = submitting.submit(call, profile="mine", root=self.project.root)
        state = self.project.finish(run)
        assert state.status is Status.SUCCEEDED
        for step in plan.steps:
            if step.cache != "unknown":
                assert ACTUAL[state.steps[step.name].status] == step.cache, step.name
        return run, {step.name: step.cache for step in plan.steps}


@pytest.fixture
def foretelling(configured):
    """The project, with a tracking server that is not there: no test waits for MLflow."""
    return ForetellingProject(configured('[profiles.mine.tracking]\nuri = "http://127.0.0.1:9"\n'))


def test_what_is_foretold_comes_about(foretelling):
    first, foretold = foretelling.run(number=1)
    assert foretold == row("will run", "unknown", "will run", "will run", "unknown", "unknown")
    # Nothing changed: all is known, and the gate's answer with it.
    plan = foretelling.plan(number=1)
    assert {s.name: s.cache for s in plan.steps} == row(
        "cached", "cached", "cached", "will run", "cached", "cached"
    )
    assert {s.cached_from for s in plan.steps} == {first.id, None}
    assert all(s.seconds == 0 for s in plan.steps if s.cache == "cached")
    assert 0 < plan.seconds < plan.full_seconds
    # The code of a step in the middle: what is behind it may be answered again by what it makes.
    foretelling.change("kit_use", "% 2", "% 2 + 0")
    _, foretold = foretelling.run(number=1)
    assert foretold == row("cached", "will run", "cached", "will run", "unknown", "unknown")
    # Another parameter, and a gate that then stays closed.
    _, foretold = foretelling.run(number=2)
    assert foretold == row("will run", "unknown", "cached", "will run", "unknown", "unknown")
    assert foretelling.foretold(number=2) == row(
        "cached", "cached", "cached", "will run", "skipped", "skipped"
    )
    # Other data, which was never in the store; and the first again, under another name.
    (foretelling.project.root / "source.txt").write_text("two")
    assert foretelling.foretold(number=1)["read"] == "will run"
    (foretelling.project.root / "kept").mkdir()
    (foretelling.project.root / "kept" / "source.txt").write_text("one")
    assert foretelling.foretold(number=1, source="kept/source.txt")["read"] == "cached"
    foretelling.run(number=1, source="kept")
    assert foretelling.foretold(number=1, source="kept")["read"] == "cached"


def test_a_parameter_that_is_not_given_breaks_no_plan(foretelling):
    assert foretelling.foretold() == row(
        "unknown", "unknown", "will run", "will run", "unknown", "unknown"
    )


def test_an_artifact_that_is_gone_answers_nothing(foretelling):
    foretelling.run(number=1)
    for folder in (foretelling.project.state / "artifacts").glob("[!.]*/*"):
        (folder / "manifest.json").unlink()
    assert foretelling.foretold(number=1)["make"] == "will run"
