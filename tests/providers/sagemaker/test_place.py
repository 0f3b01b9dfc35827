"""A job's place when SageMaker's own files and variables are not what they should be."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from waterflow_sagemaker.job import place
from waterflow_sagemaker.translation.attempts import output_name, take_out
from waterflow_sagemaker.translation.control import job_files

from waterflow.artifacts import canonical
from waterflow.packing import bundle, shipping

if TYPE_CHECKING:
    from pathlib import Path

ADVICE = "SageMaker says so before a job begins: run the step as a job of SageMaker"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:processing-job/pipelines-abc123-fit-x"
LAUNCH: dict[str, Any] = {
    "version": 1, "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "inputs": {}, "mounts": {}, "outputs": [], "values": {}, "wheels": False, "pins": [],
}  # fmt: skip
STEP = {"variables": {}, "threads": 1}


@pytest.fixture
def ml(tmp_path: Path) -> Path:
    """The folder that stands for /opt/ml, with a control input in which only that is another."""
    (tmp_path / "waterflow.toml").touch()
    (tmp_path / "steps_of_the_place.py").touch()
    control = tmp_path / "control"
    control.mkdir()
    for name, content in job_files().items():
        text = content.decode()
        if name == "waterflow_place.py":
            assert text.count('Path("/opt/ml")') == 1
            text = text.replace('Path("/opt/ml")', f'Path("{tmp_path / "ml"}")')
        (control / name).write_text(text)
    archive = shipping.archive(bundle.build("steps_of_the_place", tmp_path))
    (control / "bundle.tar.gz").write_bytes(archive)
    (control / "step.json").write_bytes(canonical(STEP))
    for folder in ("config", "input/config", "tmp"):
        (tmp_path / "ml" / folder).mkdir(parents=True)
    return tmp_path / "ml"


OUTPUTS = {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "attempts_retries-0_threads-1"}]}}
OTHERS = {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "artifacts"}]}}
PROCESSING = {"processingjobconfig.json": json.dumps({"ProcessingJobArn": ARN} | OUTPUTS)}


@pytest.mark.parametrize(
    ("job", "files", "variables", "message"),
    [
        ("processing", {}, {}, "processingjobconfig.json cannot be read: No such file"),
        (
            "processing", {"processingjobconfig.json": "{"}, {},
            "processingjobconfig.json is no JSON object with ProcessingOutputConfig",
        ),
        (
            "processing", {"processingjobconfig.json": "[]"}, {},
            "processingjobconfig.json is no JSON object with ProcessingOutputConfig",
        ),
        (
            "processing", PROCESSING | {"resourceconfig.json": "{}"}, {},
            "resourceconfig.json is no JSON object with hosts and current_host",
        ),
        (
            "processing",
            PROCESSING
            | {"resourceconfig.json": json.dumps({"hosts": ["algo-1"], "current_host": "algo-2"})},
            {}, "resourceconfig.json names this host 'algo-2', which is none of ['algo-1']",
        ),
        (
            "processing", {"processingjobconfig.json": json.dumps(OUTPUTS)}, {},
            "processingjobconfig.json is no JSON object with ProcessingJobArn",
        ),
        (
            "processing", {"processingjobconfig.json": json.dumps(OTHERS)}, {},
            "processingjobconfig.json has no output called attempts_... among ['artifacts']",
        ),
        ("training", {}, {}, "TRAINING_JOB_NAME is not set"),
    ],
    ids=["no config", "broken config", "other config", "no hosts", "another host", "no ARN",
         "no attempts", "no name"],
)  # fmt: skip
def test_a_job_that_sagemaker_has_told_nothing_says_so_in_one_line(
    ml: Path, job: str, files: dict[str, str], variables: dict[str, str], message: str
) -> None:
    control = ml.parent / "control"
    settings = LAUNCH | {"job": job, "checkpoint": False}
    (control / "launch.json").write_bytes(canonical(settings))
    for name, text in files.items():
        (ml / "config" / name).write_text(text)
    done = subprocess.run(
        [sys.executable, str(control / "launch.py")],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(ml / "tmp"), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    (line,) = done.stderr.splitlines()
    assert message in line
    if "names this host" not in message:
        assert line.endswith(ADVICE)
    shown = ml / "output" / ("failure" if job == "training" else "message")
    assert shown.read_text() == line.removeprefix("waterflow: ")


@pytest.mark.parametrize(
    "attempts",
    [
        {"retry": {"retries": 0, "delay": 0.0, "backoff": 1.0}, "timeout": None, "threads": 1},
        {"retry": {"retries": 3, "delay": 1e-05, "backoff": 2.5}, "timeout": 90.5, "threads": 64},
        {"retry": {"retries": 1, "delay": 1e16, "backoff": 1.0}, "timeout": 1e300, "threads": 2},
    ],
)
def test_a_processing_job_reads_its_attempts_as_they_were_compiled(
    ml: Path, attempts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = STEP | attempts | {"step": "fit"}
    assert take_out(document := dict(step)) == attempts
    assert not {*attempts} & {*document}
    outputs = [{"OutputName": "artifacts"}, {"OutputName": output_name(attempts)}]
    config = {"ProcessingOutputConfig": {"Outputs": outputs}}
    (ml / "config" / "processingjobconfig.json").write_text(json.dumps(config))
    monkeypatch.setattr(place, "ML", ml)
    for job, told in (("processing", attempts), ("training", {})):
        assert place.Place({"job": job, "checkpoint": False}, {}).attempts == told
