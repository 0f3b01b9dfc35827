"""A pipeline definition as typed structs, and the one walk over steps and over expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Path = tuple[str | int, ...]
    Problem = tuple[Path, str]
    """Where it is, and "found ...; limit"."""

Json = dict[str, Any]

VERSION: Final = "2020-12-01"

STEP_TYPES: Final = (
    "Condition", "Model", "Processing", "RegisterModel", "Training", "Transform", "Callback",
    "Tuning", "Lambda", "QualityCheck", "ClarifyCheck", "EMR", "EMRServerless", "Fail", "AutoML",
    "EndpointConfig", "Endpoint", "InferenceComponent", "Lineage", "Job", "Cleanup", "ForEach",
)  # fmt: skip
"""sagemaker.mlops.workflow.steps.StepTypeEnum of the sagemaker SDK 3.27."""

EXECUTION_VARIABLES: Final = (
    "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId",
    "PipelineExecutionArn", "TrainingJobName", "ProcessingJobName",
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html"""

TRIGGERS: Final = ("Completed", "Failed", "Stopped", "Any")
"""What of a step a dependant may wait for (sagemaker.mlops.workflow.step_dependency)."""

EXCEPTIONS: Final = (
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"""

OUTPUT_TYPES: Final = ("String", "Integer", "Float", "Boolean")
"""What an output parameter of a Callback or Lambda step may be; the first where it says nothing
(sagemaker.mlops.workflow.callback_step.CallbackOutputTypeEnum)."""

EXPRESSIONS: Final = frozenset({"Get", "Std:Join", "Std:JsonGet"})
"""The one key of an object that a pipeline puts in a value's place:
https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html"""

_BRANCHES: Final = (("IfSteps", True), ("ElseSteps", False))
_BODY: Final = "ForEachBody"
INNER_STEPS: Final = {"Condition": tuple(name for name, _ in _BRANCHES), "ForEach": (_BODY,)}
"""Step type -> the members of its Arguments that hold steps."""

_STEP: Final = re.compile(r"Steps\.(?P<name>[A-Za-z0-9_-]+)(?P<rest>.*)", re.DOTALL)
_FILE: Final = ".PropertyFiles."


@dataclass(frozen=True)
class Parameter:
    """A declared parameter.

    Attributes:
        name: Its name.
        type: String, Integer, Float or Boolean; what was written where it is none of them.
        default: Its default; None where a run must give a value.
        values: The values that are allowed; None for all.
        least: The least number; None for no bound.
        most: The greatest number; None for no bound.
    """

    name: str
    type: str
    default: Any = None
    values: tuple[Any, ...] | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """When an attempt that has failed is made again.

    Attributes:
        exceptions: The exception types that it rules.
        interval: Seconds before the first retry.
        backoff: What the interval is multiplied with for each further one.
        attempts: The most retries; None where time decides.
        minutes: Minutes since the step's start after which there is none; None where attempts do.
    """

    exceptions: tuple[str, ...]
    interval: float = 1
    backoff: float = 2.0
    attempts: int | None = None
    minutes: int | None = None


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file among a processing step's outputs that expressions may read.

    Attributes:
        output: The output's name.
        path: The file's path in it.
    """

    output: str
    path: str


@dataclass(frozen=True)
class Step:
    """One step, wherever it stands.

    Attributes:
        source: The step's object.
        label: How messages call it.
        name: Its name; empty where it has none.
        type: Its type.
        arguments: Its Arguments without the steps inside it; empty where they are no object.
        chain: The branches around it, outermost first: (condition step, whether it is IfSteps).
        looped: Whether it is in the body of a ForEach step.
        depends: Step -> the outcome of it that lets this step start.
        retries: Its retry policies.
        cache: The greatest age in seconds of a former result that may stand for it; None where
            caching is off, infinity where none is too old.
        files: Its property files by name.
        problems: What is wrong beside its Arguments.
    """

    source: Json
    label: str
    name: str
    type: str
    arguments: Json
    chain: tuple[tuple[str, bool], ...] = ()
    looped: bool = False
    depends: Mapping[str, str] = field(default_factory=dict[str, str])
    retries: tuple[RetryPolicy, ...] = ()
    cache: float | None = None
    files: Mapping[str, PropertyFile] = field(default_factory=dict[str, PropertyFile])
    problems: tuple[Problem, ...] = ()

    @property
    def branch(self) -> tuple[str, bool] | None:
        """The condition step that it is in, and the outcome that starts it; None outside of one."""
        return self.chain[-1] if self.chain else None

    @property
    def own(self) -> Json:
        """The step's object without the steps inside it."""
        if not isinstance(self.source.get("Arguments"), dict):
            return self.source
        return {**self.source, "Arguments": self.arguments}

    def before(self) -> set[str]:
        """Return the steps that must end before it: those around it, named, and referred to."""
        referred = {path[0] for text in references(self.own) if (path := step_path(text))}
        return referred | self.depends.keys() | {name for name, _ in self.chain}


@dataclass(frozen=True)
class Definition:
    """A definition.

    Attributes:
        parameters: Name -> its declaration.
        steps: Name -> the step, those of branches included; of two with one name the first.
        placed: All steps in the order of the document.
        experiment: PipelineExperimentConfig, unresolved.
        violations: All that is wrong, a line each, with its place.
    """

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    placed: tuple[Step, ...]
    experiment: Json
    violations: tuple[str, ...] = ()


# --- walks ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepEntry:
    """An entry of a list of steps, and where it stands.

    Attributes:
        source: The entry; an object if it is a step.
        path: Its path in the document.
        at: The label of what holds it, and its path in that: `Steps[0]`.
        chain: The branches around it, outermost first.
        looped: Whether it is in the body of a ForEach step.
    """

    source: Any
    path: Path
    at: str
    chain: tuple[tuple[str, bool], ...] = ()
    looped: bool = False

    @property
    def name(self) -> str:
        """The step's name; empty where it has none."""
        return text_or_empty(as_object(self.source).get("Name"))

    @property
    def label(self) -> str:
        """How messages call the step."""
        return f"Step '{self.name}'" if self.name else self.at


def step_entries(definition: Mapping[str, Any]) -> Iterator[StepEntry]:
    """Yield every entry of every list of steps, those inside a step after it."""
    yield from _entries(definition.get("Steps"), ("Steps",), "Steps", (), False)


def _entries(
    steps: Any, path: Path, at: str, chain: tuple[tuple[str, bool], ...], looped: bool
) -> Iterator[StepEntry]:
    for index, source in enumerate(cast("list[Any]", steps) if isinstance(steps, list) else []):
        entry = StepEntry(source, (*path, index), f"{at}[{index}]", chain, looped)
        yield entry
        step = as_object(source)
        arguments = as_object(step.get("Arguments"))
        inner, within = f"{entry.label}, Arguments", (*entry.path, "Arguments")
        if step.get("Type") == "Condition":
            for key, then in _BRANCHES:
                yield from _entries(
                    arguments.get(key),
                    (*within, key),
                    f"{inner}.{key}",
                    (*chain, (entry.name, then)),
                    looped,
                )
        elif step.get("Type") == "ForEach":
            yield from _entries(
                arguments.get(_BODY), (*within, _BODY), f"{inner}.{_BODY}", chain, True
            )


def is_expression(value: Any) -> bool:
    """Return whether a value is one of a pipeline's expressions."""
    if not isinstance(value, dict):
        return False
    members = cast("dict[str, Any]", value)
    return len(members) == 1 and next(iter(members)) in EXPRESSIONS


def expressions(value: Any, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield (path, expression) for all expressions in a value, not those inside expressions."""
    if is_expression(value):
        yield path, as_object(value)
    elif isinstance(value, dict):
        for key, inner in as_object(cast("object", value)).items():
            yield from expressions(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from expressions(inner, (*path, index))


def references(value: Any) -> Iterator[str]:
    """Yield the text of every `Get` in a value, those inside other expressions too."""
    for _, expression in expressions(value):
        [(kind, argument)] = expression.items()
        if kind != "Get":
            yield from references(argument)
        elif isinstance(argument, str):
            yield argument


def step_path(text: str) -> tuple[str, str] | None:
    """Split `Steps.NAME.rest` into the step's name and `.rest`; None for another text."""
    path = _STEP.fullmatch(text)
    return (path["name"], path["rest"]) if path else None


def property_file(text: str) -> tuple[str, str] | None:
    """Split `Steps.NAME.PropertyFiles.FILE` into step and file; None for another text."""
    path = step_path(text)
    if path is None or not path[1].startswith(_FILE) or path[1] == _FILE:
        return None
    return path[0], path[1].removeprefix(_FILE)


def as_object(value: Any) -> Json:
    """Return a value that is an object, or an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[Json]:
    """Return the objects of a list; none where it is no list."""
    entries = cast("list[Any]", value) if isinstance(value, list) else []
    return [as_object(entry) for entry in entries if isinstance(entry, dict)]


def text_or_empty(value: Any) -> str:
    """Return a value that is a text, or an empty one."""
    return value if isinstance(value, str) else ""
