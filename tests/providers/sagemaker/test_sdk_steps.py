"""Steps built with the sagemaker SDK v3, inside a Waterflow pipeline.

The SDK runs in processes of its own: to import it takes seconds and changes logging for good.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from waterflow_sagemaker import sdk
from waterflow_sagemaker.sdk import command

from waterflow.errors import DefinitionError

# Several processes import the SDK, one after the other, and each takes its time.
pytestmark = pytest.mark.timeout(1200)

PROGRAMS = Path(__file__).parent / "programs"
CODE = "sagemaker-us-east-1-123456789012"


def run(emulator, folder, *command):
    kept = {name: value for name, value in os.environ.items() if name not in emulator.unset}
    return subprocess.run(
        [sys.executable, *command],
        env=kept | emulator.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1100,
    )


@pytest.fixture
def project(aws, tmp_path):
    shutil.copytree(PROGRAMS / "mixed", tmp_path / "pipelines" / "mixed")
    (tmp_path / "waterflow.toml").write_text(
        textwrap.dedent(f"""
        default_profile = "aws"

        [profiles.aws]
        provider = "sagemaker"
        region = "us-east-1"
        role = "{aws.role}"
        bucket = "{aws.bucket}"
        image = "{aws.image}"
        python = "{sys.version_info.major}.{sys.version_info.minor}"
        libraries = "image"
        poll = 0.2

        [profiles.aws.steps.prepare]
        machine = "ml.m5.large"
        """)
    )
    aws.execution_role("pipelines")  # the SDK looks whether it may do what it is for
    if CODE not in {one["Name"] for one in aws("s3").list_buckets()["Buckets"]}:
        aws("s3").create_bucket(Bucket=CODE)
    return tmp_path


def test_steps_of_the_sdk_run_between_steps_of_waterflow(project, emulator, aws):
    def started(*more):
        done = run(
            emulator, project, "-m", "waterflow.cli", "run", "pipelines/mixed", "--json", *more
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(
            done.stdout[done.stdout.index("\n{\n") if "\n{\n" in done.stdout else 0 :]
        )

    first = started()
    assert {one["name"]: one["status"] for one in first["steps"]} == {
        "write": "succeeded",
        "prepare": "succeeded",
        "learn": "succeeded",
        "report": "succeeded",
    }
    [key] = [key for key in aws.keys() if key.endswith("report/output/value.json")]  # noqa: SIM118
    assert json.loads(aws.get(key)) == "noted: 12 letters, depth 3"

    # The SDK uploads its code to another address each time; what counts is what is in it.
    again = started()
    assert {one["status"] for one in again["steps"]} == {"cached"}

    job = aws.describe(first["steps"][1]["job"])
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceType"] == "ml.m5.large"
    assert job["Environment"] == {"NOTE": "noted"}
    job = aws.describe(first["steps"][2]["job"])
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] >= 600
    assert job["ResourceConfig"]["VolumeSizeInGB"] == 30


def test_what_cannot_be_taken_is_named(project, emulator):
    done = run(
        emulator, project, str(PROGRAMS / "sdk_refused.py"), str(project / "pipelines" / "mixed")
    )
    assert done.returncode == 0, done.stderr[-4000:]
    refusals = json.loads(done.stdout.splitlines()[-1])
    expected = {
        "another kind of step": ("'stop'", "a Fail step", "Give a ProcessingStep"),
        "hyperparameters": ("'learn'", "HyperParameters", "in `environment`"),
        "property files": ("'prepare'", "PropertyFiles", "Python step"),
        "two machines": ("2 instances of a processing job",),
        "an unknown machine": ("ml.m5.huge", "ml.m5."),
        "a parameter of the SDK": ("Parameters.rows", "{parameters.NAME}"),
        "a network": ("NetworkConfig", "network_isolation"),
        "a manifest": ('S3DataType="ManifestFile"', "'letters'"),
        "an input of the SDK's pipeline": ("'letters'", "Parameters.source", "inputs={"),
        "an input that it has not": ("['words']", "letters, code"),
        "outputs in each other": ("an output at /opt/ml/processing/output",),
    }
    assert set(refusals) == set(expected)
    for case, words in expected.items():
        for word in words:
            assert word in refusals[case], f"{case}: {refusals[case]}"
        assert "sagemaker" in refusals[case]


def test_outside_a_pipeline_a_step_of_the_sdk_has_no_meaning():
    with pytest.raises(
        DefinitionError, match=r"sdk\.step .* inside a function under @wf\.pipeline"
    ):
        sdk.step(object())


# --- the shell's part -----------------------------------------------------------------------------


def shell(run, *arguments):
    program = [command.JOIN, command.LINK_INPUTS, command.LINK_OUTPUTS, run]
    return subprocess.run(
        ["sh", "-c", *program, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_each_part_of_the_command_is_one_argument_of_a_job():
    for part in (
        command.JOIN,
        command.LINK_INPUTS,
        command.LINK_OUTPUTS,
        command.RUN,
        command.RUN_AND_GATHER,
    ):
        assert len(part) <= 256
        assert "\n" not in part


def test_inputs_and_outputs_are_where_the_program_expects_them(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    (ours / "folder").mkdir(parents=True)
    (ours / "folder" / "a b.txt").write_text("in a folder")
    (ours / "file").mkdir()
    (ours / "file" / "data.csv").write_text("a file")
    (theirs / "full").mkdir(parents=True)
    (theirs / "full" / "kept").write_text("was there")
    done = shell(
        command.RUN,
        ours / "folder",
        theirs / "new",
        ours / "file" / "data.csv",
        theirs / "full",
        "--",
        ours / "made",
        theirs / "out" / "made",
        "--",
        "sh",
        "-c",
        f"cat '{theirs}/new/a b.txt' {theirs}/full/data.csv {theirs}/full/kept;"
        f"echo done > {theirs}/out/made/result; exit 7",
    )
    assert (done.stdout, done.returncode) == ("in a foldera filewas there", 7), done.stderr
    assert (ours / "made" / "result").read_text() == "done\n"


def test_an_output_where_the_image_has_files_already_ends_the_job(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    done = shell(command.RUN, "--", tmp_path / "made", tmp_path / "out", "--", "true")
    assert done.returncode == 66
    assert "is not empty" in done.stderr


@pytest.mark.parametrize("made_before", [True, False])
def test_what_is_written_beside_an_output_is_moved_into_it(tmp_path, made_before):
    place = tmp_path / "model"
    place.mkdir()
    if made_before:
        (place / "all").mkdir()
    done = shell(
        command.RUN_AND_GATHER,
        "--",
        "--",
        place,
        "all",
        "sh",
        "-c",
        f"cd {place}; mkdir parts; echo 1 > parts/one; echo 2 > two; exit 3",
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert sorted(str(p.relative_to(place)) for p in place.rglob("*")) == [
        "all",
        "all/parts",
        "all/parts/one",
        "all/two",
    ]


def test_a_program_that_wrote_nothing_leaves_an_empty_output(tmp_path):
    (tmp_path / "model").mkdir()
    done = shell(command.RUN_AND_GATHER, "--", "--", tmp_path / "model", "all", "true")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "all"]
