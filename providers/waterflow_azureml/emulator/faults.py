"""Which faults Azure ML's emulator has, and which requests they strike."""

from __future__ import annotations

from typing import Final

from waterflow.emulation.faults import FaultRules

RULES: Final = FaultRules(
    # Not among them: what jobs themselves read and write, and tokens.
    services=frozenset({"azureml"}),
)
