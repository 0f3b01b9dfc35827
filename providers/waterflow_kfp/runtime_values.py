"""Parameters of a run in a PipelineSpec's own types, from Waterflow's texts, and back."""

from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

from waterflow_kfp.types import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def exact(spec: Mapping[str, Any], texts: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a PipelineSpec that takes a run's values as they are.

    Services keep parameters as JSON's numbers, which are doubles. What would arrive as another
    number travels as text, to jobs and to conditions: those get texts of numbers from either.

    Args:
        spec: The PipelineSpec.
        texts: Parameter -> its text.
    """
    types = _types(spec)
    names = [name for name, text in texts.items() if not _holds(types.get(name, ""), text)]
    if not names:
        return spec
    changed: dict[str, Any] = copy.deepcopy(dict(spec))
    for name in names:
        declared = changed["root"]["inputDefinitions"]["parameters"][name]
        if "defaultValue" in declared:
            declared["defaultValue"] = json.dumps(declared["defaultValue"])
        declared["parameterType"] = "STRING"
    _hand_on(changed, changed["root"], names)
    return changed


def _hand_on(spec: Mapping[str, Any], dag: Mapping[str, Any], names: Iterable[str]) -> None:
    """Let the tasks of a DAG take some of its parameters as texts."""
    texts = set(names)
    for task in dag["dag"]["tasks"].values():
        component = spec["components"][task["componentRef"]["name"]]
        bound: Mapping[str, Any] = (task.get("inputs") or {}).get("parameters") or {}
        keys = [key for key, one in bound.items() if one.get("componentInputParameter") in texts]
        for key in keys:
            component["inputDefinitions"]["parameters"][key]["parameterType"] = "STRING"
        if keys and "dag" in component:
            _hand_on(spec, component, keys)


def _holds(kind: str, text: str) -> bool:
    """Say whether a parameter of a type holds a value as it is."""
    if kind == "NUMBER_INTEGER":
        return abs(int(text)) <= EXACT
    return kind != "NUMBER_DOUBLE" or math.isfinite(float(text))


def typed(spec: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a run's parameters as a service takes them.

    Args:
        spec: The PipelineSpec, whose root declares them.
        texts: Parameter -> its text.
    """
    types = _types(spec)
    return {name: _value(types.get(name, "STRING"), text) for name, text in texts.items()}


def texts(spec: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a run's parameters; a service writes all numbers as floats.

    Args:
        spec: The PipelineSpec, whose root declares them.
        values: Parameter -> its value, as a service has it.
    """
    types = _types(spec)
    return {name: text_of(types.get(name, "STRING"), value) for name, value in values.items()}


def text_of(kind: str, value: Any) -> str:
    """Return the text of one value.

    Args:
        kind: Its `parameterType`.
        value: The value, as JSON has it.
    """
    if isinstance(value, str):
        return value
    if kind == "NUMBER_INTEGER":
        return str(int(value))
    if kind == "NUMBER_DOUBLE":
        return repr(float(value))
    return json.dumps(_whole(value))


def _types(spec: Mapping[str, Any]) -> dict[str, str]:
    inputs = (spec["root"].get("inputDefinitions") or {}).get("parameters") or {}
    return {name: str(one.get("parameterType", "STRING")) for name, one in inputs.items()}


def _value(kind: str, text: str) -> Any:
    if kind == "NUMBER_INTEGER":
        return int(text)
    if kind == "NUMBER_DOUBLE":
        return float(text)
    return text if kind == "STRING" else json.loads(text)


def _whole(value: Any) -> Any:
    """Return a value in which a float that is a whole number is one: Struct knows floats alone."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_whole(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return int(value) if isinstance(value, float) and value.is_integer() else value
