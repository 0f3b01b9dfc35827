"""What runs inside Azure ML's jobs: where things lie, what gates decide, what is skipped."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waterflow_azureml.job import gate, place
from waterflow_azureml.translation import nodes
from waterflow_azureml.translation.control import job_files

from tests.providers.azureml.builds import compiled, function, pipeline
from waterflow import artifacts, spec
from waterflow.artifacts import canonical
from waterflow.packing import bundle, shipping
from waterflow.runtime.launch import comparable
from waterflow.spec.conditions import SKIPPED, holds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CODE = """
import waterflow as wf

@wf.step
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x
"""


# --- gates ----------------------------------------------------------------------------------------

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(-3, 3),
                    st.sampled_from(["", "a", "true", "1", "1.0"]))  # fmt: skip
OPERANDS = st.one_of(
    st.builds(spec.FromValue, SCALARS),
    st.builds(spec.FromStep, st.sampled_from(["one", "two"]), st.just("output")),
    st.builds(spec.FromParameter, st.sampled_from(["p", "q"])),
)
COMPARES = st.builds(
    spec.Compare, OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), OPERANDS
)
CONDITIONS = st.recursive(
    COMPARES,
    lambda inner: st.one_of(
        st.builds(spec.Not, inner),
        st.builds(spec.All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(spec.Any_, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


class _Planning:
    """What a condition's translation asks of a compilation, for a pipeline of two steps."""

    pipeline = spec.Pipeline(
        name="x", parameters={name: spec.Parameter("json", None) for name in ("p", "q")}
    )
    native: ClassVar[dict[str, str]] = {"one": "one", "two": "two"}

    def keys(self, step: str) -> dict[str, str]:
        return {"output": f"{step}_key"}


@given(
    CONDITIONS,
    st.dictionaries(st.sampled_from(["one", "two"]), SCALARS.filter(lambda one: one is not None)),
    st.fixed_dictionaries({"p": SCALARS, "q": SCALARS}),
)
def test_gates_decide_as_every_provider_does(
    condition: spec.Condition,
    steps: dict[str, Any],
    parameters: dict[str, Any],
) -> None:
    def scalar(operand: spec.Operand) -> Any:
        if isinstance(operand, spec.FromValue):
            return operand.value
        if isinstance(operand, spec.FromParameter):
            return parameters[operand.name]
        return steps.get(operand.step, SKIPPED)

    # As it travels: a step's scalars through values.json, the condition through launch.json.
    values: dict[str, Any] = {
        f"{name}_key": json.loads(json.dumps(comparable(value))) for name, value in steps.items()
    }
    native = json.loads(json.dumps(nodes.condition_of(_Planning(), condition)))  # type: ignore[arg-type]

    def read(operand: dict[str, Any]) -> Any:
        if "step" not in operand:
            return gate.scalar(operand, {}, parameters)
        if operand["key"] not in values:
            raise gate.Absent
        return gate.number_or_text(values[operand["key"]])

    assert gate.decide(native, read) is holds(condition, scalar)


# --- a step behind a gate -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The control inputs of a gate and of a step behind it, as they are compiled and uploaded."""
    project = tmp_path_factory.mktemp("project")
    (project / "waterflow.toml").touch()
    (project / "steps.py").write_text(CODE)
    graph = pipeline(
        function("one", outputs="integer"),
        function("double", {"x": spec.FromParameter("n")}, "integer", branch=("big", True)),
        gates=[
            spec.Gate("big", spec.Compare(spec.FromStep("one", "output"), ">",
                                          spec.FromParameter("least")))
        ],
        parameters={"n": spec.Parameter("integer", 2), "least": spec.Parameter("integer", 1)},
    )  # fmt: skip
    document = compiled(graph, {"image": "x", "python": PYTHON}, build_options={"python": PYTHON})
    archive = shipping.archive(bundle.build("steps", project))
    for native in ("gate_big", "double"):
        folder = project / native
        folder.mkdir()
        for name, content in job_files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        one = document.control[native]
        (folder / "launch.json").write_bytes(canonical(dict(one.launch) | {"pins": []}))
        (folder / "step.json").write_bytes(canonical(dict(one.step)))
        (folder / "bundle.tar.gz").write_bytes(archive)
        (folder / "command").write_text(document.definition["jobs"][native]["component"]["command"])
    return project


def run(folder: Path, work: Path, fill: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Run a node's command as Azure ML does: what it names is filled in, and a shell reads it."""
    command = (folder / "command").read_text().replace("python3", sys.executable)
    for name, value in {"inputs.waterflow_control": folder, **fill}.items():
        command = command.replace(f"${{{{{name}}}}}", str(value))
    work.mkdir(exist_ok=True)
    return subprocess.run(
        ["sh", "-c", command],
        env={"AZUREML_ROOT_RUN_ID": "pipeline-job", "TMPDIR": str(work), "PATH": "/usr/bin:/bin",
             "MLFLOW_TRACKING_URI": "azureml://theirs"},
        cwd=work, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "decision"), [("2", True), ("1", False), (None, None)], ids=["then", "else", "none"]
)
def test_a_step_behind_a_gate(
    control: Path, tmp_path: Path, value: str | None, decision: bool | None
) -> None:
    result = tmp_path / "one"
    result.mkdir()
    values = {} if value is None else {"output": comparable(json.loads(value))}
    (result / "values.json").write_text(json.dumps(values))
    decided = run(control / "gate_big", tmp_path / "work", {
        "inputs.one": result, "inputs.least": "1", "outputs.decision": tmp_path / "decision",
    })  # fmt: skip
    assert decided.returncode == 0, decided.stderr
    answer = json.loads((tmp_path / "decision" / "decision.json").read_text())
    assert answer == {"decision": decision}
    done = run(control / "double", tmp_path / "other", {
        "inputs.waterflow_gate_1": tmp_path / "decision", "inputs.x": "21",
        "outputs.output": tmp_path / "output", "outputs.waterflow": tmp_path / "result",
    })  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = artifacts.verify(tmp_path / "output")
    assert manifest.skipped is not (decision is True)
    assert (tmp_path / "result" / "values.json").read_text() == "{}"
    if decision:
        assert "doubling 21" in done.stdout
        assert (tmp_path / "output" / "value.json").read_text() == "42"
        spool = (tmp_path / "result" / "spool.jsonl").read_text()
        assert '"pipeline-job"' in spool
    else:
        assert "step 'double' is skipped: it stands behind a gate that is closed" in done.stdout


def test_a_failed_step_leaves_its_spool_and_says_why(control: Path, tmp_path: Path) -> None:
    (tmp_path / "decision").mkdir()
    (tmp_path / "decision" / "decision.json").write_text('{"decision": true}')
    done = run(control / "double", tmp_path / "work", {
        "inputs.waterflow_gate_1": tmp_path / "decision", "inputs.x": '"no number"',
        "outputs.output": tmp_path / "output", "outputs.waterflow": tmp_path / "result",
    })  # fmt: skip
    assert done.returncode != 0
    assert "waterflow: " in done.stderr
    assert "step.end" in (tmp_path / "result" / "spool.jsonl").read_text()
    assert not (tmp_path / "output" / "manifest.json").exists()


# --- the place ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "rank", "hosts"),
    [
        ({}, 0, ["node-0"]),
        ({"NODE_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.4"}, 1,
         ["10.0.0.4", "node-1"]),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3",
          "AZ_BATCH_HOST_LIST": "10.0.0.4,10.0.0.5,10.0.0.6"}, 2,
         ["10.0.0.4", "10.0.0.5", "10.0.0.6"]),
        ({"AZUREML_NODE_COUNT": "2", "AZ_BATCHAI_MPI_MASTER_NODE": "10.0.0.4"}, 0,
         ["10.0.0.4", "node-1"]),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": ["10.0.0.4:2222", "10.0.0.5:2222"]},
                                   "task": {"type": "worker", "index": 1}})}, 1,
         ["10.0.0.4", "10.0.0.5"]),
        ({"TF_CONFIG": "no json"}, 0, ["node-0"]),
    ],
)  # fmt: skip
def test_machines_of_one_job(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], rank: int, hosts: list[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    here = place.Place({"outputs": [], "inputs": {}}, {})
    assert (here.rank, here.hosts) == (rank, hosts)


def test_what_a_job_is_told_beside_its_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"outputs": [], "inputs": {}, "vault": "ml-vault"}
    monkeypatch.setenv("DEFAULT_IDENTITY_CLIENT_ID", "me")
    here = place.Place(settings, {"started": "123", "checkpoint": "/mnt/c"})
    assert here.variables() == {
        "AZURE_CLIENT_ID": "me", "WATERFLOW_VAULT": "ml-vault", "WATERFLOW_RUN_STARTED": "123",
    }  # fmt: skip
    with pytest.raises(LookupError, match="AZUREML_ROOT_RUN_ID is not set"):
        _ = here.execution
    monkeypatch.setenv("AZUREML_ROOT_RUN_ID", "the-job")
    assert str(here.checkpoint) == "/mnt/c/the-job"
    assert here.attempts == {}
    # A schedule's job is told by Azure ML, in its own form, which the launcher reads.
    scheduled = place.Place(settings, {"started": "2026-01-02T03:04:05+00:00"})
    assert scheduled.variables()["WATERFLOW_RUN_STARTED"] == "2026-01-02T03:04:05+00:00"
    # Who starts the job by other means has not said when it began: it is now.
    now = int(place.Place(settings, {"started": "0"}).variables()["WATERFLOW_RUN_STARTED"])
    assert now > 1_700_000_000_000
    assert place.Place(settings, {}).checkpoint is None


def test_a_programs_output_that_was_skipped_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = msgspec.json.decode(b'{"outputs": [], "inputs": {"x": {"output": "o"}}}')
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / ".waterflow-skipped").touch()
    monkeypatch.setattr(place, "HERE", tmp_path / "here")
    here = place.Place(settings, {"in.x": str(tmp_path / "o")})
    assert not (here.artifacts("x") / "o").exists()
    (tmp_path / "o" / ".waterflow-skipped").unlink()
    assert (here.artifacts("x") / "o").is_dir()
