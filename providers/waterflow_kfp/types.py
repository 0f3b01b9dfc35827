"""Types of a pipeline spec: of artifacts, and of parameters and the values that conditions read."""

from __future__ import annotations

from typing import Any, Final, Literal

ParameterType = Literal["NUMBER_DOUBLE", "NUMBER_INTEGER", "STRING", "BOOLEAN", "LIST"]

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
