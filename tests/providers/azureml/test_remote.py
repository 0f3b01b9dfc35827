"""Azure ML does what every managed cloud must.

The suite's parts are in classes of their own, for workers to share.
"""

from tests.providers.azureml.cloud import CLOUD
from waterflow.testing.faults import Faults
from waterflow.testing.foretelling import Foretelling
from waterflow.testing.libraries import Libraries, Progress
from waterflow.testing.random_pipelines import RandomPipelines
from waterflow.testing.scheduling import Scheduling
from waterflow.testing.starting import Starting
from waterflow.testing.tracking import Tracking
from waterflow.testing.watching import Watching


class TestStarting(Starting):
    cloud = CLOUD


class TestWatching(Watching):
    cloud = CLOUD


class TestTracking(Tracking):
    cloud = CLOUD


class TestScheduling(Scheduling):
    cloud = CLOUD


class TestForetelling(Foretelling):
    cloud = CLOUD


class TestFaults(Faults):
    cloud = CLOUD


class TestLibraries(Libraries, Progress):
    cloud = CLOUD


class TestRandomPipelines(RandomPipelines):
    cloud = CLOUD
