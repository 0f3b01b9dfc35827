"""SageMaker, as the emulator runs it, does what every provider must."""

import boto3
import pytest

from tests.providers.sagemaker.cloud import CLOUD
from waterflow.testing import CloudProviderConformance
from waterflow.testing.contract import SECRET


class TestSageMaker(CloudProviderConformance):
    cloud, image = CLOUD, CLOUD.image

    @pytest.fixture(scope="class")
    @classmethod
    def secret(cls, service):
        boto3.client("secretsmanager").create_secret(Name="conformance-token", SecretString=SECRET)
        return SECRET
