"""Families of machines, by which Google counts quotas, and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# The application's own table, which this program cannot import: a test holds both together.
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "e2": (
        "e2-standard-4", "e2-standard-8", "e2-standard-16", "e2-standard-32", "e2-highmem-2",
        "e2-highmem-4", "e2-highmem-8", "e2-highmem-16", "e2-highcpu-16", "e2-highcpu-32",
    ),
    "n1": (
        "n1-standard-4", "n1-standard-8", "n1-standard-16", "n1-standard-32", "n1-standard-64",
        "n1-standard-96", "n1-highmem-2", "n1-highmem-4", "n1-highmem-8", "n1-highmem-16",
        "n1-highmem-32", "n1-highmem-64", "n1-highmem-96", "n1-highcpu-16", "n1-highcpu-32",
        "n1-highcpu-64", "n1-highcpu-96",
    ),
    "n2": (
        "n2-standard-4", "n2-standard-8", "n2-standard-16", "n2-standard-32", "n2-standard-48",
        "n2-standard-64", "n2-standard-80", "n2-standard-96", "n2-standard-128", "n2-highmem-2",
        "n2-highmem-4", "n2-highmem-8", "n2-highmem-16", "n2-highmem-32", "n2-highmem-48",
        "n2-highmem-64", "n2-highmem-80", "n2-highmem-96", "n2-highmem-128", "n2-highcpu-16",
        "n2-highcpu-32", "n2-highcpu-48", "n2-highcpu-64", "n2-highcpu-80", "n2-highcpu-96",
    ),
    "c2": (
        "c2-standard-4", "c2-standard-8", "c2-standard-16", "c2-standard-30", "c2-standard-60",
    ),
    "g2": (
        "g2-standard-4", "g2-standard-8", "g2-standard-12", "g2-standard-16", "g2-standard-24",
        "g2-standard-32", "g2-standard-48", "g2-standard-96",
    ),
    "a2": (
        "a2-highgpu-1g", "a2-highgpu-2g", "a2-highgpu-4g", "a2-highgpu-8g", "a2-megagpu-16g",
        "a2-ultragpu-1g", "a2-ultragpu-2g", "a2-ultragpu-4g", "a2-ultragpu-8g",
    ),
    "a3": (
        "a3-highgpu-8g", "a3-megagpu-8g",
    ),
}  # fmt: skip
"""Family -> types, smallest first."""


def types(families: Iterable[str]) -> list[str]:
    """Return all types of some families, as a profile names them."""
    return [one for family in families for one in FAMILIES[family]]
