"""Remote conformance: what is foretold of a run, each time held against what the run then does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from waterflow.cloud import foretelling
from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.service import Start
from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.testing.remote_cloud import RemoteCloud

_ACTUAL: Final = {
    Status.CACHED: "cached",
    Status.SKIPPED: "skipped",
    Status.SUCCEEDED: "will run",
    Status.FAILED: "will run",
}
_MODULES: Final = {
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
    return number * 10
""",
    "kit_more": """
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
    "kit_foretold": """
from kit_make import make
from kit_more import perhaps, tell
from kit_use import use

import waterflow as wf


@wf.pipeline
def chosen(number: int) -> None:
    with wf.when(number >= 3) as gate:
        large = make.options(name="large")(number)
    with gate.otherwise():
        small = make.options(name="small")(number)
    tell(wf.first(large, small))


@wf.pipeline
def foretold(number: int, limit: int = 15, broken: bool = False) -> None:
    used = use(make(number))
    perhaps(broken)
    with wf.when(used > limit):
        tell(used)
""",
}


class _Foretold(RemoteProject):
    """A project whose steps lie in modules of their own, and its runs by a name."""

    def __init__(self, cloud: RemoteCloud, root: Path, **settings: Any) -> None:
        super().__init__(cloud, root, modules=_MODULES, **settings)
        self.names: dict[str, str] = {}

    def foretell(self, pipeline: str = "foretold", **parameters: Any) -> Mapping[str, Any]:
        provider, build, document = self.compile(f"kit_foretold:{pipeline}", **parameters)
        declared = build.spec.parameters
        defaults = {name: one.default for name, one in declared.items() if not one.required}
        return provider.foretell(build, document, defaults | parameters)

    def short(self, pipeline: str = "foretold", **parameters: Any) -> dict[str, str | None]:
        """Return what is foretold: for a cached step, the name of the run that made it."""
        return {
            name: self.names.get(one.run, one.run) if one.cache == "cached" else one.cache
            for name, one in self.foretell(pipeline, **parameters).items()
        }

    def observe(
        self,
        name: str,
        how: Mapping[str, Any] | None = None,
        pipeline: str = "foretold",
        **parameters: Any,
    ) -> tuple[dict[str, str | None] | None, dict[str, str | None]]:
        """Run it after foretelling it, see that nothing foretold is wrong, and return both."""
        expectations = {} if how else self.foretell(pipeline, **parameters)
        short = None if how else self.short(pipeline, **parameters)
        run = self.submit(f"kit_foretold:{pipeline}", how, **parameters)
        state = self.finish(run)
        goes_on = self.provider.capabilities.keep_going
        for step, one in expectations.items():
            status = state.steps[step].status
            if status is Status.NOT_RUN and state.status is Status.FAILED and not goes_on:
                continue  # another failed before it could start
            if one.cache != "unknown":
                assert _ACTUAL[status] == one.cache, step
            if one.run is not None:
                origin = self.fresh(one.run).state.steps[step].job
                assert state.steps[step].job == origin, step
        self.names[run.id] = name
        return short, {step: _ACTUAL.get(one.status) for step, one in state.steps.items()}


_EVERY: Final = ("make", "use", "perhaps", "tell")


def _row(*words: str | None) -> dict[str, str | None]:
    return dict(zip(_EVERY, words, strict=True))


class Foretelling(RemoteBase):
    """What a plan says that steps will do comes about."""

    @pytest.fixture
    def foretold(self, pointing: Emulator, tmp_path: Path) -> _Foretold:
        """A project of its own, of which nothing was ever run."""
        del pointing
        return _Foretold(self.cloud, tmp_path / "project")

    def test_what_is_foretold_comes_about(
        self, foretold: _Foretold, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        observe, short = foretold.observe, foretold.short
        # Nothing was ever run: the gate is for the run to decide.
        expected, _ = observe("one", number=1)
        assert expected == _row("will run", "will run", "will run", "unknown")
        # Nothing changed but the run's id.
        expected, _ = observe("two", number=1)
        assert expected == _row("one", "one", "one", "one")
        # Another limit: the same values are held against it, which nobody has done before.
        expected, ran = observe("three", number=1, limit=50)
        assert expected == _row("one", "one", "one", "unknown")
        assert ran["tell"] == "skipped"
        assert short(number=1, limit=50) == _row("one", "one", "one", "skipped")
        # The code of one step: what is behind it runs too, and what its gate says is open.
        foretold.change("* 10", "* 10 + 1", "kit_use")
        expected, _ = observe("four", number=1)
        assert expected == _row("one", "will run", "one", "unknown")
        assert short(number=1) == _row("one", "four", "one", "four")
        # A required parameter that is not given.
        provider, build, document = foretold.compile("kit_foretold:foretold", number=1)
        known = {"limit": 15, "broken": False}
        expectations = provider.foretell(build, document, known)
        assert {name: one.cache for name, one in expectations.items()} == _row(
            "unknown", "unknown", "cached", "unknown"
        )
        # A failed run has left what succeeded.
        expected, _ = observe("failed", number=2, broken=True)
        assert expected == _row("will run", "will run", "will run", "unknown")
        assert short(number=2, broken=True)["perhaps"] == "will run"
        assert short(number=2)["make"] == "failed"
        assert short(number=2)["perhaps"] == "one"
        # Whether what ran without the cache counts, and so may be the latest, is nowhere said.
        observe("uncached", {"cache": False}, number=3)
        expected, _ = observe("after", number=3)
        assert expected == _row("unknown", "unknown", None, "unknown")
        assert short(number=3) == _row("after", "after", None, "after")
        # With more executions than are looked at, only what never came to the cloud is sure to run.
        monkeypatch.setattr(foretelling, "LOOKED_AT", 1)
        assert short(number=4)["make"] == "unknown"
        foretold.change("+ 1", "+ 2", "kit_make")
        assert short(number=3) == _row("will run", "will run", "one", "unknown")

    def test_a_result_that_has_lost_its_files_is_made_anew(self, foretold: _Foretold) -> None:
        observe = foretold.observe
        provider, _, _ = foretold.compile("kit_foretold:foretold", number=1)
        observe("one", number=1)
        uris = {one.step: one.uri for one in provider.artifacts(next(iter(foretold.names)))}
        lost = list(provider.bucket.names(provider.bucket.name(uris["make"]) or ""))
        assert lost
        provider.bucket.delete(lost[0][0])
        why = foretold.foretell(number=1)["make"].why
        assert why == ("the earlier result is no longer whole",)
        expected, ran = observe("two", number=1)
        assert expected == _row("will run", "will run", "one", "unknown")
        assert (ran["make"], ran["use"], ran["perhaps"]) == ("will run", "will run", "cached")
        # What was made in its place stands for it from then on.
        expected, ran = observe("three", number=1)
        assert expected == _row("two", "two", "one", "two")
        assert set(ran.values()) == {"cached"}
        # And so it does when that is lost too.
        uris = {one.step: one.uri for one in provider.artifacts(list(foretold.names)[1])}
        for name, _ in list(provider.bucket.names(provider.bucket.name(uris["make"]) or "")):
            provider.bucket.delete(name)
        expected, ran = observe("four", number=1)
        assert ran["make"] == "will run"
        expected, ran = observe("five", number=1)
        assert expected == _row("four", "four", "one", "four")

    def test_a_lost_result_that_nobody_asked_after_is_named_by_who_reads_it(
        self, foretold: _Foretold
    ) -> None:
        foretold.observe("one", number=1)
        foretold.change("* 10", "* 10 + 1", "kit_use")
        provider, build, compiled = foretold.compile("kit_foretold:foretold", number=1)
        document = own(compiled)
        version = provider.starter.deploy(build, document).version
        uris = {one.step: one.uri for one in provider.artifacts(next(iter(foretold.names)))}
        (file,) = [
            name
            for name, _ in provider.bucket.names(provider.bucket.name(uris["make"]) or "")
            if name.endswith("value.json")
        ]
        provider.bucket.delete(file)
        values = native_parameters(document, {"number": 1, "limit": 15, "broken": False})
        start = Start("as-scheduled", document.pipeline, version, values, "t" * 64)
        run = provider.service.short_id(provider.service.start(start))
        state = foretold.finish(run)
        assert state.steps["make"].status is Status.CACHED
        assert state.steps["use"].status is Status.FAILED
        error = state.steps["use"].error or ""
        assert "The earlier result of step 'make', which the cache gave this run, is no" in error
        assert error.endswith("A run that is started anew makes it again: waterflow run")

    def test_a_gate_on_a_parameter_is_decided_beforehand(self, foretold: _Foretold) -> None:
        foretold.observe("large", pipeline="chosen", number=3)
        expected, _ = foretold.observe("small", pipeline="chosen", number=2)
        assert expected == {"large": "skipped", "small": "will run", "tell": "will run"}
        assert foretold.short("chosen", number=3) == {
            "large": "large",
            "small": "skipped",
            "tell": "large",
        }
        assert foretold.short("chosen", number=2) == {
            "large": "skipped",
            "small": "small",
            "tell": "small",
        }

    def test_a_result_expires(self, forwarded: Emulator, tmp_path: Path) -> None:
        with self.cloud.pointing(forwarded):
            project = _Foretold(self.cloud, tmp_path / "project", **self.cloud.cache_day)
            project.observe("old", number=1)
            self.cloud.advance(forwarded, 2 * 86400)
            # It is the service's clock that counts: this execution tells what it says.
            project.observe("late", {"run_id": "late"}, number=7)
            expected, _ = project.observe("again", number=1)
            assert expected is not None
            if not self.cloud.cache_day:  # results stand for steps for as long as they are there
                assert expected["make"] == expected["use"] == expected["perhaps"] == "old"
                return
            assert expected["make"] == expected["use"] == "will run"
            assert expected["perhaps"] == "late"
