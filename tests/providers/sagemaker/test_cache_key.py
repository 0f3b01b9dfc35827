"""What SageMaker's cache compares of a step: which changes are part of it, and which are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from waterflow_sagemaker.emulator.caching import key

from tests.providers.sagemaker.builds import (
    build,
    compiled,
    function,
    native_steps,
    pipeline,
    training,
)
from waterflow import spec

OWN = "tiny @ file:///tiny-1.0.whl"
VERSIONS = {
    "fit": {"pandas": "2.2.3", "numpy": "2.0"},
    "wide": {"pandas": "2.2.3", "other": "1"},
}
CONTENTS = {"fit": {"pandas": "a", "numpy": "b"}, "wide": {"pandas": "a", "other": "c"}}


def compared(document, name, kind="Processing"):
    """Return what the cache knows a step by; expressions are compared as they are written."""
    return key(kind, native_steps(document)[name]["Arguments"])


@pytest.mark.parametrize(
    ("contents", "anew"),
    [
        (CONTENTS, set()),
        (CONTENTS | {"fit": {"pandas": "a", "numpy": "rebuilt"}}, {"fit"}),
        (CONTENTS | {"wide": {"pandas": "a", "other": "rebuilt"}}, {"wide"}),
        ({one: known | {"pandas": "x"} for one, known in CONTENTS.items()}, {"fit", "wide"}),
        (CONTENTS | {"own": {OWN: "built anew"}}, {"own"}),
        (CONTENTS | {"none": {"unrelated": "d"}}, set()),
    ],
    ids=["the same", "a library", "another", "a shared one", "a file of its own", "unrelated"],
)
def test_a_library_of_another_content_under_its_version_is_another(contents, anew):
    own = function("own", environment=spec.Environment(requirements=(OWN,)))
    graph = pipeline(function("fit"), function("wide"), own, function("none"))
    before, after = (
        compiled(replace(build(graph, versions=VERSIONS), contents=known))
        for known in (CONTENTS, contents)
    )
    names = [step.name for step in graph.steps]
    assert {n for n in names if compared(before, n) != compared(after, n)} == anew
    rebuilt = {*after.wheelhouses} - {*before.wheelhouses}
    assert len(rebuilt) == len(anew)
    assert {w.requirements for w in after.wheelhouses.values()} == {
        w.requirements for w in before.wheelhouses.values()
    }


ATTEMPTS = {
    "retries": {"retry": spec.Retry(3, 5.0, 2.0)},
    "timeout": {"timeout": 60.0},
    "cpu": {"resources": spec.Resources(cpu=8)},
    "memory": {"resources": spec.Resources(memory=32 * 2**30)},
    "disk": {"resources": spec.Resources(disk=100 * 2**30)},
}
IN_TRAINING = {"memory", "disk"}
"""What a training job's STEP.json does not say."""


@pytest.mark.parametrize("options", ATTEMPTS)
@pytest.mark.parametrize("kind", ["Processing", "Training"])
def test_how_a_step_is_tried_counts_only_where_no_other_place_tells_it(options, kind):
    settings = training("fit") if kind == "Training" else None
    plain, other = (
        compiled(pipeline(function("fit", **one), function("next", {"x": "fit"})), settings)
        for one in ({}, ATTEMPTS[options])
    )
    arguments = [native_steps(one)["fit"]["Arguments"] for one in (plain, other)]
    assert arguments[0] != arguments[1], "the job is told"
    same = compared(plain, "fit", kind) == compared(other, "fit", kind)
    assert same == (kind == "Processing" or options in IN_TRAINING)
    assert compared(plain, "next") == compared(other, "next")
