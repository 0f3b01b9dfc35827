"""The sagemaker SDK v3, which we did not write, against the emulator.

The SDK runs in a process of its own: to import it takes seconds and changes logging for good.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Several processes import the SDK, one after the other, and each takes its time.
pytestmark = pytest.mark.timeout(1200)

PROGRAM = Path(__file__).parent / "programs" / "sdk_pipeline.py"


@pytest.fixture(scope="module")
def summary(emulator, tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if name not in emulator.unset}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path_factory.mktemp("sources"))],
        env=kept | emulator.environment,
        capture_output=True,
        text=True,
        timeout=1100,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_both_branches_of_an_sdk_pipeline_end_as_they_should(summary):
    good, bad = summary["runs"]
    assert good["execution"]["PipelineExecutionStatus"] == "Succeeded"
    assert good["execution"]["PipelineExperimentConfig"]["ExperimentName"] == "letters"
    assert [step["StepName"] for step in good["steps"]] == [
        "register",
        "gate",
        "evaluate",
        "train",
        "prepare",
    ]
    assert {step["StepStatus"] for step in good["steps"]} == {"Succeeded"}
    assert bad["execution"]["PipelineExecutionStatus"] == "Failed"
    assert [step["StepName"] for step in bad["steps"]] == [
        "fail",
        "gate",
        "evaluate",
        "train",
        "prepare",
    ]
    assert bad["steps"][0]["FailureReason"] == "score below 0.75"


def test_the_sdks_caching_registry_and_versions_are_served(summary):
    good, bad = summary["runs"]
    hit = bad["steps"][-1]["CacheHitResult"]["SourcePipelineExecutionArn"]
    assert hit == good["execution"]["PipelineExecutionArn"]
    registered = good["steps"][0]["Metadata"]["RegisterModel"]["Arn"]
    assert [package["ModelPackageArn"] for package in summary["packages"]] == [registered]
    assert [version["PipelineVersionId"] for version in summary["versions"]] == [2, 1]


def test_what_the_sdks_model_step_registered_is_what_was_trained(summary, aws):
    good = summary["runs"][0]
    client = aws("sagemaker")
    package = client.describe_model_package(
        ModelPackageName=good["steps"][0]["Metadata"]["RegisterModel"]["Arn"]
    )
    [container] = package["InferenceSpecification"]["Containers"]
    job = good["steps"][3]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    trained = client.describe_training_job(TrainingJobName=job)
    assert container["ModelDataUrl"] == trained["ModelArtifacts"]["S3ModelArtifacts"]


def test_what_the_sdks_own_tests_ask_of_the_service_is_answered(summary):
    """What its integration tests assert of texts, outcomes and failures, by its own classes."""
    less, greater, unsaid = summary["meanings"]["failures"]
    assert (less["StepName"], less["FailureReason"]) == ("said", "1 3 false")
    assert (greater["StepName"], greater["FailureReason"]) == ("said", "1 0 true")
    assert unsaid["StepName"] == "unsaid"
    assert "FailureReason" not in unsaid
    assert unsaid["Metadata"]["Fail"]["ErrorMessage"] == ""
    waiting, empty = summary["meanings"]["refusals"]
    assert "after can not depends on said" in waiting
    assert 'string "" is too short (length: 0, required minimum: 1)' in empty
