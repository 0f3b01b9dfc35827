"""Which faults Vertex AI's emulator has, and which requests they strike."""

from __future__ import annotations

import re
from typing import Final

from waterflow.emulation.faults import FaultRules

RULES: Final = FaultRules(
    # Not among them: what jobs themselves read and write, and tokens.
    services=frozenset({"aiplatform"}),
    step=re.compile(r"[^~]+~(?P<step>[^~]+)~[0-9a-f]+"),
)
