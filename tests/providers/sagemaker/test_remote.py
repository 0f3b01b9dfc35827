"""SageMaker does what every managed cloud must; and what boto3 shows of it besides.

The suite's parts are in classes of their own, for workers to share.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from tests.providers.sagemaker.calls import held
from tests.providers.sagemaker.cloud import CLOUD, client
from waterflow.testing import ExamplesConformance, RemoteConformance
from waterflow.testing.faults import Faults
from waterflow.testing.foretelling import Foretelling
from waterflow.testing.items import Items
from waterflow.testing.libraries import Libraries, Progress
from waterflow.testing.random_pipelines import RandomPipelines
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.scheduling import Scheduling
from waterflow.testing.starting import Starting
from waterflow.testing.tracking import Tracking
from waterflow.testing.watching import Watching


class SageMaker(RemoteBase):
    cloud = CLOUD

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _calls(cls, calls):
        with held(calls):
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls, emulator):
        return emulator  # the session's

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, server):
        return server  # the session's


class TestStarting(SageMaker, Starting):
    def test_a_bucket_that_is_not_there_is_told_before_anything_is_made(self, pointing, tmp_path):
        super().test_a_bucket_that_is_not_there_is_told_before_anything_is_made(pointing, tmp_path)
        names = client("sagemaker").list_pipelines(PipelineNamePrefix="nowhere")
        assert names["PipelineSummaries"] == []


class TestWatching(SageMaker, Watching, Items):
    def test_two_instances_know_each_other_and_the_first_writes(self, project, tmp_path):
        super().test_two_instances_know_each_other_and_the_first_writes(project, tmp_path)
        variables = [(tmp_path / "place" / rank).read_text().split("|") for rank in ("0", "1")]
        assert variables == [["algo-1", "7777", rank, "2", "algo-1,algo-2"] for rank in ("0", "1")]


class TestFaults(SageMaker, Faults):
    def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(self, hostile, tmp_path):
        super().test_an_interrupted_spot_job_goes_on_from_its_checkpoint(hostile, tmp_path)
        with self.cloud.pointing(hostile):
            sagemaker = client("sagemaker")
            (summary,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
            job = sagemaker.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        assert job["EnableManagedSpotTraining"]
        assert "Interrupted" in [one["Status"] for one in job["SecondaryStatusTransitions"]]

    def test_no_machine_no_quota_and_no_image_are_told_in_the_service_s_words(
        self, hostile, starved
    ):
        super().test_no_machine_no_quota_and_no_image_are_told_in_the_service_s_words(
            hostile, starved
        )
        with self.cloud.pointing(hostile):
            steps = starved.project.fresh("dry").state.steps
        assert "Service Quotas" in steps["exits"].error
        assert "processing-jobs" in steps["first"].url


class TestTracking(SageMaker, Tracking):
    def test_what_steps_print_becomes_metrics(self, server, followed):
        super().test_what_steps_print_becomes_metrics(server, followed)
        (state,) = followed.provider.runs()
        job = client("sagemaker").describe_training_job(TrainingJobName=state.steps["fit"].job)
        assert job["AlgorithmSpecification"]["MetricDefinitions"] == [
            {"Name": "output", "Regex": r"loss=(\S+)"},
            {"Name": "output_2", "Regex": "::waterflow-value:: output_2=([-+0-9.eE]+)"},
            {"Name": "val:rate", "Regex": "rate ([0-9]+)"},
        ]
        final = {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]}
        assert final == {"output": 0.0625, "output_2": 0.75, "val:rate": 5.0}


class TestByTheClock(SageMaker, Scheduling, Foretelling):
    """Two parts that put the clock of one emulator forward."""

    def test_a_schedule_is_kept_and_let_go(self, nightly):
        schedules, document = nightly.provider.schedules(), nightly.compile("nightly")[1:]
        assert schedules.apply(*document, {"number": 7}) == "created"
        assert schedules.apply(*document, {"number": 8}) == "updated"
        (name,) = (one.name for one in schedules.list())
        schedules.pause(name)
        schedules.resume(name)
        schedules.delete(name)
        assert schedules.list() == []


class TestLibraries(SageMaker, Libraries, Progress):
    """What jobs bring, and what is told of it."""


class TestDigests(SageMaker, RandomPipelines, ExamplesConformance):
    examples: ClassVar = {
        "quickstart": "pipelines.quickstart.pipeline",
        "fraud_detection": "pipelines.fraud_detection.pipeline",
    }
    examples_folder = Path(__file__).parents[3] / "pipelines"


def test_no_part_of_the_suite_is_left_out():
    parts = {base for one in SageMaker.__subclasses__() for base in one.__bases__}
    assert set(RemoteConformance.__bases__) <= parts
