"""`waterflow schedule`, and a provider's limits in `validate`, `plan` and `submit`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from waterflow_local.provider import LocalProvider

from tests.cli.conftest import TINY, write
from waterflow.errors import NotFoundError
from waterflow.project import profile
from waterflow.provider.schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from click.testing import Result

    from waterflow.provider import Build, Document

SCHEDULED = TINY.replace("@wf.pipeline", '@wf.pipeline(schedule="0 3 * * 1")')


class FileSchedules:
    """Schedules kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _read(self) -> dict[str, dict[str, Any]]:
        nothing: dict[str, dict[str, Any]] = {}
        return json.loads(self._file.read_text()) if self._file.exists() else nothing

    def _write(self, kept: dict[str, dict[str, Any]]) -> None:
        self._file.write_text(json.dumps(kept))

    def apply(self, build: Build, document: Document, parameters: Mapping[str, Any]) -> str:
        kept, name = self._read(), build.spec.name
        there = kept.pop(name, None)
        if build.spec.schedule is None:
            self._write(kept)
            return "none" if there is None else "deleted"
        entry = {
            "when": build.spec.schedule,
            "parameters": dict(parameters),
            "state": there["state"] if there else "enabled",
        }
        self._write({**kept, name: entry})
        return "created" if there is None else "unchanged" if there == entry else "updated"

    def list(self) -> Sequence[Schedule]:
        return [
            Schedule(
                name=name,
                pipeline=name,
                expression=one["when"],
                state=one["state"],
                next=1_767_582_000_000,
                orphan=name == "old",
            )
            for name, one in sorted(self._read().items())
        ]

    def delete(self, name: str) -> None:
        self._set(name, None)

    def pause(self, name: str) -> None:
        self._set(name, "paused")

    def resume(self, name: str) -> None:
        self._set(name, "enabled")

    def _set(self, name: str, state: str | None) -> None:
        kept = self._read()
        if name not in kept:
            raise NotFoundError(
                f"There is no schedule '{name}'. There are: waterflow schedule list"
            )
        one = kept.pop(name)
        self._write(kept if state is None else {**kept, name: {**one, "state": state}})


class Strict(LocalProvider):
    """A provider that keeps schedules and has limits of its own."""

    violated: ClassVar[tuple[str, ...]] = ()

    def schedules(self) -> FileSchedules:
        return FileSchedules(self.root / "schedules.json")

    def check(self, build: Build, document: Document) -> list[str]:
        return list(self.violated)


@pytest.fixture
def strict(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(project, {"pipeline.py": SCHEDULED})

    def opened(root: Path, name: str | None) -> Strict:
        return Strict(root, profile.load(root, name))

    # The plan first: were it imported after the other was replaced, it would keep the replacement.
    for module in ("runs.plan", "provider.discovery"):
        monkeypatch.setattr(f"waterflow.{module}.open_provider", opened)
    return project


def test_a_schedule_from_apply_to_delete(strict: Path, invoke: Callable[..., Result]) -> None:
    assert "There are no schedules" in invoke("schedule", "list").stderr
    result = invoke("schedule", "apply", ".")
    assert result.exit_code == 0, result.output
    assert result.stdout == "schedule of tiny (0 3 * * 1 UTC) on profile local: made\n"
    assert "as it was" in invoke("schedule", "apply", ".").stdout
    assert invoke("schedule", "pause", "tiny").stdout == "tiny paused\n"
    assert "paused" in invoke("schedule", "list").stdout
    assert "changed" in invoke("schedule", "apply", ".", "-p", "n=3").stdout
    (entry,) = json.loads(invoke("schedule", "list", "--json").stdout)
    assert entry == {
        "name": "tiny",
        "pipeline": "tiny",
        "expression": "0 3 * * 1",
        "state": "paused",
        "next": 1_767_582_000_000,
        "orphan": False,
    }
    assert json.loads(invoke("schedule", "resume", "tiny", "--json").stdout) == {
        "name": "tiny",
        "state": "enabled",
    }
    assert invoke("schedule", "delete", "tiny").stdout == "tiny deleted\n"
    for verb in ("delete", "pause", "resume"):
        gone = invoke("schedule", verb, "tiny")
        assert gone.exit_code == 4
        assert "waterflow schedule list" in gone.stderr


def test_apply_answers_in_json(strict: Path, invoke: Callable[..., Result]) -> None:
    report = json.loads(invoke("schedule", "apply", ".", "--json").stdout)
    assert report == {
        "pipeline": "tiny",
        "profile": "local",
        "provider": "local",
        "schedule": "0 3 * * 1",
        "result": "created",
    }
    written = strict / "later.py"
    written.write_text(TINY)
    assert (
        json.loads(invoke("schedule", "apply", "later.py", "--json").stdout)["result"] == "deleted"
    )
    quiet = invoke("schedule", "apply", "later.py").stdout
    assert quiet == "schedule of tiny on profile local: none: the pipeline has none\n"


def test_orphans_are_shown(strict: Path, invoke: Callable[..., Result]) -> None:
    one = {"when": "1 1 * * *", "parameters": {}, "state": "enabled"}
    (strict / "schedules.json").write_text(json.dumps({"old": one, "tiny": one}))
    result = invoke("schedule", "list")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["schedule", "old", "tiny"]
    assert "Delete it: waterflow schedule delete old" in result.stderr
    assert "delete tiny" not in result.stderr


def test_a_provider_without_schedules(project: Path, invoke: Callable[..., Result]) -> None:
    for arguments in (("list",), ("apply", "."), ("delete", "x"), ("pause", "x"), ("resume", "x")):
        result = invoke("schedule", *arguments)
        assert result.exit_code == 3
        assert "Provider 'local' keeps no schedules" in result.stderr


# --- limits ---------------------------------------------------------------------------------------

LIMITS = ("Step 'one', Image: found 300 characters; at most 255", "Step 'two', Tags: found 51")


@pytest.fixture
def limited(strict: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Strict, "violated", LIMITS)
    return strict


def test_validate_lists_every_violated_limit(limited: Path, invoke: Callable[..., Result]) -> None:
    result = invoke("validate", ".")
    assert result.exit_code == 3
    assert result.stderr == "".join(f"Error: {limit}\n" for limit in LIMITS)
    report = json.loads(invoke("validate", ".", "--json").stdout)
    assert report["valid"] is False
    assert report["problems"] == [
        {"kind": "ConfigurationError", "message": limit} for limit in LIMITS
    ]


def test_validate_lists_every_feature_that_is_not_there(
    limited: Path, invoke: Callable[..., Result]
) -> None:
    one, two = "@wf.step\ndef one", "@wf.step\ndef two"
    text = SCHEDULED.replace(one, one.replace("step", "step(gpu=1)"))
    write(limited, {"pipeline.py": text.replace(two, two.replace("step", "step(instances=3)"))})
    problems = json.loads(invoke("validate", ".", "--json").stdout)["problems"]
    assert [problem["kind"] for problem in problems[:2]] == ["UnsupportedFeatureError"] * 2
    # With what of the pipeline the provider can do, its limits are looked at all the same.
    assert [problem["message"] for problem in problems[2:]] == list(LIMITS)


def test_submit_refuses_before_anything_is_made(
    limited: Path, invoke: Callable[..., Result]
) -> None:
    for arguments in (("submit", "."), ("run", "."), ("schedule", "apply", ".")):
        result = invoke(*arguments)
        assert result.exit_code == 3
        assert result.stderr.endswith(
            "Pipeline 'tiny' violates 2 limits of provider 'local':\n"
            + "".join(f"  {limit}\n" for limit in LIMITS)
        )
    assert json.loads(invoke("runs", "--json").stdout) == []
    assert not (limited / "schedules.json").exists()


def test_plan_shows_the_limits(limited: Path, invoke: Callable[..., Result]) -> None:
    result = invoke("plan", ".", "--json")
    assert result.exit_code == 2
    plan = json.loads(result.stdout)
    assert plan["problems"] == list(LIMITS)
    assert all(step["kind"] for step in plan["steps"])
