"""A pipeline's parameters as SageMaker takes them: how each travels, and its native declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.parameters import shown_to_programs
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow.spec.references import comparisons
from waterflow_sagemaker import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.document import Encoding
    from waterflow_sagemaker.translation.planning import SageMakerPlanning

NUMERIC: Final = ("integer", "number")
"""Types of parameters that are native numbers where conditions compare them."""
_NATIVE: Final = {"integer": "Integer", "number": "Float"}


def encodings(pipeline: spec.Pipeline) -> dict[str, Encoding]:
    """Return how each parameter that is native travels.

    A text travels as JSON, in which any text stands for itself; and as it is where a program is
    given it, or where it is ordered, as JSON has another order.

    Raises:
        DefinitionError: SageMaker takes no such names, or not so many.
        UnsupportedFeatureError: A text would have to travel both ways.
    """
    compares = [one for gate in pipeline.gates for one in comparisons(gate.condition)]
    compared = {name for one in compares for name in _named(one)}
    shown = shown_to_programs(pipeline)
    plain = _plain(pipeline, compares, shown)
    ways: dict[str, Encoding] = {}
    for name, parameter in pipeline.parameters.items():
        if parameter.static:
            continue
        if not name.isascii():
            raise DefinitionError(
                f"Pipeline '{pipeline.name}': SageMaker takes letters A to Z, digits, - and _ in "
                f"names of parameters. Rename '{name}'"
            )
        if parameter.type == "data":
            ways[name] = "data"
        elif name in compared and parameter.type in NUMERIC and not parameter.optional:
            ways[name] = parameter.type
        elif name in plain:
            ways[name] = "text"
        elif parameter.type == "string" and name in shown:  # and it may be None
            if name in compared or shown[name] is None:
                raise UnsupportedFeatureError(
                    shown[name] or name,
                    f"the text parameter '{name}' in a container's command and elsewhere",
                    "sagemaker",
                    "A text that may be None goes to a program as it is, and to all others as "
                    "JSON. Give the container a parameter of its own, or drop `| None`.",
                )
            ways[name] = "text"
        else:
            ways[name] = "json"
    if len(ways) > limits.PARAMETERS.most:
        raise DefinitionError(
            f"Pipeline '{pipeline.name}' has {len(ways)} parameters; SageMaker takes "
            f"{limits.PARAMETERS.most}. Give several as one: a dict, or a file taken as wf.Data"
        )
    return ways


def _plain(
    pipeline: spec.Pipeline, compares: list[spec.Compare], shown: Mapping[str, str | None]
) -> set[str]:
    """Return the texts that travel as they are: shown, ordered, or compared with one of these."""
    texts = {
        name
        for name, parameter in pipeline.parameters.items()
        if parameter.type == "string" and not parameter.optional and not parameter.static
    }
    plain = texts & shown.keys()
    for one in compares:
        if one.operator not in ("==", "!="):
            plain |= texts & set(_named(one))
    while (
        more := {
            name
            for one in compares
            if plain & set(_named(one))
            for name in texts & set(_named(one))
        }
        - plain
    ):
        plain |= more
    return plain


def _named(compare: spec.Compare) -> Iterator[str]:
    for operand in (compare.left, compare.right):
        if isinstance(operand, spec.FromParameter):
            yield operand.name


def unsent(pipeline: spec.Pipeline, ways: Mapping[str, Encoding]) -> dict[str, str]:
    """Return the defaults that are empty: SageMaker takes such a default, and no such value."""
    return {
        name: ""
        for name, way in ways.items()
        if way == "text" and not (one := pipeline.parameters[name]).required and one.default == ""
    }


def natives(planning: SageMakerPlanning) -> list[dict[str, Any]]:
    """Return the definition's `Parameters`."""
    declared: list[dict[str, Any]] = []
    for name, encoding in planning.encodings.items():
        parameter = planning.pipeline.parameters[name]
        native: dict[str, Any] = {"Name": name, "Type": _NATIVE.get(encoding, "String")}
        default = parameter.default
        if encoding == "data":
            if parameter.required or (default is not None and default not in planning.build.data):
                pass  # given at submit; what was not given was not pinned
            else:
                native["DefaultValue"] = (
                    planning.none if default is None else planning.data(default)
                )
        elif not parameter.required:
            if encoding == "number":
                default = float(default)
            elif encoding == "json" or (encoding == "text" and default is None):
                default = to_text(default)
            native["DefaultValue"] = default
        declared.append(native)
    return declared
