"""Azure ML does what every managed cloud must.

The suite's parts are in classes of their own, for workers to share.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from tests.providers.azureml.cloud import CLOUD
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


class AzureML(RemoteBase):
    cloud = CLOUD

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls, emulator):
        return emulator  # the session's

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, server):
        return server  # the session's


class TestStarting(AzureML, Starting):
    """What one run is, whatever happens while it is started."""


class TestWatching(AzureML, Watching, Items):
    """What is seen of a run."""


class TestTracking(AzureML, Tracking):
    """What MLflow gets of a run."""


class TestByTheClock(AzureML, Scheduling, Foretelling):
    """Two parts that put the clock of one emulator forward."""


class TestFaults(AzureML, Faults):
    """What a run is when the cloud fails."""


class TestLibraries(AzureML, Libraries, Progress):
    """What jobs bring, and what is told of it."""


class TestDigests(AzureML, RandomPipelines, ExamplesConformance):
    examples: ClassVar = {
        "quickstart": "pipelines.quickstart.pipeline",
        "fraud_detection": "pipelines.fraud_detection.pipeline",
    }
    examples_folder = Path(__file__).parents[3] / "pipelines"


def test_no_part_of_the_suite_is_left_out():
    parts = {base for one in AzureML.__subclasses__() for base in one.__bases__}
    assert set(RemoteConformance.__bases__) <= parts
