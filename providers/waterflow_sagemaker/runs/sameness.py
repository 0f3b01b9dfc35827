"""Whether parts of two definitions come to the same when they run, as far as that can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW: Final = "a job of the run to come"
"""Stands for the job of a step that is yet to run."""

_STEP: Final = re.compile(r"Steps\.([A-Za-z0-9_-]+)\.(.*)", re.DOTALL)
_ADDRESS: Final = re.compile(
    r"ModelArtifacts\.S3ModelArtifacts|ProcessingOutputConfig\.Outputs\['[^']*'\]\.S3Output\.S3Uri"
)
_STABLE: Final = ("Execution.PipelineName", "Execution.PipelineArn")
"""Variables that are the same in every execution of a pipeline."""


@dataclass(frozen=True)
class Number:
    """A number, whose text only SageMaker knows: `1e-05` may be written `1.0E-5`.

    Attributes:
        kind: Its type among the definition's parameters.
        text: What tells it from others of its type.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class _Property:
    """What SageMaker tells of a job; None for the job of a step that is not known."""

    job: str | None
    path: str


@dataclass(frozen=True)
class _Variable:
    """A variable of the execution."""

    name: str


@dataclass(frozen=True)
class _Content:
    """A value out of a file."""

    place: Any


@dataclass(frozen=True)
class _Joined:
    """A text of which parts are not known as text."""

    parts: tuple[Any, ...]


class _Unknown:
    """A parameter that is not given."""


def parameter(kind: str, text: str) -> str | Number | None:
    """Return a parameter's value from its type and its text; None for a text of no such type."""
    try:
        if kind == "Float":
            return Number(kind, repr(float(text)))
        if kind == "Integer":
            return Number(kind, str(int(text)))
    except ValueError:
        return None
    return Number(kind, text.lower()) if kind == "Boolean" else text


@dataclass(frozen=True)
class Side:
    """What is known of one of the two executions.

    Attributes:
        parameters: Its parameters, as `parameter` gives them; one that is not known is not there.
        jobs: Native step -> the job whose result it has, or NEW; one that is not known is not
            there.
    """

    parameters: Mapping[str, str | Number]
    jobs: Mapping[str, str]

    def resolve(self, value: Any) -> Any:
        """Return a part of the definition with all expressions in it replaced by what is known."""
        if isinstance(value, list):
            return [self.resolve(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        found = cast("dict[str, Any]", value)
        if len(found) == 1:
            [(key, argument)] = found.items()
            if key == "Get":
                return self._get(str(argument))
            if key == "Std:Join":
                return self._join(argument)
            if key == "Std:JsonGet":
                return _Content(self.resolve(argument))
        return {key: self.resolve(part) for key, part in found.items()}

    def _get(self, path: str) -> Any:
        if path.startswith("Parameters."):
            return self.parameters.get(path.removeprefix("Parameters."), _Unknown())
        step = _STEP.fullmatch(path)
        if step is not None:
            return _Property(self.jobs.get(step[1]), step[2])
        return _Variable(path)

    def _join(self, argument: Mapping[str, Any]) -> Any:
        parts: list[Any] = []
        for index, value in enumerate(argument.get("Values") or []):
            for part in (*([str(argument.get("On", ""))] if index else []), self.resolve(value)):
                if isinstance(part, str) and parts and isinstance(parts[-1], str):
                    parts[-1] += part
                elif part != "":
                    parts.append(part)
        if all(isinstance(part, str) for part in parts):
            return "".join(parts)
        return _Joined(tuple(parts))


def never_before(new: Any) -> bool:
    """Say whether a resolved value names a place that a job of the run to come will write to.

    No former execution can have had the same.
    """
    if isinstance(new, dict):
        return any(never_before(part) for part in cast("dict[str, Any]", new).values())
    if isinstance(new, list):
        return any(never_before(part) for part in cast("list[Any]", new))
    if isinstance(new, _Joined):
        return any(never_before(part) for part in new.parts)
    return isinstance(new, _Property) and new.job == NEW and bool(_ADDRESS.fullmatch(new.path))


def same(new: Any, former: Any) -> bool | None:
    """Say whether two resolved values are the same in the two executions.

    Args:
        new: A value of the run to come.
        former: A value of an execution before.

    Returns:
        None where that cannot be told.
    """
    if isinstance(new, dict) and isinstance(former, dict):
        one, other = cast("dict[str, Any]", new), cast("dict[str, Any]", former)
        if one.keys() != other.keys():
            return False
        return _every([same(one[key], other[key]) for key in one])
    if isinstance(new, list) and isinstance(former, list):
        items, others = cast("list[Any]", new), cast("list[Any]", former)
        if len(items) != len(others):
            return False
        return _every([same(*pair) for pair in zip(items, others, strict=True)])
    if isinstance(new, _Joined) and isinstance(former, _Joined):
        return _same_joined(new, former)
    if type(new) is not type(former):
        known = (str, bool, int, float, list, dict, type(None))
        return False if isinstance(new, known) and isinstance(former, known) else None
    if isinstance(new, _Property):
        return _same_property(new, cast("_Property", former))
    if isinstance(new, _Variable):
        return _same_variable(new, cast("_Variable", former))
    if isinstance(new, _Content):
        # Files of two jobs may hold the same.
        return same(new.place, cast("_Content", former).place) or None
    if isinstance(new, Number):
        return new == former if new.kind == cast("Number", former).kind else None
    return None if isinstance(new, _Unknown) else bool(new == former)


def _every(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _same_joined(new: _Joined, former: _Joined) -> bool | None:
    if len(new.parts) != len(former.parts):
        return None
    answers = [same(*pair) for pair in zip(new.parts, former.parts, strict=True)]
    wrong = [answer for answer in answers if answer is not True]
    # Where more than one part differs, they may make up for each other.
    return True if not wrong else wrong[0] if len(wrong) == 1 else None


def _same_property(new: _Property, former: _Property) -> bool | None:
    if new.job is None or former.job is None or new.path != former.path:
        return None
    if new.job == former.job:
        return True
    # Waterflow's jobs each write to a place of their own; what else is told of two may be equal.
    return False if _ADDRESS.fullmatch(new.path) else None


def _same_variable(new: _Variable, former: _Variable) -> bool | None:
    if new.name != former.name:
        return None
    return new.name in _STABLE
