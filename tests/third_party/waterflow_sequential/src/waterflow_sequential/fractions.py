"""A serializer of another package: `fractions.Fraction`, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.artifacts import Context, Serializer

if TYPE_CHECKING:
    from pathlib import Path


class FractionSerializer(Serializer):
    """Writes fractions as `numerator/denominator`."""

    name = "fraction"
    format = "fraction"
    classes = (("fractions", "Fraction"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write the fraction."""
        (folder / "fraction.txt").write_text(f"{value.numerator}/{value.denominator}")

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the fraction."""
        from fractions import Fraction

        return Fraction((folder / "fraction.txt").read_text())
