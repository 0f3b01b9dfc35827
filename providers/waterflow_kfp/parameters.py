"""A pipeline's parameters as the root of a pipeline spec declares them, and how they travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.cloud.parameters import shown_to_programs
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands
from waterflow_kfp import naming
from waterflow_kfp.types import native_type

if TYPE_CHECKING:
    from waterflow.cloud.document import Encoding
    from waterflow_kfp.planning import KfpPlanning

_ENCODED: dict[str, Encoding] = {
    "NUMBER_INTEGER": "integer", "NUMBER_DOUBLE": "number", "BOOLEAN": "json", "STRING": "text",
}  # fmt: skip


def encodings(pipeline: spec.Pipeline, provider: str) -> dict[str, Encoding]:
    """Return how each parameter that is native travels.

    A scalar is one natively, so that conditions compare it and consoles show it; what may be None,
    and what is no scalar, travels as JSON text.

    Args:
        pipeline: The spec.
        provider: The provider's name.

    Raises:
        DefinitionError: A parameter has a name of Waterflow's own.
        UnsupportedFeatureError: A text would have to travel both ways.
    """
    shown = shown_to_programs(pipeline)
    compared = {
        operand.name
        for gate in pipeline.gates
        for operand in operands(gate.condition)
        if isinstance(operand, spec.FromParameter)
    }
    ways: dict[str, Encoding] = {}
    for name, parameter in pipeline.parameters.items():
        if parameter.static:
            continue
        if name.startswith(f"{naming.OWN}_"):
            raise DefinitionError(
                f"Pipeline '{pipeline.name}': parameters that begin with {naming.OWN}_ are "
                f"Waterflow's own here. Rename '{name}'"
            )
        if parameter.type == "data":
            ways[name] = "data"
        elif parameter.optional and parameter.type == "string" and name in shown:
            if name in compared or shown[name] is None:
                raise UnsupportedFeatureError(
                    shown[name] or name,
                    f"the text parameter '{name}' in a container's command and elsewhere",
                    provider,
                    "A text that may be None goes to a program as it is, and to all others as "
                    "JSON. Give the container a parameter of its own, or drop `| None`.",
                )
            ways[name] = "text"
        else:
            ways[name] = _ENCODED.get(native_type(parameter), "json")
            if parameter.optional or (
                native_type(parameter) == "STRING" and parameter.type != "string"
            ):
                ways[name] = "json"
    return ways


def declarations(planning: KfpPlanning) -> dict[str, Any]:
    """Return the parameters of the root, with their defaults; a required one has none."""
    declared: dict[str, Any] = {}
    for name, encoding in planning.encodings.items():
        parameter = planning.pipeline.parameters[name]
        entry: dict[str, Any] = {"parameterType": native_type(parameter)}
        default = parameter.default
        known = encoding != "data" or default is None or default in planning.build.data
        if not parameter.required and known:
            entry["defaultValue"] = _default(planning, parameter, encoding)
            entry["isOptional"] = True
        declared[name] = entry
    return declared | {
        naming.BUILD: _own(planning.uri(planning.kept), "Where Waterflow keeps this build"),
        naming.PIPELINE: _own(planning.pipeline.name, "The pipeline's name in Waterflow"),
    }


def _own(text: str, description: str) -> dict[str, Any]:
    return {
        "parameterType": "STRING",
        "defaultValue": text,
        "isOptional": True,
        "description": description,
    }


def _default(planning: KfpPlanning, parameter: spec.Parameter, encoding: Encoding) -> Any:
    default = parameter.default
    if encoding == "data":
        return planning.none if default is None else planning.data(default)
    if encoding == "text" and isinstance(default, str):
        return default
    if native_type(parameter) == "BOOLEAN":
        return bool(default)
    if encoding == "integer":
        return int(default)
    if encoding == "number":
        return float(default)
    return to_text(default)
