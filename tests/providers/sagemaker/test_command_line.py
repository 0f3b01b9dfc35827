"""The AWS command line, as PyPI has it, at the emulator's door."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.emulate_verb import emulate

ROOT = Path(__file__).parents[3]
READY = Path(".tools/awscli/.ready")
ROLE = "arn:aws:iam::123456789012:role/pipelines"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1"


@pytest.fixture(scope="module")
def tools():
    """The folder of the command; `make test` has brought it, else this does."""
    if not (ROOT / READY).exists():
        subprocess.run(["make", "-s", str(READY)], cwd=ROOT, check=True, timeout=600)
    return ROOT / READY.parent / "bin"


DEFINITION = {
    "Version": "2020-12-01",
    "Parameters": [{"Name": "Word", "Type": "String", "DefaultValue": "nothing"}],
    "Steps": [
        {
            "Name": "say",
            "Type": "Processing",
            "Arguments": {
                "AppSpecification": {
                    "ImageUri": IMAGE,
                    "ContainerEntrypoint": ["sh", "-c", 'cat "$0"/note.txt; echo "it says $1"'],
                    "ContainerArguments": ["/opt/ml/processing/in", {"Get": "Parameters.Word"}],
                },
                "ProcessingInputs": [
                    {
                        "InputName": "in",
                        "S3Input": {
                            "S3Uri": "s3://through-the-door/notes/",
                            "LocalPath": "/opt/ml/processing/in",
                            "S3DataType": "S3Prefix",
                            "S3InputMode": "File",
                        },
                    }
                ],
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": 1,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 1,
                    }
                },
                "RoleArn": ROLE,
            },
        }
    ],
}

PROGRAM = f"""
import contextlib, io, os, shlex, subprocess, sys
from awscli.clidriver import create_clidriver

def aws(line):
    "What the command is but for its start, which takes longer than what it does."
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = create_clidriver().main(shlex.split(line))
    return said.getvalue().strip() if code == 0 else f"exit code {{code}}"

account = ["sts", "get-caller-identity", "--query", "Account", "--output", "text"]
subprocess.run([os.path.join(os.path.dirname(sys.executable), "aws"), *account], check=True)
del os.environ["AWS_ENDPOINT_URL"]  # from here on by the names that AWS's hosts have
print(aws(shlex.join(account)))
print(aws("s3 mb s3://through-the-door"))
print(aws("s3 cp --no-progress note.txt s3://through-the-door/notes/note.txt"))
print(aws("s3 cp --no-progress s3://through-the-door/notes/note.txt copy.txt"))
print(aws("sagemaker create-pipeline --pipeline-name typed --role-arn {ROLE} "
          "--pipeline-definition file://definition.json --query PipelineArn --output text"))
run = aws("sagemaker start-pipeline-execution --pipeline-name typed --pipeline-parameters "
          "Name=Word,Value=hello --query PipelineExecutionArn --output text")
state = "Executing"
while state == "Executing":
    state = aws(f"sagemaker describe-pipeline-execution --pipeline-execution-arn {{run}} "
                "--query PipelineExecutionStatus --output text")
print(state)
print(aws("sagemaker list-pipelines --query PipelineSummaries[].PipelineName --output text"))
print(aws(f"sagemaker list-pipeline-execution-steps --pipeline-execution-arn {{run}} "
          "--query PipelineExecutionSteps[].[StepName,StepStatus] --output text"))
print(aws("logs filter-log-events --log-group-name /aws/sagemaker/ProcessingJobs "
          "--query events[].message --output text"))
print(aws("sagemaker list-transform-jobs"))
"""


def test_a_pipeline_is_made_run_and_read_by_commands(tools, tmp_path):
    """The line of PyPI is version 1, whose logs have no `tail`: that calls filter-log-events."""
    (tmp_path / "definition.json").write_text(json.dumps(DEFINITION))
    (tmp_path / "note.txt").write_text("a note\n")
    done = emulate("sagemaker", "--", str(tools / "python"), "-c", PROGRAM, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "123456789012",
        "123456789012",
        "make_bucket: through-the-door",
        "upload: ./note.txt to s3://through-the-door/notes/note.txt",
        "download: s3://through-the-door/notes/note.txt to ./copy.txt",
        "arn:aws:sagemaker:us-east-1:123456789012:pipeline/typed",
        "Succeeded",
        "typed",
        "say\tSucceeded",
        "a note\tit says hello",
        "exit code 255",
    ]
    assert (tmp_path / "copy.txt").read_text() == "a note\n"
    assert "no transform job is run: predict in a processing job" in done.stderr
    assert "Refused" not in done.stderr
