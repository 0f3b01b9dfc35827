"""The names that NumPy, pandas and Arrow call types of numbers by, for the tables of values."""

from __future__ import annotations

from typing import Final

REAL: Final = (
    *(f"int{bits}" for bits in (8, 16, 32, 64)),
    *(f"uint{bits}" for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
)
COMPLEX: Final = ("complex64", "complex128")
NUMBERS: Final = (*REAL, *COMPLEX)
