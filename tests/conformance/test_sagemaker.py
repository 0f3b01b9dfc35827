"""SageMaker, as the emulator runs it, does what every provider must; and what it calls is known."""

import pytest

from tests.providers.sagemaker.calls import held, pointed
from tests.providers.sagemaker.cloud import SageMakerCloud, client
from waterflow.testing import CloudProviderConformance
from waterflow.testing.contract import SECRET

KEY = "arn:aws:kms:us-east-1:123456789012:key/key"


class PrivateCloud(SageMakerCloud):
    """A landing zone that has a key and a network of its own, as `prod` is."""

    def profile(self, bucket, prefix):
        own = {"kms_key": KEY, "subnets": ["subnet-1"], "security_groups": ["sg-1"]}
        return super().profile(bucket, prefix) | own


CLOUD = PrivateCloud()


class TestSageMaker(CloudProviderConformance):
    cloud, image = CLOUD, CLOUD.image

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _calls(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("calls")
        with pytest.MonkeyPatch.context() as patch, held(pointed(patch, folder)):
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def secret(cls, service):
        client("secretsmanager").create_secret(Name="conformance-token", SecretString=SECRET)
        return SECRET
