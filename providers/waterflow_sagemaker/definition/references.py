"""What an expression of a pipeline definition may refer to: parameters, steps, their properties."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.definition import shapes as model_shapes
from waterflow_sagemaker.definition.document import (
    EXECUTION_VARIABLES,
    OUTPUT_TYPES,
    as_object,
    is_expression,
    objects,
    property_file,
    step_path,
)
from waterflow_sagemaker.definition.parameters import text as java_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow_sagemaker.definition.document import Definition, Step

_EXPERIMENT: Final = ("ExperimentName", "TrialName")
_CHECKED: Final = (
    "CalculatedBaselineConstraints", "CalculatedBaselineStatistics",
    "BaselineUsedForDriftCheckConstraints", "BaselineUsedForDriftCheckStatistics",
)  # fmt: skip
DESCRIBES: Final = {
    "Processing": ("DescribeProcessingJob",),
    "Training": ("DescribeTrainingJob",),
    "Transform": ("DescribeTransformJob",),
    "Tuning": ("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"),
    "Model": ("DescribeModel",),
    "RegisterModel": ("DescribeModelPackage",),
    "AutoML": ("DescribeAutoMLJob", "DescribeAutoMLJobV2"),
    "EndpointConfig": ("DescribeEndpointConfig",),
    "Endpoint": ("DescribeEndpoint",),
    "InferenceComponent": ("DescribeInferenceComponent",),
}
"""Step type -> operations whose answers are the step's properties."""
_DECLARED: Final = {
    "Outputs": ("OutputName", ("ProcessingOutputConfig", "Outputs")),
    "ProcessingInputs": ("InputName", ("ProcessingInputs",)),
    "InputDataConfig": ("ChannelName", ("InputDataConfig",)),
    "FinalMetricDataList": ("Name", ("AlgorithmSpecification", "MetricDefinitions")),
}
"""List of a property -> where the step's Arguments declare the names of its entries."""
KINDS: Final = {
    "string": "String", "timestamp": "String", "blob": "String", "integer": "Integer",
    "long": "Integer", "float": "Float", "double": "Float", "boolean": "Boolean",
    "list": "List", "structure": "Object", "map": "Object",
}  # fmt: skip
_LISTED: Final = 20
_PART: Final = re.compile(r"\.([A-Za-z]\w*)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


@dataclass(frozen=True)
class ReferenceTarget:
    """What a reference leads to.

    Attributes:
        kind: String, Integer, Float, Boolean, List, Object; None when it is not known.
        error: What is wrong with the reference; None when nothing is.
        step: The step that it leads to.
        parameter: The parameter that it leads to.
    """

    kind: str | None = None
    error: str | None = None
    step: str | None = None
    parameter: str | None = None


@dataclass(frozen=True)
class ReferenceTargets:
    """All that expressions of a definition can refer to.

    Attributes:
        definition: The definition.
        values: Parameter -> its value where one is known.
        started: Whether a run has these values, rather than the next.
    """

    definition: Definition
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    started: bool = False

    def get(self, text: Any) -> ReferenceTarget:
        """Follow the text of a Get."""
        if not isinstance(text, str):
            return ReferenceTarget(error=f"found {model_shapes.shown(text)}; Get takes a text")
        root, _, rest = text.partition(".")
        if root == "Parameters":
            parameters = self.definition.parameters
            if rest in parameters:
                return ReferenceTarget(kind=parameters[rest].type or None, parameter=rest)
            return ReferenceTarget(error=_unknown("parameter", rest, parameters))
        if root == "Execution":
            if rest in EXECUTION_VARIABLES:
                return ReferenceTarget(kind="String")
            return ReferenceTarget(error=_unknown("execution variable", rest, EXECUTION_VARIABLES))
        if root == "PipelineExperimentConfig" and rest in _EXPERIMENT:
            return ReferenceTarget(kind="String")
        if root == "MlflowConfig":
            return ReferenceTarget()
        path = step_path(text)
        if path is None:
            return ReferenceTarget(
                error=f"found {model_shapes.shown(text)}; it must begin with Parameters., Steps. "
                "or Execution."
            )
        return self._property(*path)

    def _property(self, name: str, rest: str) -> ReferenceTarget:
        step = self.definition.steps.get(name)
        if step is None:
            return ReferenceTarget(error=_unknown("step", name, self.definition.steps))
        parts, bad = _parts(rest)
        if bad or not parts:
            text = f"Steps.{name}{rest}"
            wrong = bad or "nothing after the step's name"
            return ReferenceTarget(
                step=name,
                error=f"found {model_shapes.shown(text)}; {wrong} is no path to a property",
            )
        kind, error = _walked(step, parts)
        return ReferenceTarget(kind=kind, error=error, step=name)

    def property_file(self, text: Any) -> ReferenceTarget:
        """Follow a JsonGet's reference to a property file."""
        path = property_file(str(text))
        if path is None:
            return ReferenceTarget(
                error=f"found {model_shapes.shown(text)}; it must be Steps.STEP.PropertyFiles.NAME"
            )
        step = self.definition.steps.get(path[0])
        if step is None:
            return ReferenceTarget(error=_unknown("step", path[0], self.definition.steps))
        if path[1] not in step.files:
            error = _unknown("property file", path[1], step.files, step)
            return ReferenceTarget(step=step.name, error=error)
        return ReferenceTarget(step=step.name)

    def length(self, join: Any) -> tuple[int, str | None]:
        """Return the least characters of a Join, and the text where all of it is known."""
        members = as_object(join)
        on, values = members.get("On", ""), members.get("Values")
        on = on if isinstance(on, str) else ""
        values = cast("list[Any]", values) if isinstance(values, list) else []
        texts: list[str | None] = []
        least = len(on) * max(0, len(values) - 1)
        for value in values:
            part, known = self._text(value)
            texts.append(known)
            least += part
        if any(text is None for text in texts):
            return least, None
        return least, on.join(text or "" for text in texts)

    def _text(self, value: Any) -> tuple[int, str | None]:
        if isinstance(value, dict) and is_expression(value):
            expression = as_object(cast("object", value))
            if "Std:Join" in expression:
                return self.length(expression["Std:Join"])
            parameter = self.get(expression["Get"]).parameter if "Get" in expression else None
            if parameter is not None and parameter in self.values:
                text = java_text(self.values[parameter])
                return len(text), text if self.started else None  # another run may give another
            return 0, None
        text = java_text(value)
        return len(text), text

    def head(self, join: Any) -> str:
        """Return the text that a Join is sure to begin with."""
        members = as_object(join)
        on, values = members.get("On", ""), members.get("Values")
        text = ""
        for index, value in enumerate(
            cast("list[Any]", values if isinstance(values, list) else [])
        ):
            text += on if index and isinstance(on, str) else ""
            if isinstance(value, dict):
                inner = as_object(cast("object", value))
                return text + (self.head(inner["Std:Join"]) if "Std:Join" in inner else "")
            text += java_text(value)
        return text


def _parts(rest: str) -> tuple[list[str | int], str]:
    """Return a path's parts, and what of it is none."""
    parts: list[str | int] = []
    at = 0
    while at < len(rest):
        matched = _PART.match(rest, at)
        if matched is None:
            return parts, rest[at:]
        member, index, single, double = matched.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(next(one for one in (member, single, double) if one is not None))
        at = matched.end()
    return parts, ""


def _walked(step: Step, parts: list[str | int]) -> tuple[str | None, str | None]:
    """Follow a path through what a step's properties are; return (kind, error)."""
    if step.type in ("Callback", "Lambda"):
        return _output_parameter(step, parts)
    if step.type == "Condition":
        return ("Boolean", None) if parts == ["Outcome"] else (None, _bad(step, parts, ["Outcome"]))
    if step.type in ("QualityCheck", "ClarifyCheck"):
        good = len(parts) == 1 and parts[0] in _CHECKED
        return ("String", None) if good else (None, _bad(step, parts, _CHECKED))
    if step.type in ("Fail", "Cleanup"):
        return None, f"a step of type {step.type} has no properties"
    errors: list[str] = []
    for operation in DESCRIBES.get(step.type, ()):
        shape = model_shapes.output_of(operation)
        if shape is None:
            return None, None
        kind, error = _along(step, parts, shape)
        if error is None:
            return kind, None
        errors.append(error)
    return None, errors[0] if errors else None


def _along(step: Step, parts: list[str | int], shape: Any) -> tuple[str | None, str | None]:
    last, mapped = "", False
    for index, part in enumerate(parts):
        done = model_shapes.show_path(tuple(parts[:index])) or "it"
        if shape.type_name == "structure":
            if part not in shape.members:
                return None, _bad(step, parts[: index + 1], shape.members)
            shape, last = shape.members[part], str(part)
        elif shape.type_name == "list":
            if error := _undeclared(step, last, part):
                return None, error
            shape = shape.member
        elif shape.type_name == "map":
            shape, mapped = shape.value, True
        else:
            return None, f"{step.label}: {done} is a {shape.type_name} and has no '{part}'"
    kind = KINDS.get(shape.type_name)
    # The values of maps are texts, whatever they say: AWS's own test makes a pipeline that compares
    # HyperParameters['batch-size'] with a number (test_workflow.py among those of its SDK).
    return (None if mapped and kind == "String" else kind), None


def _undeclared(step: Step, property_: str, part: str | int) -> str | None:
    """Return why an entry of a list is not there, where the step's Arguments tell."""
    if property_ not in _DECLARED:
        return None
    key, where = _DECLARED[property_]
    value: Any = step.arguments
    for member in where:
        value = as_object(value).get(member)
    if not isinstance(value, list) or (not value and property_ == "FinalMetricDataList"):
        # A built-in algorithm has metrics of its own.
        return None if property_ == "FinalMetricDataList" else _no_entry(step, property_, part, [])
    names = [one.get(key) for one in objects(cast("object", value))]
    if not all(isinstance(name, str) for name in names):
        return None
    if isinstance(part, int):
        there = property_ == "FinalMetricDataList" or part < len(names)
        return None if there else _no_entry(step, property_, part, names)
    return None if part in names else _no_entry(step, property_, part, names)


def _no_entry(step: Step, property_: str, part: str | int, names: Iterable[Any]) -> str:
    there = ", ".join(map(str, names)) or "none"
    of = f"step '{step.name}'"
    return f"found {part!r}, which {of} does not declare in {property_}; it has: {there}"


def _output_parameter(step: Step, parts: list[str | int]) -> tuple[str | None, str | None]:
    declared = {
        str(one.get("OutputName")): one.get("OutputType", OUTPUT_TYPES[0])
        for one in objects(step.source.get("OutputParameters"))
    }
    if len(parts) != 2 or parts[0] != "OutputParameters":
        return None, _bad(step, parts, ["OutputParameters"])
    if parts[1] not in declared:
        return None, _unknown("output parameter", str(parts[1]), declared, step)
    kind = declared[str(parts[1])]
    return (kind if isinstance(kind, str) else None), None


def _bad(step: Step, parts: list[str | int], known: Iterable[str]) -> str:
    return _unknown("property", model_shapes.show_path(tuple(parts)), known, step, str(parts[-1]))


def _unknown(
    what: str, name: str, known: Iterable[str], step: Step | None = None, last: str = ""
) -> str:
    names = list(known)
    near = difflib.get_close_matches(last or name, names, n=1, cutoff=0.6)
    of = f" of step '{step.name}'" if step else ""
    there = ", ".join(names[:_LISTED]) or "none"
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {there}"
    return f"found the unknown {what} '{name}'{of}; {hint}"
