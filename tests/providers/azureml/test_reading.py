"""A pipeline job of ours read back: its steps, what reuse compares of them, its parameters."""

import copy
import json
import math

import pytest
from waterflow_azureml import reading

from tests.providers.azureml.builds import MLFLOW, build, compiled, local_data
from tests.providers.azureml.test_compiler import SETTINGS, every_feature
from waterflow.artifacts import canonical
from waterflow.cloud.fingerprint import NEW, Side, same


@pytest.fixture
def document():
    return compiled(build(every_feature(), data=[local_data("raw.csv")], uri=MLFLOW), SETTINGS)


def test_its_origin(document):
    origin = reading.origin(document.definition)
    assert origin.pipeline == "a_pipeline"
    assert origin.build == f"azureml://datastores/waterflow/paths/waterflow/{document.build}"
    assert reading.origin({"jobs": {}, "tags": {"team": "risk"}}) is None
    assert reading.origin({"jobs": {}}) is None


def test_its_steps(document):
    # As it is kept: canonical JSON sorts what it holds.
    kept = json.loads(canonical(dict(document.definition)))
    natives = reading.natives(kept)
    assert natives == reading.natives(document.definition)
    seen = set()
    for native in natives.values():
        assert {gate for gate, _ in native.chain} <= seen
        assert {name for group in native.needs for name in group} <= seen
        seen.add(native.name)
    assert (natives["gate_inner"].step, natives["gate_inner"].gate) == (None, "inner")
    assert natives["gate_inner"].chain == (("gate_good", True),)
    assert natives["gate_good"].needs == (("measure",),)
    notify = natives["notify_all"]
    assert (notify.step, notify.gate) == ("Notify-all", None)
    assert notify.chain == (("gate_good", False),)
    assert notify.needs == (("measure",),)
    assert natives["best"].needs == (("register", "notify_all"),)
    assert natives["gated_tool"].chain == (("gate_good", True), ("gate_inner", True))
    assert {native.step for native in natives.values()} - {None} == {
        step.name for step in every_feature().steps
    }


def test_what_reuse_compares(document):
    prints = reading.fingerprints(document.definition)
    assert prints["fit"].lifetime == prints["gate_good"].lifetime == math.inf
    assert prints["register"].lifetime is None
    forced = reading.fingerprints(reading.uncached(document.definition))
    assert {one.lifetime for one in forced.values()} == {None}
    assert forced["fit"].part == prints["fit"].part
    side = Side({"trees": "200", "kind": "a"}, {"load": "one"})
    assert same(prints["fit"].part, side, prints["fit"].part, side) is True
    other = Side({"trees": "100", "kind": "a"}, {"load": "one"})
    assert same(prints["fit"].part, other, prints["fit"].part, side) is False
    moved = Side({"trees": "200", "kind": "a"}, {"load": "two"})
    assert same(prints["fit"].part, moved, prints["fit"].part, side) is False
    assert same(prints["fit"].part, Side({}, {"load": "one"}), prints["fit"].part, side) is None
    assert prints["fit"].reads_new({"load": NEW})
    assert not prints["fit"].reads_new({"load": "one"})


def test_its_parameters(document):
    assert reading.declared(document.definition) == {
        "source": document.data["raw.csv"], "trees": "200", "kind": '"it\'s $5"', "least": None,
    }  # fmt: skip
    # A text that a program is given travels as it is, and is read back as it is.
    assert reading.declared({"inputs": {"x": r"\c", "y": "", "z": r"a\0047b"}}) == {
        "x": "", "y": None, "z": "a'b",
    }  # fmt: skip
    required = {"type": "uri_folder", "path": "azureml://datastores/a/paths/b/required/"}
    assert reading.declared({"inputs": {"x": required}}) == {"x": None}


def test_whether_two_would_run_the_same(document):
    definition = document.definition
    assert reading.same_steps(definition, definition)
    assert reading.same_steps(definition, reading.uncached(definition))
    assert reading.same_steps(definition, reading.renewed(definition, {"fit": "command/old"}))
    later = copy.deepcopy(definition)
    later["jobs"]["register"]["inputs"]["waterflow_control"]["path"] += "of-another-commit"
    later["tags"]["waterflow.build"] += "x"
    assert reading.same_steps(definition, later)
    for part in ("fit", "gate_good", "tool"):
        changed = copy.deepcopy(definition)
        changed["jobs"][part]["component"]["command"] += " more"
        assert not reading.same_steps(definition, changed)


def test_results_that_were_lost_stand_for_nothing(document):
    renewed = reading.renewed(document.definition, {"fit": "command/old", "tool": "command/older"})
    assert renewed["jobs"]["fit"]["environment_variables"] == {reading.RENEWED: "old"}
    assert renewed["jobs"]["tool"]["environment_variables"] == {
        "LEVEL": "2", reading.RENEWED: "older",
    }  # fmt: skip
    assert renewed["jobs"]["load"] is document.definition["jobs"]["load"]
    before = reading.fingerprints(document.definition)["fit"]
    after = reading.fingerprints(renewed)["fit"]
    assert same(before.part, Side({}, {}), after.part, Side({}, {})) is False
    assert reading.uncached(renewed)["settings"]["force_rerun"] is True
    assert document.definition["settings"]["force_rerun"] is False
