"""The local provider does what every provider must."""

import pytest

from waterflow.testing import ProviderConformance


class TestLocal(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        # Whoever looks for tracking sends it: a process for each run would import MLflow anew.
        return {"provider": "local", "images": {ProviderConformance.image: ""}, "send": "later"}
