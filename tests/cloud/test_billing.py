"""What a cloud bills for a run: which of its jobs are asked for, and what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from waterflow import spec
from waterflow.cloud.billing import billed
from waterflow.cloud.runs import Execution, Look
from waterflow.cloud.service import Usage
from waterflow.cloud.states import NativeRun, NativeStep
from waterflow.provider import Billed
from waterflow.provider.state import RunState, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGES: Mapping[str, tuple[Usage, ...]] = {
    "small": (Usage(machine="small", seconds=1800, count=2, price=0.5),),
    "spot": (Usage(machine="large", seconds=60, count=1, price=None),),
    "two pools": (
        Usage(machine="small", seconds=3600, count=1, price=0.5),
        Usage(machine="large", seconds=3600, count=3, price=2.0),
    ),
    "not told": (),
}
NATIVES = {
    "a": NativeStep("a", "train"),
    "gate-g": NativeStep("gate-g", None, "good"),
}


class Billing:
    """The part of a service that is asked, with what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def connect(self) -> None:
        """Nothing is to be made."""

    def usage(self, run: NativeRun) -> Sequence[Usage]:
        self.asked.add(run.job)
        return USAGES[run.job]


def look(*runs: NativeRun) -> Look:
    empty: Any = None
    execution = Execution(
        run="r", native="n", id="n", pipeline="p", spec=spec.Pipeline("p"), natives=NATIVES,
        build=empty, record=None,
    )  # fmt: skip
    state = RunState(run="r", pipeline="p", status=Status.SUCCEEDED)
    return Look(execution, state, {run.native: run for run in runs})


def job(name: str, status: Status = Status.SUCCEEDED, native: str = "a") -> NativeRun:
    return NativeRun(native, status, job=name)


def test_machine_time_is_billed_at_the_machines_price() -> None:
    (one,) = billed(Billing(), look(job("small")))  # type: ignore[arg-type]
    assert one == Billed(step="train", seconds=3600, machine="small", cost=pytest.approx(0.5))


def test_pools_of_several_machines_are_summed() -> None:
    (one,) = billed(Billing(), look(job("two pools")))  # type: ignore[arg-type]
    assert one == Billed(
        step="train", seconds=4 * 3600, machine="small, large", cost=pytest.approx(6.5)
    )


def test_items_of_a_map_are_summed_without_those_of_a_cache() -> None:
    service = Billing()
    parts = (job("small"), job("two pools", Status.CACHED), job("spot", Status.FAILED))
    run = NativeRun("a", Status.FAILED, parts=parts)
    (one,) = billed(service, look(run))  # type: ignore[arg-type]
    assert service.asked == {"small", "spot"}
    assert one == Billed(step="train", seconds=3660, machine="small, large", cost=None)


def test_a_gate_that_is_a_job_is_billed_under_its_name() -> None:
    (one,) = billed(Billing(), look(job("small", native="gate-g")))  # type: ignore[arg-type]
    assert one.step == "good"


@pytest.mark.parametrize(
    "run", [job("small", Status.CACHED), job("small", Status.RUNNING), job("not told")]
)
def test_of_others_nothing_is_said(run: NativeRun) -> None:
    assert billed(Billing(), look(run)) == []  # type: ignore[arg-type]
