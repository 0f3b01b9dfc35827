"""Why steps of a run that is over did not run."""

from __future__ import annotations

import pytest

import waterflow as wf
from tests.unit import example_steps as steps
from tests.unit.tracing import traced
from waterflow.provider.state import RunState, Status, StepState
from waterflow.runs.why import note_not_run


def pipeline() -> None:
    one, two = steps.add.named("one")(1), steps.add.named("two")(2)
    both = steps.add.named("both")(one, two)
    steps.add.named("last")(both)
    with wf.when(one > 1):
        steps.add.named("gated")(3)
    steps.add.named("aside")(4)


NEEDS = "it needs {}, which failed"


@pytest.mark.parametrize(
    ("run", "failed", "reasons"),
    [
        (
            "failed",
            ("one",),
            {"both": NEEDS.format("one"), "last": NEEDS.format("one")}
            | {"gated": NEEDS.format("one")},
        ),
        (
            "failed",
            ("one", "two"),
            {"both": NEEDS.format("one, two"), "last": NEEDS.format("one, two")}
            | {"gated": NEEDS.format("one")},
        ),
        (
            "failed",
            ("aside",),
            dict.fromkeys(("both", "last"), "aside failed before it could start"),
        ),
        ("cancelled", (), {"last": "the run was cancelled"}),
        ("failed", (), {"last": None}),
    ],
)
def test_what_did_not_run_says_why(
    run: str, failed: tuple[str, ...], reasons: dict[str, str | None]
) -> None:
    document = traced(pipeline)
    statuses = {step.name: Status.SUCCEEDED for step in document.steps}
    statuses |= dict.fromkeys(reasons, Status.NOT_RUN) | dict.fromkeys(failed, Status.FAILED)
    state = RunState(
        run="r",
        pipeline="p",
        status=Status(run),
        steps={name: StepState(name=name, status=status) for name, status in statuses.items()},
    )
    note_not_run(state, document)
    assert {name: state.steps[name].reason for name in reasons} == reasons
    assert all(one.reason is None for name, one in state.steps.items() if name not in reasons)
