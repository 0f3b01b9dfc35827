"""A class that the project keeps its own way, and one of the standard library's."""

from fractions import Fraction
from pathlib import Path

import waterflow as wf

wf.serializer(
    Fraction,
    save=lambda value, path: path.write_text(str(value)),
    load=lambda path: Fraction(path.read_text()),
)


@wf.serializer(file="ledger.txt")
class Ledger:
    """Entries, a line each."""

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries

    def save(self, path: Path) -> None:
        """Write the entries."""
        path.write_text("\n".join(self.entries), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Ledger":
        """Read the entries."""
        return cls(path.read_text(encoding="utf-8").split("\n"))


@wf.step
def ledger(name: str) -> Ledger:
    """Return a ledger."""
    return Ledger([name, "second"])


@wf.step
def part(number: int) -> Fraction:
    """Return a fraction for one item of a map."""
    return Fraction(1, number + 1)
