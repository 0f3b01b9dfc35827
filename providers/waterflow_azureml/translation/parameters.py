"""A pipeline's parameters as Azure ML takes them: inputs of the pipeline, which are texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.cloud.parameters import shown_to_programs
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands
from waterflow_azureml.translation import quoting
from waterflow_azureml.translation.naming import OWN, STARTED

if TYPE_CHECKING:
    from waterflow.cloud.document import Encoding
    from waterflow_azureml.translation.planning import AzurePlanning


def encodings(pipeline: spec.Pipeline) -> dict[str, Encoding]:
    """Return how each parameter that is native travels.

    A text travels as JSON, in which any text stands for itself; and as it is where a program is
    given it.

    Raises:
        DefinitionError: Azure ML takes no such name.
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
        _check_name(pipeline, name)
        if parameter.type == "data":
            ways[name] = "data"
        elif parameter.type == "string" and name in shown:
            if parameter.optional and (name in compared or shown[name] is None):
                raise UnsupportedFeatureError(
                    shown[name] or name,
                    f"the text parameter '{name}' in a container's command and elsewhere",
                    "azureml",
                    "A text that may be None goes to a program as it is, and to all others as "
                    "JSON. Give the container a parameter of its own, or drop `| None`.",
                )
            ways[name] = "text"
        else:
            ways[name] = "json"
    return ways


def _check_name(pipeline: spec.Pipeline, name: str) -> None:
    if not name.isascii():
        raise DefinitionError(
            f"Pipeline '{pipeline.name}': Azure ML takes letters A to Z, digits and _ in names of "
            f"parameters. Rename '{name}'"
        )
    if name.startswith(f"{OWN}_"):
        raise DefinitionError(
            f"Pipeline '{pipeline.name}': names of inputs that begin with {OWN}_ are Waterflow's "
            f"own on Azure ML. Rename '{name}'"
        )


def natives(planning: AzurePlanning) -> dict[str, Any]:
    """Return the inputs of the pipeline job, with their defaults.

    One that must be given is empty: Azure's SDK leaves it out, and a data folder leads nowhere.
    """
    declared: dict[str, Any] = {}
    for name, encoding in planning.encodings.items():
        parameter = planning.pipeline.parameters[name]
        default = parameter.default
        if encoding == "data":
            if parameter.required or (default is not None and default not in planning.build.data):
                path = planning.required  # what was not given was not pinned
            else:
                path = planning.none if default is None else planning.data(default)
            declared[name] = {"type": "uri_folder", "path": path}
        elif parameter.required:
            declared[name] = ""
        elif encoding == "text" and isinstance(default, str):
            declared[name] = quoting.escaped(default)
        else:
            declared[name] = quoting.escaped(to_text(default))
    if any(isinstance(step.run, spec.Register) for step in planning.pipeline.steps):
        declared[STARTED] = "0"
    return declared
