"""The conformance kit: what every provider and emulator must do, as tests to subclass.

Installed with Waterflow for those who write providers and emulators; nothing in production
imports it.

```python
import pytest
from waterflow.testing import ProviderConformance

class TestMine(ProviderConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return {"provider": "mine", "region": "here"}
```
"""

import pytest

for _part in ("language", "failure", "caching", "contract", "world", "emulator"):
    pytest.register_assert_rewrite(f"{__name__}.{_part}")

from waterflow.testing.conformance import ProviderConformance  # noqa: E402
from waterflow.testing.digests import reference_digests  # noqa: E402
from waterflow.testing.emulator import EmulatorConformance  # noqa: E402
from waterflow.testing.world import World  # noqa: E402

__all__ = ["EmulatorConformance", "ProviderConformance", "World", "reference_digests"]
