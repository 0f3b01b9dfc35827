"""A pipeline definition (2020-12-01) as the engine reads it: parameters, flat steps, references."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPRESSIONS: Final = frozenset({"Get", "Std:Join", "Std:JsonGet"})

EXECUTION_VARIABLES: Final = frozenset(
    {
        "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId",
        "PipelineExecutionArn", "ProcessingJobName", "TrainingJobName",
    }
)  # fmt: skip
"""https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html"""

_STEP_PATH = re.compile(r"Steps\.(?P<step>[A-Za-z0-9_-]+)(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file among a processing step's outputs that expressions may read."""

    output: str
    path: str


@dataclass(frozen=True)
class Step:
    """One step, wherever it stands in the definition.

    Attributes:
        name: Its name, unique in the definition.
        kind: Its type, as written.
        arguments: Its arguments, unresolved; a condition's without its branches.
        depends: Step -> the outcome of it that lets this step start.
        branch: The condition step that it is in, and the outcome that starts it.
        cache: Its CacheConfig, when caching is on.
        retries: Its retry policies.
        files: Its property files.
        shown: DisplayName and Description.
        extra: What a callback step has beside its arguments.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    depends: dict[str, str] = field(default_factory=dict[str, str])
    branch: tuple[str, bool] | None = None
    cache: dict[str, Any] | None = None
    retries: tuple[dict[str, Any], ...] = ()
    files: dict[str, PropertyFile] = field(default_factory=dict[str, PropertyFile])
    shown: dict[str, str] = field(default_factory=dict[str, str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Definition:
    """A valid definition.

    Attributes:
        parameters: Name -> its declaration.
        steps: All steps by name, those of branches too, in the document's order.
        experiment: PipelineExperimentConfig, unresolved.
    """

    parameters: dict[str, dict[str, Any]]
    steps: dict[str, Step]
    experiment: dict[str, Any]


def is_expression(value: Any) -> bool:
    """Say whether a value of the document is to be computed when the pipeline runs."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in EXPRESSIONS


def gets(value: Any) -> Iterator[str]:
    """Yield the path of every `Get` inside a value."""
    if isinstance(value, dict):
        if is_expression(value) and isinstance(value.get("Get"), str):
            yield value["Get"]
            return
        for part in value.values():
            yield from gets(part)
    elif isinstance(value, list):
        for part in value:
            yield from gets(part)


def step_path(path: str) -> tuple[str, str] | None:
    """Split `Steps.NAME.rest` into the step's name and `.rest`; None for another path."""
    found = _STEP_PATH.fullmatch(path)
    return (found["step"], found["rest"]) if found else None


def property_file(path: str) -> tuple[str, str] | None:
    """Split `Steps.NAME.PropertyFiles.FILE` into step and file; None for another path."""
    found = step_path(path)
    if found is None or not found[1].startswith(".PropertyFiles."):
        return None
    return found[0], found[1].removeprefix(".PropertyFiles.")
