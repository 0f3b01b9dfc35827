"""What is foretold of a run on SageMaker, each time held against what the run then does."""

import pytest
from waterflow_sagemaker.emulator import Emulator

from tests.changing import Changing
from tests.providers.sagemaker.runs_kit import Project, pointed
from waterflow.cloud import foretelling
from waterflow.provider.state import Status
from waterflow.runs import submit as submitting

MODULES = {
    "told_make": """
        import waterflow as wf

        @wf.step
        def make(number: int) -> int:
            return number + 1
        """,
    "told_use": """
        import waterflow as wf

        @wf.step
        def use(number: int) -> int:
            return number * 10
        """,
    "told_more": """
        import waterflow as wf

        @wf.step
        def perhaps(broken: bool) -> int:
            if broken:
                raise ValueError("broken")
            return 1

        @wf.step
        def tell(number: int) -> int:
            return number
        """,
    "told": """
        import waterflow as wf
        from told_make import make
        from told_more import perhaps, tell
        from told_use import use

        @wf.pipeline
        def chosen(number: int) -> None:
            with wf.when(number >= 3) as gate:
                large = make.options(name="large")(number)
            with gate.otherwise():
                small = make.options(name="small")(number)
            tell(wf.first(large, small))

        @wf.pipeline
        def told(number: int, limit: int = 15, broken: bool = False) -> None:
            used = use(make(number))
            perhaps(broken)
            with wf.when(used > limit):
                tell(used)
        """,
}
ACTUAL = {
    Status.CACHED: "cached",
    Status.SKIPPED: "skipped",
    Status.SUCCEEDED: "will run",
    Status.FAILED: "will run",
}


class Told(Changing):
    """A project whose steps lie in modules of their own, and its runs by number."""

    def __init__(self, root, **settings):
        super().__init__(Project(root, **settings), MODULES)
        self.runs = {}

    def foretell(self, pipeline="told", **parameters):
        with self.call(f"told:{pipeline}", **parameters) as call:
            provider, build, document = submitting.compile_call(call, self.project.root, "aws")
        defaults = {n: p.default for n, p in build.spec.parameters.items() if not p.required}
        return provider.foretell(build, document, defaults | parameters)

    def short(self, pipeline="told", **parameters):
        """Return what is foretold: for a cached step, the name of the run that made it."""
        return {
            name: self.runs.get(one.run, one.run) if one.cache == "cached" else one.cache
            for name, one in self.foretell(pipeline, **parameters).items()
        }

    def run(self, name, how=None, pipeline="told", **parameters):
        """Start a run after foretelling it, and see that nothing foretold is wrong."""
        foretold = None if how else self.foretell(pipeline, **parameters)
        short = None if how else self.short(pipeline, **parameters)
        with self.call(f"told:{pipeline}", **parameters) as call:
            run = submitting.submit(call, profile="aws", root=self.project.root, **(how or {}))
        state = self.project.finish(run)
        for step, one in (foretold or {}).items():
            if one.cache != "unknown":
                assert ACTUAL[state.steps[step].status] == one.cache, step
            if one.run is not None:
                made = self.project.fresh(one.run).state.execution
                assert state.steps[step].job.startswith(f"pipelines-{made}-"), step
        self.runs[run.id] = name
        return short, {name: ACTUAL.get(step.status) for name, step in state.steps.items()}


@pytest.fixture
def told(tmp_path, emulator):
    with pointed(emulator):
        yield Told(tmp_path / "project")


def test_what_is_foretold_comes_about(told, monkeypatch):
    every = ("make", "use", "perhaps", "tell")

    def row(*words):
        return dict(zip(every, words, strict=True))

    # Nothing was ever run: the gate is for the run to decide.
    foretold, _ = told.run("one", number=1)
    assert foretold == row("will run", "will run", "will run", "unknown")
    # Nothing changed but the run's id.
    foretold, _ = told.run("two", number=1)
    assert foretold == row("one", "one", "one", "one")
    # Another limit: the same values are held against it, which nobody has done before.
    foretold, ran = told.run("three", number=1, limit=50)
    assert foretold == row("one", "one", "one", "unknown")
    assert ran["tell"] == "skipped"
    assert told.short(number=1, limit=50) == row("one", "one", "one", "skipped")
    # The code of one step: what is behind it runs too, and what its gate says is open.
    told.change("told_use", "* 10", "* 10 + 1")
    foretold, _ = told.run("four", number=1)
    assert foretold == row("one", "will run", "one", "unknown")
    assert told.short(number=1) == row("one", "four", "one", "four")
    # A required parameter that is not given.
    with told.call("told:told", number=1) as call:
        provider, build, document = submitting.compile_call(call, told.project.root, "aws")
    known = {"limit": 15, "broken": False}
    assert {n: e.cache for n, e in provider.foretell(build, document, known).items()} == row(
        "unknown", "unknown", "cached", "unknown"
    )
    # A failed run has left what succeeded.
    foretold, _ = told.run("failed", number=2, broken=True)
    assert foretold == row("will run", "will run", "will run", "unknown")
    assert told.short(number=2, broken=True)["perhaps"] == "will run"
    assert told.short(number=2)["make"] == "failed"
    assert told.short(number=2)["perhaps"] == "one"
    # Whether what ran without the cache counts, and so may be taken as the latest, is nowhere said.
    told.run("uncached", {"cache": False}, number=3)
    foretold, _ = told.run("after", number=3)
    assert foretold == row("unknown", "unknown", None, "unknown")
    assert told.short(number=3) == row("after", "after", None, "after")
    # With more executions than are looked at, only what never came to AWS is sure to run.
    monkeypatch.setattr(foretelling, "LOOKED_AT", 1)
    assert told.short(number=4)["make"] == "unknown"
    told.change("told_make", "+ 1", "+ 2")
    assert told.short(number=3) == row("will run", "will run", "one", "unknown")


def test_a_gate_on_a_parameter_is_decided_beforehand(told):
    told.run("large", pipeline="chosen", number=3)
    foretold, _ = told.run("small", pipeline="chosen", number=2)
    assert foretold == {"large": "skipped", "small": "will run", "tell": "will run"}
    assert told.short(pipeline="chosen", number=3) == {
        "large": "large", "small": "skipped", "tell": "large",
    }  # fmt: skip
    assert told.short(pipeline="chosen", number=2) == {
        "large": "skipped", "small": "small", "tell": "small",
    }  # fmt: skip


def test_a_result_expires(tmp_path):
    with Emulator(grace=2) as emulator, pointed(emulator):
        told = Told(tmp_path / "project", cache_days=1)
        told.run("old", number=1)
        emulator.advance(2 * 86400)
        # It is the service's clock that counts: this execution tells what it says.
        told.run("late", {"run_id": "late"}, number=7)
        foretold, _ = told.run("again", number=1)
        assert foretold["make"] == foretold["use"] == "will run"
        assert foretold["perhaps"] == "late"
