"""A whole pipeline definition against the rules of its version, 2020-12-01: every violation."""

from __future__ import annotations

import json
import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.validation import shapes as model_shapes
from waterflow_sagemaker.validation.arguments import argument_violations, described
from waterflow_sagemaker.validation.conditions import condition_problems
from waterflow_sagemaker.validation.jobs import job_problems
from waterflow_sagemaker.validation.policies import allowed_members, policy_problems
from waterflow_sagemaker.validation.scope import (
    Placed,
    Scope,
    as_object,
    expressions,
    flattened,
    objects,
)
from waterflow_sagemaker.validation.shapes import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow_sagemaker.validation.scope import Json
    from waterflow_sagemaker.validation.shapes import Path

VERSION: Final = "2020-12-01"
LONGEST: Final = 1024 * 1024
"""Characters of a definition: the service model's limit on CreatePipeline's PipelineDefinition."""
PARAMETERS: Final = 200
"""Parameters of a pipeline: the service model's limit on StartPipelineExecution's."""
_MEMBERS: Final = (
    "Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps",
)  # fmt: skip
TYPES: Final = {
    "String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,),
}  # fmt: skip
_STEPS: Final = (
    "Condition", "Model", "Processing", "RegisterModel", "Training", "Transform", "Callback",
    "Tuning", "Lambda", "QualityCheck", "ClarifyCheck", "EMR", "EMRServerless", "Fail", "AutoML",
    "EndpointConfig", "Endpoint", "InferenceComponent", "Lineage", "Job", "Cleanup", "ForEach",
)  # fmt: skip
"""sagemaker.mlops.workflow.steps.StepTypeEnum of the sagemaker SDK 3.27."""


def scope_of(definition: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Scope:
    """Return what a definition declares.

    Args:
        definition: The definition.
        values: Values of parameters; the defaults where None.
    """
    declared = objects(definition.get("Parameters"))
    placed = tuple(flattened(definition.get("Steps")))
    steps: dict[str, Placed] = {}
    for one in placed:
        steps.setdefault(one.name, one)
    steps.pop("", None)
    if values is None:
        values = {
            str(one.get("Name")): one["DefaultValue"]
            for one in declared
            if one.get("DefaultValue") is not None
        }
    parameters = {str(one.get("Name")): one for one in declared}
    return Scope(parameters, steps, placed, values)


def violations(definition: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that the service refuses, or that its runs would fail of, one line each."""
    yield from _outside(definition)
    yield from _parameters(definition.get("Parameters"))
    scope = scope_of(definition)
    for path, expression in expressions(
        {name: definition.get(name) for name in ("PipelineExperimentConfig", "MlflowConfig")}
    ):
        for text in _expression_problems(scope, None, expression):
            yield f"{model_shapes.show_path(path)}: {text}"
    seen: set[str] = set()
    for placed in scope.placed:
        if placed.name and placed.name in seen:
            yield f"{placed.label}: found the name twice; names of steps must be unique"
        seen.add(placed.name)
        yield from step_violations(scope, placed)
    yield from _cycle(scope)


def step_violations(scope: Scope, placed: Placed) -> Iterator[str]:
    """Yield all that is wrong with one step, not with those inside it."""
    for path, text in _step_problems(scope, placed):
        at = model_shapes.show_path(path)
        yield f"{placed.label}, {at}: {text}" if at else f"{placed.label}: {text}"


def _outside(definition: Mapping[str, Any]) -> Iterator[str]:
    size = len(json.dumps(definition))
    if size > LONGEST:
        yield f"Definition: found {size} characters; at most {LONGEST} are allowed"
    for name in definition:
        if name not in _MEMBERS:
            yield f"{name}: found the unknown member; allowed is one of {', '.join(_MEMBERS)}"
    version = definition.get("Version")
    if version != VERSION:
        yield f"Version: found {shown(version)}; it must be {shown(VERSION)}"
    if not isinstance(definition.get("Metadata", {}), (dict, type(None))):
        yield f"Metadata: found {shown(definition['Metadata'])}; an object is required"
    experiment = definition.get("PipelineExperimentConfig")
    if experiment is not None:
        for name in as_object(experiment):
            if name not in ("ExperimentName", "TrialName"):
                yield f"PipelineExperimentConfig.{name}: found an unknown member"
        if not isinstance(experiment, dict):
            yield f"PipelineExperimentConfig: found {shown(experiment)}; an object is required"
    yield from _list_of_steps(definition)


def _list_of_steps(definition: Mapping[str, Any]) -> Iterator[str]:
    steps = definition.get("Steps")
    if not isinstance(steps, list) or not steps:
        yield f"Steps: found {shown(steps)}; a list of at least one step is required"
        return
    for path, found in _non_objects(steps, ("Steps",)):
        yield f"{model_shapes.show_path(path)}: found {shown(found)}; a step is an object"


def _non_objects(steps: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    for index, step in enumerate(cast("list[Any]", steps) if isinstance(steps, list) else []):
        if not isinstance(step, dict):
            yield (*path, index), step
            continue
        arguments = as_object(as_object(cast("object", step)).get("Arguments"))
        for key in ("IfSteps", "ElseSteps", "ForEachBody"):
            yield from _non_objects(arguments.get(key), (*path, index, "Arguments", key))


# --- parameters -----------------------------------------------------------------------------------


def _parameters(value: Any) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list):
        yield f"Parameters: found {shown(value)}; a list is required"
        return
    declared = cast("list[Any]", value)
    if len(declared) > PARAMETERS:
        yield f"Parameters: found {len(declared)} entries; at most {PARAMETERS} are allowed"
    seen: set[str] = set()
    for index, one in enumerate(declared):
        if not isinstance(one, dict):
            yield f"Parameters[{index}]: found {shown(one)}; an object is required"
            continue
        told = as_object(cast("object", one))
        name = told.get("Name")
        label = f"Parameter '{name}'" if isinstance(name, str) else f"Parameters[{index}]"
        yield from _name(label, name, "PipelineParameterName")
        if isinstance(name, str) and name in seen:
            yield f"{label}: found the name twice; names of parameters must be unique"
        seen.add(str(name))
        yield from (f"{label}, {text}" for text in _declaration(told))


def _declaration(told: Json) -> Iterator[str]:
    for member in told:
        if member not in ("Name", "Type", "DefaultValue", "EnumValues", "MinValue", "MaxValue"):
            yield f"{member}: found the unknown member; there are Name, Type, DefaultValue"
    kind = told.get("Type")
    if not isinstance(kind, str) or kind not in TYPES:
        yield f"Type: found {shown(kind)}; allowed is one of {', '.join(TYPES)}"
        return
    default, allowed = told.get("DefaultValue"), told.get("EnumValues")
    if default is not None:
        yield from (f"DefaultValue: {text}" for text in value_problems(kind, default))
        if isinstance(allowed, list) and default not in allowed:
            yield f"DefaultValue: found {shown(default)}; it is none of EnumValues"


def value_problems(kind: str, value: Any) -> Iterator[str]:
    """Yield why a value is none of a parameter's type."""
    fits = isinstance(value, TYPES[kind]) and (isinstance(value, bool) == (kind == "Boolean"))
    if not fits:
        yield f"found {shown(value)}; the parameter's type is {kind}"
    elif isinstance(value, str):
        shape = model_shapes.service().shape_for("String1024")
        for found in model_shapes.scalar(value, shape, ()):
            yield model_shapes.described(found)


def _name(label: str, name: Any, shape: str) -> Iterator[str]:
    if not isinstance(name, str) or not name:
        yield f"{label}, Name: found {shown(name)}; a name is required"
        return
    for found in model_shapes.scalar(name, model_shapes.service().shape_for(shape), ()):
        yield f"{label}, Name: {model_shapes.described(found)}"


# --- steps ----------------------------------------------------------------------------------------


def _step_problems(scope: Scope, placed: Placed) -> Iterator[tuple[Path, str]]:
    step = placed.step
    yield from _named(placed)
    if placed.type not in _STEPS:
        near = model_shapes.near(placed.type, _STEPS)
        yield ("Type",), f"found {shown(step.get('Type'))}; {near}"
        return
    members = allowed_members(placed.type)
    for name in step:
        if members is not None and name not in members:
            yield (name,), f"found the unknown member '{name}'; {model_shapes.near(name, members)}"
    if not isinstance(step.get("Arguments"), dict):
        yield ("Arguments",), f"found {shown(step.get('Arguments'))}; an object is required"
    elif placed.type == "Condition":
        found = condition_problems(scope, placed)
        yield from ((("Arguments", *path), text) for path, text in found)
    elif placed.type == "Fail":
        yield from _fail(placed)
    else:
        yield from ((one.path, described(one)) for one in argument_violations(scope, placed))
        yield from ((("Arguments", *path), text) for path, text in job_problems(placed))
    yield from policy_problems(placed)
    yield from _references(scope, placed)
    yield from _depends(scope, placed)


def _named(placed: Placed) -> Iterator[tuple[Path, str]]:
    if not placed.name:
        yield ("Name",), f"found {shown(placed.step.get('Name'))}; a name is required"
    shapes = {
        "Name": "StepName",
        "DisplayName": "StepDisplayName",
        "Description": "StepDescription",
    }
    for member, shape in shapes.items():
        value = placed.step.get(member)
        if isinstance(value, str):
            for found in model_shapes.scalar(value, model_shapes.service().shape_for(shape), ()):
                yield (member,), model_shapes.described(found)
        elif value is not None and member != "Name":
            yield (member,), f"found {shown(value)}; a text is required"


def _fail(placed: Placed) -> Iterator[tuple[Path, str]]:
    for name in placed.arguments:
        if name != "ErrorMessage":
            told = f"found the unknown member '{name}'; a Fail step has ErrorMessage"
            yield ("Arguments", name), told
    message = placed.arguments.get("ErrorMessage")
    good = isinstance(message, str) or model_shapes.is_expression(message)
    if not good or message == "":
        yield ("Arguments", "ErrorMessage"), f"found {shown(message)}; a text is required"


def _own(placed: Placed) -> Json:
    """Return a step without the steps inside it."""
    inner = ("IfSteps", "ElseSteps", "ForEachBody")
    arguments = placed.step.get("Arguments")
    if not isinstance(arguments, dict):
        return placed.step
    kept = {key: value for key, value in placed.arguments.items() if key not in inner}
    return {**placed.step, "Arguments": kept}


def _references(scope: Scope, placed: Placed) -> Iterator[tuple[Path, str]]:
    for path, expression in expressions(_own(placed)):
        for text in _expression_problems(scope, placed, expression):
            yield path, text


def _expression_problems(scope: Scope, placed: Placed | None, expression: Json) -> Iterator[str]:
    if "Get" in expression:
        text = expression["Get"]
        outer = ("Parameters.", "Steps.", "Execution.")
        if placed is not None and placed.looped and not str(text).startswith(outer):
            return  # the loop's own variables
        found = scope.get(text)
        if found.error:
            yield found.error
        yield from _reach(scope, placed, found.step)
    elif "Std:Join" in expression:
        yield from _join_problems(scope, placed, expression["Std:Join"])
    else:
        yield from _json_problems(scope, placed, expression["Std:JsonGet"])


def _join_problems(scope: Scope, placed: Placed | None, join: Any) -> Iterator[str]:
    told = as_object(join)
    values = told.get("Values")
    if not isinstance(told.get("On", ""), str):
        yield f"found Std:Join on {shown(told['On'])}; a text is required"
    if set(told) - {"On", "Values"} or not isinstance(values, list) or not values:
        yield f"found Std:Join of {shown(join)}; it has On and a list of Values"
        return
    for value in cast("list[Any]", values):
        if model_shapes.is_expression(value):
            yield from _expression_problems(scope, placed, as_object(value))
        elif not isinstance(value, (str, int, float, bool)):
            yield f"found {shown(value)} in a Std:Join; a text, number or reference is required"


def _json_problems(scope: Scope, placed: Placed | None, told: Any) -> Iterator[str]:
    read = as_object(told)
    if not isinstance(read.get("Path"), str) or not read["Path"]:
        yield f"found Std:JsonGet with Path {shown(read.get('Path'))}; a text is required"
    file, uri = read.get("PropertyFile"), read.get("S3Uri")
    if (file is None) == (uri is None):
        yield "found Std:JsonGet; exactly one is required of PropertyFile, S3Uri"
    if file is not None:
        found = scope.property_file(as_object(file).get("Get"))
        if found.error:
            yield found.error
        yield from _reach(scope, placed, found.step)
    if model_shapes.is_expression(uri):
        yield from _expression_problems(scope, placed, as_object(uri))


def _reach(scope: Scope, placed: Placed | None, name: str | None) -> Iterator[str]:
    """Say so where a step that is referred to cannot have run."""
    if placed is None or name is None or name not in scope.steps:
        return
    other = dict(scope.steps[name].chain)
    for condition, then in placed.chain:
        if other.get(condition, then) != then:
            yield f"found step '{name}'; it stands in the other branch of condition '{condition}'"


def _depends(scope: Scope, placed: Placed) -> Iterator[tuple[Path, str]]:
    value = placed.step.get("DependsOn")
    if value is None:
        return
    if not isinstance(value, list):
        yield ("DependsOn",), f"found {shown(value)}; a list of steps' names is required"
        return
    for index, entry in enumerate(cast("list[Any]", value)):
        name = as_object(entry).get("Step") if isinstance(entry, dict) else entry
        path = ("DependsOn", index)
        if not isinstance(name, str):
            yield path, f"found {shown(entry)}; a step's name is required"
        elif name not in scope.steps:
            yield path, f"found the unknown step '{name}'; {model_shapes.near(name, scope.steps)}"
        else:
            yield from ((path, text) for text in _reach(scope, placed, name))


# --- order ----------------------------------------------------------------------------------------


def _cycle(scope: Scope) -> Iterator[str]:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for placed in scope.placed:
        graph.add(placed.name, *_before(scope, placed))
    try:
        graph.prepare()
    except CycleError as error:
        names = cast("list[str]", error.args[1])
        yield f"Steps: found the cycle {' -> '.join(names)}; a pipeline has no cycles"


def _before(scope: Scope, placed: Placed) -> Iterable[str]:
    """Return the steps that must end before a step starts."""
    found = [name for name, _ in placed.chain]
    depends = placed.step.get("DependsOn")
    entries = cast("list[Any]", depends) if isinstance(depends, list) else []
    found += [str(one.get("Step") if isinstance(one, dict) else one) for one in entries]
    text = json.dumps(_own(placed))
    found += re.findall(r'"Get": "Steps\.([A-Za-z0-9\-_]+)', text)
    return [name for name in found if name in scope.steps]
