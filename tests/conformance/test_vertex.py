"""Vertex AI, as the emulator runs it, does what every provider must."""

import pytest

from tests.providers.vertex.cloud import CLOUD, make_secret
from waterflow.testing import CloudProviderConformance
from waterflow.testing.contract import SECRET


class TestVertex(CloudProviderConformance):
    cloud, image = CLOUD, CLOUD.image

    @pytest.fixture(scope="class")
    @classmethod
    def secret(cls, service):
        make_secret("conformance-token", SECRET)
        return SECRET
