"""The conformance kit: what every provider, store and emulator must do, as tests to subclass.

Installed with Waterflow for those who write them; nothing in production imports it.

```python
import pytest
from waterflow.testing import ProviderConformance

class TestMine(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return {"provider": "mine", "region": "here"}
```

A provider of a managed cloud passes `CloudProviderConformance` and `RemoteConformance`, a store of
outside data `StoreConformance`, an emulator `EmulatorConformance`.
"""

import pytest

for _part in (
    "language", "failure", "caching", "contract", "world", "emulator", "store",
    "remote_project", "starting", "watching", "faults", "tracking", "scheduling", "libraries",
    "foretelling", "random_pipelines", "examples",
):  # fmt: skip
    pytest.register_assert_rewrite(f"{__name__}.{_part}")

from waterflow.testing.cloud_conformance import CloudProviderConformance  # noqa: E402
from waterflow.testing.conformance import ProviderConformance  # noqa: E402
from waterflow.testing.digests import reference_digests  # noqa: E402
from waterflow.testing.emulator import EmulatorConformance  # noqa: E402
from waterflow.testing.examples import ExamplesConformance  # noqa: E402
from waterflow.testing.passage import Refusal  # noqa: E402
from waterflow.testing.remote import RemoteConformance  # noqa: E402
from waterflow.testing.remote_cloud import Refused, RemoteCloud  # noqa: E402
from waterflow.testing.store import (  # noqa: E402
    OutsideStore,
    StoreConformance,
    VersionedStore,
    VersionedStoreConformance,
)
from waterflow.testing.world import World  # noqa: E402

__all__ = [
    "CloudProviderConformance",
    "EmulatorConformance",
    "ExamplesConformance",
    "OutsideStore",
    "ProviderConformance",
    "Refusal",
    "Refused",
    "RemoteCloud",
    "RemoteConformance",
    "StoreConformance",
    "VersionedStore",
    "VersionedStoreConformance",
    "World",
    "reference_digests",
]
