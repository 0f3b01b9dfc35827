"""The local provider does what every provider must."""

import pytest

from waterflow.testing import ProviderConformance


class TestLocal(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return {"provider": "local", "images": {ProviderConformance.image: ""}}
