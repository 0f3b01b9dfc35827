"""The conformance kit: what every provider must do, as tests that a provider's own tests subclass.

Installed with Waterflow for the authors of providers; nothing in production imports it.

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

for _part in ("language", "failure", "caching", "contract", "world"):
    pytest.register_assert_rewrite(f"{__name__}.{_part}")

from waterflow.testing.conformance import ProviderConformance  # noqa: E402
from waterflow.testing.digests import reference_digests  # noqa: E402
from waterflow.testing.world import World  # noqa: E402

__all__ = ["ProviderConformance", "World", "reference_digests"]
