"""What is gathered of a run: money by plan and by bill, images, and the runs in MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from tests.report.conftest import pipeline_of
from waterflow.project.profile import Profile
from waterflow.provider import JOBS, Billed, Capabilities, Lineage, Provider
from waterflow.provider.state import RunState, Status, StepState
from waterflow.report import Gathering
from waterflow.tracking.pages import TrackedRun

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from waterflow import spec

HOUR = 3_600_000
STEPS = ["load", "train", "judge", "keep"]
PLANNED = {
    "load": {"machine": "small", "price": 0.1},
    "train": {"machine": "large", "price": 2.0},
    "judge": {"machine": "small", "price": 0.1},
}


class Recorded(Provider):
    """A provider whose service tells of one run, and starts none."""

    name: ClassVar[str] = "recorded"
    BILLED: ClassVar[tuple[Billed, ...]] = (
        Billed(step="load", seconds=3610, machine="small", cost=0.1003),
        Billed(step="train", seconds=900, machine="large", cost=None),
        Billed(step="gate", seconds=60, machine="tiny", cost=0.001),
    )

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def run_spec(self, run_id: str) -> spec.Pipeline:
        return pipeline_of(STEPS)

    def lineage(self, run_id: str) -> Lineage:
        return Lineage(tags={}, files={JOBS: json.dumps(PLANNED)}, experiment="risk")

    def billed(self, run_id: str) -> tuple[Billed, ...]:
        return self.BILLED

    def images(self, run_id: str) -> dict[str, str]:
        return {"load": "registry/ml:1", "train": "registry/gpu:1", "judge": "registry/ml:1"}

    def tracked(self, run_id: str) -> TrackedRun:
        return TrackedRun(experiment="7", run="parent", steps={"load": "one", "train": "two"})

    def artifacts(self, run_id: str) -> list[Any]:
        return []

    compile = submit = status = runs = logs = cancel = download = None  # type: ignore[assignment]


PROFILE = Profile("recorded", "recorded", {}, None, None, "built in")


def state_of(status: Status) -> RunState:
    done = {"load": Status.SUCCEEDED, "train": Status.SUCCEEDED, "judge": Status.CACHED}
    steps = {
        name: StepState(name=name, status=one, started=0, ended=HOUR) for name, one in done.items()
    }
    steps["keep"] = StepState(name="keep", status=Status.SKIPPED)
    uri = "https://ann:secret@mlflow.example"
    return RunState(run="r", pipeline="sample", status=status, steps=steps, tracking_uri=uri)


def test_the_facts_of_a_run(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    provider = Recorded(tmp_path, PROFILE)
    report = Gathering(provider, "r").report(state_of(Status.SUCCEEDED), now=0)
    told = msgspec.to_builtins(report)
    kept = ("machine", "image", "cost", "bill", "mlflow")
    shown = {
        "steps": {one["name"]: {key: one[key] for key in kept} for one in told["steps"]},
        "lineage": [one for one in told["lineage"] if one["name"] == "image"],
        **{key: told[key] for key in ("cost", "bill", "tracking", "mlflow", "missing")},
    }
    assert json.dumps(shown, indent=1) == snapshot


def test_nothing_is_billed_before_the_end(tmp_path: Path) -> None:
    provider = Recorded(tmp_path, PROFILE)
    report = Gathering(provider, "r").report(state_of(Status.RUNNING), now=0)
    assert report.bill is None
    assert {step.bill for step in report.steps} == {None}
    assert report.cost is not None
