"""Types of a pipeline spec: of artifacts, and of parameters and the values that conditions read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from waterflow import spec

ParameterType = Literal["NUMBER_DOUBLE", "NUMBER_INTEGER", "STRING", "BOOLEAN"]

EXACT: Final = 2**53
"""Whole numbers up to this one are exact in JSON's numbers, which parameters travel as."""
_SCHEMAS: Final = {
    "dataframe": "system.Dataset",
    "model": "system.Model",
    "estimator": "system.Model",
    "metrics": "system.Metrics",
}
ARTIFACT: Final = "system.Artifact"
PLAIN: Final[dict[str, ParameterType]] = {
    "integer": "NUMBER_INTEGER",
    "number": "NUMBER_DOUBLE",
    "boolean": "BOOLEAN",
    "string": "STRING",
}
"""Type of a scalar -> the type of a parameter that holds it."""


def schema(kind: str) -> str:
    """Return the native type of an artifact, which the console knows.

    Args:
        kind: Waterflow's type.
    """
    return _SCHEMAS.get(kind, ARTIFACT)


def artifact_type(title: str) -> dict[str, Any]:
    """Return the declaration of an artifact's type."""
    return {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}}


def native_type(parameter: spec.Parameter) -> ParameterType:
    """Return the type of the native parameter."""
    if parameter.optional or not _is_exact(parameter):
        return "STRING"
    return PLAIN.get(parameter.type, "STRING")


def _is_exact(parameter: spec.Parameter) -> bool:
    """Say whether a parameter's default survives as a number of JSON."""
    values = [parameter.default, *parameter.choices]
    if parameter.type == "integer":
        return all(abs(value) <= EXACT for value in values if isinstance(value, int))
    if parameter.type == "number":
        return all(math.isfinite(value) for value in values if isinstance(value, (int, float)))
    return True
