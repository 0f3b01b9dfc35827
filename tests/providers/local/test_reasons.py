"""Why a step runs: what differs from its earlier result, in the plan, the run and its status."""

import json

import pytest

from tests.changing import Changing
from tests.providers.local.conftest import Status
from waterflow.runs import submit as submitting
from waterflow.runs.plan import make_plan

MODULES = {
    "why_steps": """
        from dataclasses import dataclass

        import waterflow as wf
        from why_helper import scaled

        LIMIT = 3

        @dataclass
        class Settings:
            depth: int

            def total(self) -> int:
                return self.depth * 10

        @wf.step
        def make(depth: int) -> Settings:
            return Settings(depth)

        @wf.step
        def use(settings: Settings, factor: int = 2) -> int:
            return settings.total() * scaled(factor)

        @wf.step
        def read(source: wf.Data) -> str:
            return source.path.read_text()

        @wf.step(env={"LEVEL": "1"})
        def limit(unused: int = 1) -> int:
            return LIMIT

        @wf.step(cache=False)
        def always() -> int:
            return 1
        """,
    "why_helper": """
        def scaled(value):
            return value * 1
        """,
    "why": """
        import waterflow as wf
        from why_steps import always, limit, make, read, use

        @wf.pipeline
        def pipeline(depth: int = 1, source: wf.Data = wf.Data("source.txt")) -> None:
            use(make(depth))
            read(source)
            limit()
            always()
        """,
}
EVERY = ("make", "use", "read", "limit", "always")
NEVER = ("never cached: cache=False",)


class ReasonsProject(Changing):
    """The project with the steps of this module in it."""

    def __init__(self, project):
        super().__init__(project, MODULES)
        (project.root / "source.txt").write_text("one")

    def plan(self, **parameters):
        with self.call("why:pipeline", **parameters) as call:
            return make_plan(call, self.project.root, "mine")

    def run(self, how=None, **parameters):
        """Start a run, and return why each of its steps ran, by the run's own word."""
        with self.call("why:pipeline", **parameters) as call:
            run = submitting.submit(call, profile="mine", root=self.project.root, **(how or {}))
        state = self.project.finish(run)
        assert state.status is Status.SUCCEEDED
        ran = {n: s.why for n, s in state.steps.items() if s.status is Status.SUCCEEDED}
        assert all(ran.values())
        return ran


@pytest.fixture
def reasons(configured):
    """The project, with a tracking server that is not there: no test waits for MLflow."""
    return ReasonsProject(configured('[profiles.mine.tracking]\nuri = "http://127.0.0.1:9"\n'))


def test_a_run_says_of_each_step_why_it_ran(reasons):
    none = ("no earlier result",)
    assert reasons.run() == {**dict.fromkeys(EVERY, none), "always": NEVER}
    assert reasons.run() == {"always": NEVER}

    def changed(**why):
        assert reasons.run(**reasons.parameters) == {**why, "always": NEVER}
        assert reasons.run(**reasons.parameters) == {"always": NEVER}

    reasons.parameters = {}
    reasons.change("why_steps", "LIMIT = 3", "LIMIT = 4")
    changed(limit=("code: LIMIT in why_steps.py changed",))
    reasons.change("why_helper", "value * 1", "value + 0")
    changed(use=("code: scaled() in why_helper.py changed",))
    reasons.change("why_steps", "return LIMIT", "return LIMIT + 0")
    changed(limit=("code: limit() in why_steps.py changed",))
    # What `make` returns brings its class, whose methods `use` calls: both count it.
    reasons.change("why_steps", "self.depth * 10", "self.depth * 11")
    settings = ("code: class Settings in why_steps.py changed",)
    changed(make=settings, use=settings)
    reasons.change("why_steps", "factor: int = 2", "factor: int = 3")
    changed(use=("code: use() in why_steps.py changed", "parameter factor 2 -> 3"))
    reasons.change("why_steps", '"LEVEL": "1"', '"LEVEL": "2"')
    changed(limit=("environment variable LEVEL changed",))
    (reasons.project.root / "source.txt").write_text("two")
    changed(read=("input source: other content",))
    reasons.parameters = {"depth": 2}
    changed(make=("parameter depth 1 -> 2",), use=("input settings: other content",))


def test_what_counts_for_nothing_reruns_nothing(reasons):
    reasons.run()
    for before, after in (
        ("LIMIT = 3", "LIMIT = 3  # at most"),
        ("@wf.step(cache=False)", "@wf.step(cache=False, retries=2, timeout='1h', cpu=2)"),
        ("@wf.step\ndef make", "\n\n@wf.step(retries=1)\ndef make"),
    ):
        reasons.change("why_steps", before, after)
    assert reasons.run() == {"always": NEVER}


def test_a_run_without_the_cache_says_so(reasons):
    reasons.run()
    why = reasons.run({"cache": False})
    assert why == {**dict.fromkeys(EVERY, ("this run takes no earlier results",)), "always": NEVER}


def test_a_result_of_which_an_artifact_is_gone_is_said_to_be_lost(reasons):
    reasons.run()
    for folder in (reasons.project.state / "artifacts").glob("[!.]*/*"):
        (folder / "manifest.json").unlink()
    assert reasons.run()["limit"] == ("the earlier result is no longer whole",)


def test_what_an_older_waterflow_kept_without_reasons_is_no_earlier_result(reasons):
    reasons.run()
    for entry in (reasons.project.state / "cache").glob("[!.]*/*.json"):
        kept = json.loads(entry.read_text())
        del kept["basis"]
        entry.chmod(0o644)
        entry.write_text(json.dumps(kept))
    assert reasons.run() == {"always": NEVER}
    reasons.change("why_steps", "LIMIT = 3", "LIMIT = 4")
    assert reasons.run()["limit"] == ("no earlier result",)


def test_a_plan_says_why_and_names_what_changed(reasons):
    plan = reasons.plan()
    assert {step.name: step.why for step in plan.steps} == {
        "make": ("no earlier result",),
        "use": ("it depends on what make makes",),
        "read": ("no earlier result",),
        "limit": ("no earlier result",),
        "always": NEVER,
    }
    assert (plan.last_run, plan.changes) == (None, ())
    reasons.run()
    assert {step.name for step in reasons.plan().steps if step.why} == {"always"}
    assert reasons.plan().changes == ()
    reasons.change("why_steps", "LIMIT = 3", "LIMIT = 4")
    (reasons.project.root / "source.txt").write_text("two")
    plan = reasons.plan(depth=5)
    assert {step.name: step.why for step in plan.steps if step.why} == {
        "make": ("parameter depth 1 -> 5",),
        "use": ("it depends on what make makes",),
        "read": ("input source: other content",),
        "limit": ("code: LIMIT in why_steps.py changed",),
        "always": NEVER,
    }
    assert {(one.what, one.name): one.fields for one in plan.changes} == {
        ("code", "limit"): ("LIMIT in why_steps.py changed",),
        ("data", "source.txt"): ("other content",),
        ("value", "depth"): ("1 -> 5",),
    }
