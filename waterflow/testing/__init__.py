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

A project's own tests run its pipelines with the fixtures of `waterflow.testing.fixtures`.

A provider of a managed cloud passes `CloudProviderConformance` and `RemoteConformance`, a store of
outside data `StoreConformance`, an emulator `EmulatorConformance`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from waterflow.testing.cloud_conformance import CloudProviderConformance
    from waterflow.testing.conformance import ProviderConformance
    from waterflow.testing.digests import reference_digests
    from waterflow.testing.emulator import EmulatorConformance
    from waterflow.testing.examples import ExamplesConformance
    from waterflow.testing.passage import Refusal
    from waterflow.testing.remote import RemoteConformance
    from waterflow.testing.remote_cloud import Refused, RemoteCloud
    from waterflow.testing.store import (
        OutsideStore,
        StoreConformance,
        VersionedStore,
        VersionedStoreConformance,
    )
    from waterflow.testing.world import World

for _part in (
    "language", "failure", "caching", "contract", "world", "emulator", "store",
    "remote_project", "starting", "watching", "faults", "tracking", "scheduling", "libraries",
    "foretelling", "random_pipelines", "examples",
):  # fmt: skip
    pytest.register_assert_rewrite(f"{__name__}.{_part}")

_HOMES: Final = {
    "CloudProviderConformance": "cloud_conformance",
    "EmulatorConformance": "emulator",
    "ExamplesConformance": "examples",
    "OutsideStore": "store",
    "ProviderConformance": "conformance",
    "Refusal": "passage",
    "Refused": "remote_cloud",
    "RemoteCloud": "remote_cloud",
    "RemoteConformance": "remote",
    "StoreConformance": "store",
    "VersionedStore": "store",
    "VersionedStoreConformance": "store",
    "World": "world",
    "reference_digests": "digests",
}
"""Name -> its module: a project's own tests, which want a fixture, need not import the suites."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


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
