"""Azure ML, as the emulator runs it, does what every provider must."""

from tests.providers.azureml.cloud import CLOUD
from waterflow.testing import CloudProviderConformance


class TestAzureML(CloudProviderConformance):
    cloud, image = CLOUD, CLOUD.image
