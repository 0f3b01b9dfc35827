"""Reading a whole definition, and holding it to the rules of its version: every violation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.definition import shapes as model_shapes
from waterflow_sagemaker.definition.arguments import argument_violations, described
from waterflow_sagemaker.definition.conditions import condition_problems
from waterflow_sagemaker.definition.document import (
    STEP_TYPES,
    VERSION,
    Definition,
    Step,
    as_object,
    expressions,
    is_expression,
    references,
    step_entries,
    step_path,
)
from waterflow_sagemaker.definition.jobs import job_problems
from waterflow_sagemaker.definition.parameters import read_parameters
from waterflow_sagemaker.definition.policies import allowed_members, read_step, trigger_problems
from waterflow_sagemaker.definition.references import ReferenceTargets
from waterflow_sagemaker.definition.shapes import shown
from waterflow_sagemaker.limits import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow_sagemaker.definition.document import Json, Problem

_MEMBERS: Final = (
    "Version",
    "Metadata",
    "Parameters",
    "PipelineExperimentConfig",
    "MlflowConfig",
    "Steps",
)
_EXPERIMENT: Final = ("ExperimentName", "TrialName")
_NAMED: Final = {
    "Name": "StepName",
    "DisplayName": "StepDisplayName",
    "Description": "StepDescription",
}
"""Member of a step -> the shape that its text must have."""
_BARE: Final = frozenset({"Callback", "Lambda"})
"""Types of steps that may lack Arguments, by the schema that `parameters` names."""


def read(document: Any) -> Definition:
    """Read a definition, and find all that the service refuses or that its runs would fail of.

    Args:
        document: The parsed JSON.
    """
    if not isinstance(document, Mapping):
        return Definition({}, {}, (), {}, ("Definition: found no object; it must be one",))
    source = as_object(dict(cast("Mapping[str, Any]", document)))
    violations = list(_outside(source))
    parameters, wrong = read_parameters(source.get("Parameters"))
    violations += wrong
    placed = tuple(
        read_step(entry) for entry in step_entries(source) if isinstance(entry.source, dict)
    )
    steps: dict[str, Step] = {}
    for step in placed:
        if step.name:
            steps.setdefault(step.name, step)
    experiment = as_object(source.get("PipelineExperimentConfig"))
    definition = Definition(parameters, steps, placed, experiment)
    targets = ReferenceTargets(definition, known_values(definition))
    violations += _beside_steps(targets, source)
    seen: set[str] = set()
    for step in placed:
        if step.name and step.name in seen:
            violations.append(f"{step.label}: found the name twice; names of steps must be unique")
        seen.add(step.name)
        violations += step_violations(targets, step)
    violations += _cycle(definition)
    return Definition(parameters, steps, placed, experiment, tuple(dict.fromkeys(violations)))


def known_values(definition: Definition) -> dict[str, Any]:
    """Return the defaults of parameters, by name."""
    return {
        name: parameter.default
        for name, parameter in definition.parameters.items()
        if parameter.default is not None
    }


def step_violations(targets: ReferenceTargets, step: Step) -> Iterator[str]:
    """Yield all that is wrong with one step, not with those inside it."""
    for path, text in _step_problems(targets, step):
        at = model_shapes.show_path(path)
        yield f"{step.label}, {at}: {text}" if at else f"{step.label}: {text}"


def _outside(source: Json) -> Iterator[str]:
    size, most = len(json.dumps(source)), DEFINITION.most
    if size > most:
        yield f"Definition: found {size} characters; at most {most} are allowed"
    for name in source:
        if name not in _MEMBERS:
            yield f"{name}: found the unknown member; allowed is one of {', '.join(_MEMBERS)}"
    version = source.get("Version")
    if version != VERSION:
        yield f"Version: found {shown(version)}; it must be {shown(VERSION)}"
    if not isinstance(source.get("Metadata", {}), (dict, type(None))):
        yield f"Metadata: found {shown(source['Metadata'])}; an object is required"
    yield from _experiment(source.get("PipelineExperimentConfig"))
    yield from _entries(source)


def _experiment(experiment: Any) -> Iterator[str]:
    for name in as_object(experiment):
        if name not in _EXPERIMENT:
            yield f"PipelineExperimentConfig.{name}: found an unknown member"
    if not isinstance(experiment, (dict, type(None))):
        yield f"PipelineExperimentConfig: found {shown(experiment)}; an object is required"


def _entries(source: Json) -> Iterator[str]:
    steps = source.get("Steps")
    if not isinstance(steps, list) or not steps:
        yield f"Steps: found {shown(steps)}; a list of at least one step is required"
    for entry in step_entries(source):
        if not isinstance(entry.source, dict):
            path = model_shapes.show_path(entry.path)
            yield f"{path}: found {shown(entry.source)}; a step is an object"


def _beside_steps(targets: ReferenceTargets, source: Json) -> Iterator[str]:
    members = {name: source.get(name) for name in ("PipelineExperimentConfig", "MlflowConfig")}
    for path, expression in expressions(members):
        at = model_shapes.show_path(path)
        for text in _expression_problems(targets, None, expression):
            yield f"{at}: {text}"
        for reference in references(expression):
            # The experiment is there before any step: so no step has a value to give.
            later = step_path(reference) or reference.endswith("JobName")
            if later and path[0] == "PipelineExperimentConfig":
                yield f"{at}: found {shown(reference)}; it is known only later"


# --- steps ----------------------------------------------------------------------------------------


def _step_problems(targets: ReferenceTargets, step: Step) -> Iterator[Problem]:
    source = step.source
    yield from _name_problems(step)
    if step.type not in STEP_TYPES:
        near = model_shapes.near(step.type, STEP_TYPES)
        yield ("Type",), f"found {shown(source.get('Type'))}; {near}"
        return
    members = allowed_members(step.type)
    for name in source:
        if members is not None and name not in members:
            yield (name,), f"found the unknown member '{name}'; {model_shapes.near(name, members)}"
    if "Arguments" not in source and step.type in _BARE:
        pass
    elif not isinstance(source.get("Arguments"), dict):
        yield ("Arguments",), f"found {shown(source.get('Arguments'))}; an object is required"
    elif step.type == "Condition":
        problems = condition_problems(targets, step)
        yield from ((("Arguments", *path), text) for path, text in problems)
    elif step.type == "Fail":
        yield from _fail(step)
    else:
        yield from ((one.path, described(one)) for one in argument_violations(targets, step))
        yield from ((("Arguments", *path), text) for path, text in job_problems(step))
    yield from step.problems
    for path, expression in expressions(step.own):
        yield from ((path, text) for text in _expression_problems(targets, step, expression))
    yield from _depends(targets, step)


def _name_problems(step: Step) -> Iterator[Problem]:
    if not step.name:
        yield ("Name",), f"found {shown(step.source.get('Name'))}; a name is required"
    for member, shape in _NAMED.items():
        value = step.source.get(member)
        if isinstance(value, str):
            for one in model_shapes.scalar(value, model_shapes.service().shape_for(shape), ()):
                yield (member,), model_shapes.described(one)
        elif value is not None and member != "Name":
            yield (member,), f"found {shown(value)}; a text is required"


def _fail(step: Step) -> Iterator[Problem]:
    for name in step.arguments:
        if name != "ErrorMessage":
            text = f"found the unknown member '{name}'; a Fail step has ErrorMessage"
            yield ("Arguments", name), text
    # None at all says the same as an empty one, by the schema that `parameters` names; AWS's SDK
    # writes "" for a FailStep without a message, and its own test runs one (test_fail_steps.py).
    message = step.arguments.get("ErrorMessage", "")
    if not isinstance(message, str) and not is_expression(message):
        yield ("Arguments", "ErrorMessage"), f"found {shown(message)}; a text is required"


def _depends(targets: ReferenceTargets, step: Step) -> Iterator[Problem]:
    value, steps = step.source.get("DependsOn"), targets.definition.steps
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
        elif name not in steps:
            yield path, f"found the unknown step '{name}'; {model_shapes.near(name, steps)}"
        elif steps[name].type == "Fail":
            # The service's own words: test_fail_steps.py among the tests of AWS's SDK.
            words = f"{step.name} can not depends on {name}"
            yield path, f"found '{name}', which ends the pipeline; {words}"
        yield from ((path, text) for text in trigger_problems(entry))


# --- expressions ----------------------------------------------------------------------------------


def _expression_problems(
    targets: ReferenceTargets, step: Step | None, expression: Json
) -> Iterator[str]:
    if "Get" in expression:
        text = expression["Get"]
        outer = ("Parameters.", "Steps.", "Execution.")
        if step is not None and step.looped and not str(text).startswith(outer):
            return  # the loop's own variables
        target = targets.get(text)
        if target.error:
            yield target.error
    elif "Std:Join" in expression:
        yield from _join_problems(targets, step, expression["Std:Join"])
    else:
        yield from _json_problems(targets, step, expression["Std:JsonGet"])


def _join_problems(targets: ReferenceTargets, step: Step | None, join: Any) -> Iterator[str]:
    members = as_object(join)
    values = members.get("Values")
    if not isinstance(members.get("On", ""), str):
        yield f"found Std:Join on {shown(members['On'])}; a text is required"
    if set(members) - {"On", "Values"} or not isinstance(values, list) or not values:
        yield f"found Std:Join of {shown(join)}; it has On and a list of Values"
        return
    for value in cast("list[Any]", values):
        if is_expression(value):
            yield from _expression_problems(targets, step, as_object(value))
        elif not isinstance(value, (str, int, float, bool)):
            yield f"found {shown(value)} in a Std:Join; a text, number or reference is required"


def _json_problems(targets: ReferenceTargets, step: Step | None, value: Any) -> Iterator[str]:
    members = as_object(value)
    if not isinstance(members.get("Path"), str) or not members["Path"]:
        yield f"found Std:JsonGet with Path {shown(members.get('Path'))}; a text is required"
    file, uri = members.get("PropertyFile"), members.get("S3Uri")
    if (file is None) == (uri is None):
        yield "found Std:JsonGet; exactly one is required of PropertyFile, S3Uri"
    if file is not None:
        target = targets.property_file(as_object(file).get("Get"))
        if target.error:
            yield target.error
    if is_expression(uri):
        yield from _expression_problems(targets, step, as_object(uri))


# --- order ----------------------------------------------------------------------------------------


def _cycle(definition: Definition) -> Iterator[str]:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for step in definition.placed:
        graph.add(step.name, *sorted(step.before() & definition.steps.keys()))
    try:
        graph.prepare()
    except CycleError as error:
        names = cast("list[str]", error.args[1])
        yield f"Steps: found the cycle {' -> '.join(names)}; a pipeline has no cycles"
