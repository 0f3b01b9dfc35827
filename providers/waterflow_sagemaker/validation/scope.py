"""What an expression of a pipeline definition may refer to: parameters, steps, their properties."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_sagemaker.validation import shapes as model_shapes
from waterflow_sagemaker.validation.shapes import is_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow_sagemaker.validation.shapes import Path

EXECUTION: Final = (
    "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId",
    "PipelineExecutionArn", "TrainingJobName", "ProcessingJobName",
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html"""
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
_STEP: Final = re.compile(r"Steps\.([A-Za-z0-9\-_]+)(.*)", re.DOTALL)
_PART: Final = re.compile(r"\.([A-Za-z]\w*)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")

Json = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """A step and where it stands.

    Attributes:
        step: The step's object.
        label: How messages call it.
        name: Its name; empty where it has none.
        type: Its type.
        arguments: Its Arguments; empty where they are no object.
        chain: The branches around it, outermost first: (condition step, whether it is IfSteps).
        looped: Whether it is the body of a ForEach step.
    """

    step: Json
    label: str
    name: str
    type: str
    arguments: Json
    chain: tuple[tuple[str, bool], ...]
    looped: bool


@dataclass(frozen=True)
class Found:
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
class Scope:
    """All that a definition declares.

    Attributes:
        parameters: Name -> its declaration.
        steps: Name -> the step, those of branches included.
        placed: All steps in the order of the document.
        values: Parameter -> its value where one is known.
    """

    parameters: Mapping[str, Json]
    steps: Mapping[str, Placed]
    placed: tuple[Placed, ...]
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def get(self, text: Any) -> Found:
        """Follow the text of a Get."""
        if not isinstance(text, str):
            return Found(error=f"found {model_shapes.shown(text)}; Get takes a text")
        root, _, rest = text.partition(".")
        if root == "Parameters":
            if rest in self.parameters:
                return Found(kind=self.parameters[rest].get("Type"), parameter=rest)
            return Found(error=_unknown("parameter", rest, self.parameters))
        if root == "Execution":
            if rest in EXECUTION:
                return Found(kind="String")
            return Found(error=_unknown("execution variable", rest, EXECUTION))
        if root == "PipelineExperimentConfig" and rest in _EXPERIMENT:
            return Found(kind="String")
        if root == "MlflowConfig":
            return Found()
        matched = _STEP.fullmatch(text)
        if matched is None:
            return Found(
                error=f"found {model_shapes.shown(text)}; it must begin with Parameters., Steps. "
                "or Execution."
            )
        return self._property(matched[1], matched[2])

    def _property(self, name: str, rest: str) -> Found:
        placed = self.steps.get(name)
        if placed is None:
            return Found(error=_unknown("step", name, self.steps))
        parts, bad = _parts(rest)
        if bad or not parts:
            text = f"Steps.{name}{rest}"
            wrong = bad or "nothing after the step's name"
            return Found(
                step=name,
                error=f"found {model_shapes.shown(text)}; {wrong} is no path to a property",
            )
        kind, error = _walked(placed, parts)
        return Found(kind=kind, error=error, step=name)

    def property_file(self, text: Any) -> Found:
        """Follow a JsonGet's reference to a property file."""
        matched = re.fullmatch(r"Steps\.([A-Za-z0-9\-_]+)\.PropertyFiles\.(.+)", str(text))
        if matched is None:
            return Found(
                error=f"found {model_shapes.shown(text)}; it must be Steps.STEP.PropertyFiles.NAME"
            )
        placed = self.steps.get(matched[1])
        if placed is None:
            return Found(error=_unknown("step", matched[1], self.steps))
        files = objects(placed.step.get("PropertyFiles"))
        names = [str(one.get("PropertyFileName")) for one in files]
        if matched[2] not in names:
            return Found(
                step=placed.name, error=_unknown("property file", matched[2], names, placed)
            )
        return Found(step=placed.name)

    def length(self, join: Any) -> tuple[int, str | None]:
        """Return the least characters of a Join, and the text where all of it is known."""
        told = as_object(join)
        on, values = told.get("On", ""), told.get("Values")
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
            told = as_object(cast("object", value))
            if "Std:Join" in told:
                return self.length(told["Std:Join"])
            parameter = self.get(told["Get"]).parameter if "Get" in told else None
            if parameter is not None and parameter in self.values:
                text = as_text(self.values[parameter])
                return len(text), None  # another run may give another
            return 0, None
        text = as_text(value)
        return len(text), text

    def head(self, join: Any) -> str:
        """Return the text that a Join is sure to begin with."""
        told = as_object(join)
        on, values = told.get("On", ""), told.get("Values")
        text = ""
        for index, value in enumerate(
            cast("list[Any]", values if isinstance(values, list) else [])
        ):
            text += on if index and isinstance(on, str) else ""
            if isinstance(value, dict):
                inner = as_object(cast("object", value))
                return text + (self.head(inner["Std:Join"]) if "Std:Join" in inner else "")
            text += as_text(value)
        return text


def flattened(
    steps: Any, chain: tuple[tuple[str, bool], ...] = (), looped: bool = False, at: str = "Steps"
) -> Iterator[Placed]:
    """Yield all steps, those of branches and loops after the step that holds them."""
    if not isinstance(steps, list):
        return
    for index, step in enumerate(cast("list[Any]", steps)):
        if not isinstance(step, dict):
            continue
        told = as_object(cast("object", step))
        name, kind = told.get("Name"), told.get("Type")
        name = name if isinstance(name, str) else ""
        label = f"Step '{name}'" if name else f"{at}[{index}]"
        arguments = as_object(told.get("Arguments"))
        placed = Placed(
            told, label, name, kind if isinstance(kind, str) else "", arguments, chain, looped
        )
        yield placed
        where = f"{label}, Arguments"
        if placed.type == "Condition":
            for key, then in (("IfSteps", True), ("ElseSteps", False)):
                inner = arguments.get(key)
                yield from flattened(inner, (*chain, (name, then)), looped, f"{where}.{key}")
        elif placed.type == "ForEach":
            body = arguments.get("ForEachBody")
            yield from flattened(body, chain, looped=True, at=f"{where}.ForEachBody")


def expressions(value: Any, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield (path, expression) for all expressions in a value, not those inside expressions."""
    if isinstance(value, dict):
        told = as_object(cast("object", value))
        if is_expression(told):
            yield path, told
            return
        for key, inner in told.items():
            yield from expressions(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from expressions(inner, (*path, index))


def as_object(value: Any) -> Json:
    """Return a value that is an object, or an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[Json]:
    """Return the objects of a list; none where it is no list."""
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return [as_object(one) for one in found if isinstance(one, dict)]


def as_text(value: Any) -> str:
    """Return a value as a pipeline joins it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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


def _walked(placed: Placed, parts: list[str | int]) -> tuple[str | None, str | None]:
    """Follow a path through what a step's properties are; return (kind, error)."""
    if placed.type in ("Callback", "Lambda"):
        return _output_parameter(placed, parts)
    if placed.type == "Condition":
        return (
            ("Boolean", None) if parts == ["Outcome"] else (None, _bad(placed, parts, ["Outcome"]))
        )
    if placed.type in ("QualityCheck", "ClarifyCheck"):
        good = len(parts) == 1 and parts[0] in _CHECKED
        return ("String", None) if good else (None, _bad(placed, parts, _CHECKED))
    if placed.type in ("Fail", "Cleanup"):
        return None, f"a step of type {placed.type} has no properties"
    errors: list[str] = []
    for operation in DESCRIBES.get(placed.type, ()):
        shape = model_shapes.output_of(operation)
        if shape is None:
            return None, None
        kind, error = _along(placed, parts, shape)
        if error is None:
            return kind, None
        errors.append(error)
    return None, errors[0] if errors else None


def _along(placed: Placed, parts: list[str | int], shape: Any) -> tuple[str | None, str | None]:
    last = ""
    for index, part in enumerate(parts):
        done = model_shapes.show_path(tuple(parts[:index])) or "it"
        if shape.type_name == "structure":
            if part not in shape.members:
                return None, _bad(placed, parts[: index + 1], shape.members)
            shape, last = shape.members[part], str(part)
        elif shape.type_name == "list":
            if error := _undeclared(placed, last, part):
                return None, error
            shape = shape.member
        elif shape.type_name == "map":
            shape = shape.value
        else:
            return None, f"{placed.label}: {done} is a {shape.type_name} and has no '{part}'"
    return KINDS.get(shape.type_name), None


def _undeclared(placed: Placed, property_: str, part: str | int) -> str | None:
    """Return why an entry of a list is not there, where the step's Arguments tell."""
    if property_ not in _DECLARED:
        return None
    key, where = _DECLARED[property_]
    value: Any = placed.arguments
    for member in where:
        value = as_object(value).get(member)
    if not isinstance(value, list) or (not value and property_ == "FinalMetricDataList"):
        # A built-in algorithm has metrics of its own.
        return (
            None if property_ == "FinalMetricDataList" else _no_entry(placed, property_, part, [])
        )
    names = [one.get(key) for one in objects(cast("object", value))]
    if not all(isinstance(name, str) for name in names):
        return None
    if isinstance(part, int):
        there = property_ == "FinalMetricDataList" or part < len(names)
        return None if there else _no_entry(placed, property_, part, names)
    return None if part in names else _no_entry(placed, property_, part, names)


def _no_entry(placed: Placed, property_: str, part: str | int, names: Iterable[Any]) -> str:
    there = ", ".join(map(str, names)) or "none"
    of = f"step '{placed.name}'"
    return f"found {part!r}, which {of} does not declare in {property_}; it has: {there}"


def _output_parameter(placed: Placed, parts: list[str | int]) -> tuple[str | None, str | None]:
    declared = {
        str(one.get("OutputName")): one.get("OutputType")
        for one in objects(placed.step.get("OutputParameters"))
    }
    if len(parts) != 2 or parts[0] != "OutputParameters":
        return None, _bad(placed, parts, ["OutputParameters"])
    if parts[1] not in declared:
        return None, _unknown("output parameter", str(parts[1]), declared, placed)
    kind = declared[str(parts[1])]
    return (kind if isinstance(kind, str) else None), None


def _bad(placed: Placed, parts: list[str | int], known: Iterable[str]) -> str:
    return _unknown("property", model_shapes.show_path(tuple(parts)), known, placed, str(parts[-1]))


def _unknown(
    what: str, name: str, known: Iterable[str], placed: Placed | None = None, last: str = ""
) -> str:
    names = list(known)
    near = difflib.get_close_matches(last or name, names, n=1, cutoff=0.6)
    of = f" of step '{placed.name}'" if placed else ""
    there = ", ".join(names[:_LISTED]) or "none"
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {there}"
    return f"found the unknown {what} '{name}'{of}; {hint}"
