"""Steps that read what another module keeps its own way."""

from fractions import Fraction

from kit_ledger import Ledger

import waterflow as wf


@wf.step
def added(parts: list[Fraction]) -> str:
    """Add fractions up."""
    return str(sum(parts))


@wf.step
def entries(ledger: Ledger) -> list[str]:
    """Return a ledger's entries."""
    return ledger.entries
