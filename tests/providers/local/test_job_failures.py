"""How a job tells of what went wrong: never in silence, in the author's own lines, and once."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from waterflow import artifacts, data
from waterflow.packing import bundle, shipping
from waterflow.runtime import contract
from waterflow.spec.job import step_document
from waterflow.tracking.spool import FRAME, parse_frames

STEPS = """
import os, signal, sys
from dataclasses import dataclass
from typing import NamedTuple
import waterflow as wf


@dataclass
class Share:
    value: float

    def __post_init__(self) -> None:
        if self.value > 1:
            raise ValueError("a share is at most 1")


class Two(NamedTuple):
    left: int
    right: int | None


class BaseEstimator:
    pass


@wf.step(retries=2)
def shared(share: Share) -> float:
    return share.value


@wf.step
def breaks(left: int) -> int:
    raise ValueError("broken")


@wf.step(cpu=2)
def one(item: int, how: str) -> int:
    if item == 1 and how == "raise":
        raise ValueError("unlucky")
    if item == 1 and how == "exit":
        sys.exit(3)
    if item == 1 and how == "type":
        return object()
    if item == 1 and how == "none":
        return None
    if item == 1 and how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@wf.step
def exits(left: int) -> int:
    os._exit(0)


@wf.step
def forgets(left: int) -> int:
    left + 1


@wf.step
def two(left: int | None, right: int | None) -> Two:
    return Two(left, right)


@wf.step
def makes_model(left: int) -> wf.Model:
    return wf.Model(BaseEstimator())


@wf.step
def takes_model(model: wf.Model) -> int:
    return 1


@wf.step(secrets={"TOKEN": wf.secret("db/password")})
def secretive(left: int) -> list[str]:
    return [os.environ["TOKEN"], wf.secret("other").value()]


@wf.step
def look(source: wf.Data) -> list[str]:
    path = source.path
    files = sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))
    return [path.name, "folder" if path.is_dir() else "file", *files]


@wf.pipeline
def all_of_them(
    share: dict[str, float] = {"value": 0.5}, left: int = 1, how: str = "", none: int | None = None,
    source: wf.Data = wf.Data("a.csv"),
) -> None:
    shared(share)
    breaks(left)
    wf.map(one, [0, 1, 2, 3], how=how)
    exits(left)
    forgets(left)
    two(none, none)
    takes_model(makes_model(left))
    secretive(left)
    look(source)
"""

RESOLVER = """
def read(name):
    if name == "other":
        return "shh"
    return {"db/password": "hidden"}[name]

def wrong(name):
    return b"bytes"
"""


class Jobs:
    """The steps of one pipeline, run as a provider that is not this one would run them."""

    def __init__(self, root):
        self.root = root
        (root / "waterflow.toml").touch()
        (root / "failing_steps.py").write_text(STEPS)
        (root / "a.csv").write_text("1")
        sys.path.insert(0, str(root))
        try:
            import failing_steps

            self.spec = failing_steps.all_of_them().spec
        finally:
            sys.path.remove(str(root))
            sys.modules.pop("failing_steps", None)
        # A folder may have any name.
        self.bundle = shipping.write(bundle.build("failing_steps", root), root / "bundles=1")
        (self.bundle / "my_store.py").write_text(RESOLVER)

    def run(self, step, place, *arguments, output="output", **other):
        module = other.pop("module", "waterflow.runtime")
        document = step_document(
            self.spec,
            self.spec.step(step),
            execution={"variable": "NATIVE_ID"},
            frames=True,
            secrets_from=other.pop("secrets_from", None),
        )
        (place / "STEP.json").write_text(json.dumps(document))
        environment = {
            "PATH": os.environ["PATH"], "NATIVE_ID": "e7", "PYTHONPATH": str(self.bundle),
            "WATERFLOW_SPOOL": str(place / "spool.jsonl"),
            contract.SOURCE: contract.source(self.bundle, self.root), **other,
        }  # fmt: skip
        command = [sys.executable, "-S", "-m", module, str(place / "STEP.json")]
        command += ["--output", f"{output}={place}/out", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=place,
            env=environment,
            text=True,
            timeout=300,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines = done.stdout.splitlines()
        ends = [event for event in parse_frames(lines) if event["kind"] == "step.end"]
        return done.returncode, "\n".join(line for line in lines if FRAME not in line), ends


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return Jobs(tmp_path_factory.mktemp("failing"))


def test_a_dataclass_that_refuses_a_parameter_is_told_and_not_tried_again(jobs, tmp_path):
    code, text, ends = jobs.run("shared", tmp_path, "--param", 'share={"value":2}')
    assert code == contract.BAD_INPUT
    assert "a share is at most 1" in text
    assert f'File "{jobs.root}/failing_steps.py"' in text
    (end,) = ends
    assert end["error"]["type"] == "ValueError"
    assert end["error"]["message"] == "argument 'share': a share is at most 1"


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("raise", "ValueError", "item 1: unlucky"),
        ("exit", "SystemExit", "item 1: the code called sys.exit(3)"),
        ("type", "ArtifactError", "item 1: value is of type object"),
        ("none", "ArtifactError", "item 1: None was returned where int is declared"),
        ("die", "WorkerKilled", "most often for want of memory"),
    ],
)
def test_what_ends_an_item_of_a_map_is_told(jobs, tmp_path, how, kind, said):
    code, text, (end,) = jobs.run("one", tmp_path, "--param", f'how="{how}"')
    assert code in (contract.FAILED, contract.BAD_OUTPUT), text
    assert end["error"]["type"] == kind
    assert said in end["error"]["message"]
    assert text


def test_what_nobody_foresaw_is_told_with_its_whole_traceback(jobs, tmp_path):
    (tmp_path / "out").write_text("a file where the output's folder belongs")
    code, text, (end,) = jobs.run(
        "two",
        tmp_path,
        "--param",
        "left=1",
        "--param",
        "right=2",
        "--output",
        f"right={tmp_path}/right",
        output="left",
    )
    assert code == contract.UNFORESEEN
    assert "Traceback" in text
    assert "in _publish" in text
    assert end["error"]["type"] == "FileExistsError"


def test_a_job_that_cannot_even_tell_prints_why(jobs, tmp_path):
    (tmp_path / "work").mkdir()
    step = step_document(
        jobs.spec, jobs.spec.step("breaks"), execution={"variable": "NATIVE_ID"}, frames=False
    )
    (tmp_path / "STEP.json").write_text(json.dumps(step))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "waterflow.runtime.execute", str(tmp_path / "STEP.json")],
        env={"PYTHONPATH": str(jobs.bundle), "WATERFLOW_SPOOL": "/dev/null/spool.jsonl"},
        cwd=tmp_path / "work",
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == contract.UNFORESEEN
    assert "/dev/null" in done.stderr


def test_a_missing_library_is_a_clear_failure(jobs, tmp_path):
    for step, arguments in (
        ("makes_model", ("--param", "left=1")),
        ("takes_model", ("--input", f"model={tmp_path}/model")),
    ):
        place = tmp_path / step
        place.mkdir()
        if step == "takes_model":
            (tmp_path / "model").mkdir()
            (tmp_path / "model" / "model.skops").write_bytes(b"")
            artifacts.seal(tmp_path / "model", "model")
        code, text, _ = jobs.run(step, place, *arguments, module="waterflow.runtime.execute")
        assert code == contract.BAD_CODE, text
        assert "Traceback" not in text
        assert "pip install scikit-learn" in text


def test_a_step_that_ends_its_process_with_0_has_failed(jobs, tmp_path):
    code, text, (end,) = jobs.run("exits", tmp_path, "--param", "left=1")
    assert code == contract.FAILED
    assert end["status"] == "failed"
    assert "ended with exit code 0 before the step had ended" in end["error"]["message"]
    assert "os._exit" in text


def test_other_instances_write_and_track_nothing(jobs, tmp_path):
    code, text, ends = jobs.run(
        "two",
        tmp_path,
        "--param",
        "left=1",
        "--param",
        "right=2",
        output="left",
        WATERFLOW_RANK="1",
    )
    assert (code, ends) == (0, []), text
    assert not (tmp_path / "out").exists()


def test_paths_are_the_authors_whatever_the_bundles_folder_is_called(jobs, tmp_path):
    code, text, _ = jobs.run("breaks", tmp_path, "--param", "left=1")
    assert code == contract.FAILED
    assert f'File "{jobs.root}/failing_steps.py", line' in text
    assert "bundles=1" not in text


def test_a_forgotten_return_is_told_where_it_happened(jobs, tmp_path):
    code, text, _ = jobs.run("forgets", tmp_path, "--param", "left=1")
    assert code == contract.BAD_OUTPUT
    assert "output 'output': None was returned where int is declared" in text
    code, text, _ = jobs.run(
        "two", tmp_path, "--param", "left=null", "--param", "right=null", output="left"
    )
    assert code == contract.BAD_OUTPUT
    assert "output 'left': None was returned" in text
    place = tmp_path / "both"
    place.mkdir()
    code, text, _ = jobs.run(
        "two",
        place,
        "--param",
        "left=1",
        "--param",
        "right=null",
        "--output",
        f"right={place}/right",
        output="left",
    )
    assert code == 0, text
    assert json.loads((place / "right" / "value.json").read_bytes()) is None


@pytest.mark.parametrize(
    ("how", "variables", "secrets"),
    [
        (None, {"WATERFLOW_SECRET_DB_PASSWORD": "a", "WATERFLOW_SECRET_OTHER": "b"}, ["a", "b"]),
        ({"variable_prefix": "VAULT_"}, {"VAULT_DB_PASSWORD": "c", "VAULT_OTHER": "d"}, ["c", "d"]),
        ({"resolver": "my_store:read"}, {}, ["hidden", "shh"]),
    ],
)
def test_secrets_come_from_where_the_provider_says(jobs, tmp_path, how, variables, secrets):
    code, text, _ = jobs.run(
        "secretive", tmp_path, "--param", "left=1", secrets_from=how, **variables
    )
    assert code == 0, text
    assert json.loads((tmp_path / "out" / "value.json").read_bytes()) == secrets


@pytest.mark.parametrize(
    ("resolver", "said"),
    [
        ("my_store:wrong", "my_store:wrong returned a bytes"),
        ("my_store:none", "cannot be read by my_store:none: AttributeError"),
        ("no_such:read", "cannot be read by no_such:read: ModuleNotFoundError"),
    ],
)
def test_a_resolver_that_fails_is_named(jobs, tmp_path, resolver, said):
    code, text, _ = jobs.run(
        "secretive", tmp_path, "--param", "left=1", secrets_from={"resolver": resolver}
    )
    assert code == contract.BAD_CODE
    assert said in text


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        ((), ["set", "folder"]),
        (("a.csv",), ["set", "folder", "a.csv"]),
        (("a.csv", "b.csv"), ["set", "folder", "a.csv", "b.csv"]),
        (("manifest.json", "b.csv"), ["set", "folder", "b.csv", "manifest.json"]),
    ],
)
def test_a_data_folder_is_a_folder_whatever_it_holds(jobs, tmp_path, files, seen):
    source = tmp_path / "set"
    source.mkdir()
    for name in files:
        (source / name).write_text(name)
    pinned = data.pin("set", tmp_path, tmp_path)
    data.fetch(pinned, tmp_path / "brought")
    artifacts.seal(tmp_path / "brought", "data")
    code, text, _ = jobs.run("look", tmp_path, "--input", f"source={tmp_path}/brought")
    assert code == 0, text
    assert json.loads((tmp_path / "out" / "value.json").read_bytes()) == seen
    if not files:
        shutil.rmtree(tmp_path / "brought" / "set")  # as an object store would
        code, text, _ = jobs.run("look", tmp_path, "--input", f"source={tmp_path}/brought")
        assert code == 0, text
        assert json.loads((tmp_path / "out" / "value.json").read_bytes())[1:] == ["folder"]


def test_a_data_file_is_itself(jobs, tmp_path):
    (tmp_path / "a.csv").write_text("1")
    data.fetch(data.pin("a.csv", tmp_path, tmp_path), tmp_path / "brought")
    artifacts.seal(tmp_path / "brought", "data")
    code, text, _ = jobs.run("look", tmp_path, "--input", f"source={tmp_path}/brought")
    assert code == 0, text
    assert json.loads((tmp_path / "out" / "value.json").read_bytes())[:2] == ["a.csv", "file"]
