"""Series of virtual machines, and the clusters that are made of their sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# The application's own table, which this program cannot import: a test holds both together.
FAMILIES: Final = {
    "DDSv5": (
        "Standard_D2ds_v5", "Standard_D4ds_v5", "Standard_D8ds_v5", "Standard_D16ds_v5",
        "Standard_D32ds_v5", "Standard_D48ds_v5", "Standard_D64ds_v5", "Standard_D96ds_v5",
    ),
    "EDSv5": (
        "Standard_E2ds_v5", "Standard_E4ds_v5", "Standard_E8ds_v5", "Standard_E16ds_v5",
        "Standard_E32ds_v5", "Standard_E48ds_v5", "Standard_E64ds_v5", "Standard_E96ds_v5",
    ),
    "FSv2": (
        "Standard_F2s_v2", "Standard_F4s_v2", "Standard_F8s_v2", "Standard_F16s_v2",
        "Standard_F32s_v2", "Standard_F48s_v2", "Standard_F64s_v2", "Standard_F72s_v2",
    ),
    "DSv3": (
        "Standard_D2s_v3", "Standard_D4s_v3", "Standard_D8s_v3", "Standard_D16s_v3",
        "Standard_D32s_v3", "Standard_D64s_v3",
    ),
    "NCASv3_T4": (
        "Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3", "Standard_NC16as_T4_v3",
        "Standard_NC64as_T4_v3",
    ),
    "NCADSA100v4": (
        "Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4", "Standard_NC96ads_A100_v4",
    ),
    "NDASv4_A100": (
        "Standard_ND96asr_v4",
    ),
    "NDAMSv4_A100": (
        "Standard_ND96amsr_A100_v4",
    ),
    "NCadsH100v5": (
        "Standard_NC40ads_H100_v5", "Standard_NC80adis_H100_v5",
    ),
    "NDSH100v5": (
        "Standard_ND96isr_H100_v5",
    ),
    "NVADSA10v5": (
        "Standard_NV36ads_A10_v5", "Standard_NV72ads_A10_v5",
    ),
}  # fmt: skip
"""Series -> sizes, smallest first. A series is named as quotas name it: standardDDSv5Family."""

SPOT: Final = "-spot"
"""The end of the name of a cluster of spot machines."""


def sizes(families: Iterable[str]) -> list[str]:
    """Return all sizes of some series, as a profile names them."""
    return [size for family in families for size in FAMILIES[family]]


def cluster(size: str) -> str:
    """Return the name of the cluster of a size: at most 24 letters, digits and hyphens.

    Args:
        size: The size, such as "Standard_D4ds_v5".
    """
    return size.removeprefix("Standard_").lower().replace("_", "-")
