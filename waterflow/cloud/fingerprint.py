"""Whether a native step comes to the same in two executions, as far as that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEW: Final = "a job of the run to come"
"""Stands for the job of a step that is yet to run."""
SKIPPED: Final = "no job: it is skipped"
"""Stands for the job of a step that does not run, in the one execution or in the other."""


@dataclass(frozen=True)
class NativeExpression:
    """A value that is known when an execution runs, as a native document writes it.

    Attributes:
        text: The expression: equal texts come to the same where what they refer to is the same.
        parameters: Parameters whose values are part of it.
        places: Native steps of which the addresses of outputs are part of it; every job writes to
            a place of its own.
        contents: Native steps of which contents of outputs are part of it; those of two jobs may
            be equal.
        opaque: Whether more is part of it, such as what the execution is called.
        choice: Native steps in their order: the address of an output of the first that is not
            skipped is part of it.
    """

    text: str
    parameters: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    opaque: bool = False
    choice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """What two executions must have alike for a native step to do the same in both.

    Attributes:
        part: What the cloud's cache looks at, or what a condition compares: plain data, in which
            an `NativeExpression` stands for each expression.
        lifetime: Seconds for which a result may stand for the step; None where none may.
    """

    part: Any
    lifetime: float | None = None

    def reads_new(self, jobs: Mapping[str, str]) -> bool:
        """Say whether it names a place that a job of the run to come will write to.

        No former execution can have had the same.

        Args:
            jobs: Native step -> the job whose result it has, or `NEW`.
        """
        return any(
            NEW in (_chosen(expression.choice, jobs), *map(jobs.get, expression.places))
            for expression in _expressions(self.part)
        )


@dataclass(frozen=True)
class Side:
    """What is known of one of the two executions.

    Attributes:
        parameters: Parameter -> what tells its value from others; an unknown one is None, or not
            there.
        jobs: Native step -> the job whose result it has, `NEW`, or `SKIPPED`; an unknown one is not
            there.
    """

    parameters: Mapping[str, str | None]
    jobs: Mapping[str, str]


def same(new: Any, side: Side, old: Any, former: Side) -> bool | None:
    """Say whether two parts come to the same in two executions.

    Args:
        new: A part of the run to come.
        side: What is known of that run.
        old: A part of an execution before.
        former: What is known of that one.

    Returns:
        None where that cannot be told.
    """
    if isinstance(new, dict) and isinstance(old, dict):
        ours, theirs = cast("dict[str, Any]", new), cast("dict[str, Any]", old)
        if ours.keys() != theirs.keys():
            return False
        return all_of(same(ours[key], side, theirs[key], former) for key in ours)
    if isinstance(new, list) and isinstance(old, list):
        items, others = cast("list[Any]", new), cast("list[Any]", old)
        if len(items) != len(others):
            return False
        pairs = zip(items, others, strict=True)
        return all_of(same(one, side, other, former) for one, other in pairs)
    if isinstance(new, NativeExpression) and isinstance(old, NativeExpression):
        return _same_expression(new, side, former) if new.text == old.text else None
    if isinstance(new, NativeExpression) or isinstance(old, NativeExpression):
        return None
    return bool(type(new) is type(old) and new == old)


def _same_expression(expression: NativeExpression, side: Side, former: Side) -> bool | None:
    answers: list[bool | None] = [None] if expression.opaque else []
    for name in expression.parameters:
        new, old = side.parameters.get(name), former.parameters.get(name)
        answers.append(None if new is None or old is None else new == old)
    for name in expression.places | expression.contents:
        job, before = side.jobs.get(name), former.jobs.get(name)
        if job is None or before is None:
            answers.append(None)
        else:
            answers.append(True if job == before else False if name in expression.places else None)
    if expression.choice:
        job, before = (_chosen(expression.choice, one.jobs) for one in (side, former))
        answers.append(None if job is None or before is None else job == before)
    doubts = [answer for answer in answers if answer is not True]
    # Where more than one part differs, they may make up for each other.
    return True if not doubts else doubts[0] if len(doubts) == 1 else None


def _chosen(steps: Iterable[str], jobs: Mapping[str, str]) -> str | None:
    """Return the job of the first step that is not skipped; None where that is not known."""
    for step in steps:
        job = jobs.get(step)
        if job != SKIPPED:
            return job
    return SKIPPED


def _expressions(part: Any) -> Iterable[NativeExpression]:
    if isinstance(part, NativeExpression):
        yield part
    elif isinstance(part, dict):
        for value in cast("dict[str, Any]", part).values():
            yield from _expressions(value)
    elif isinstance(part, list):
        for item in cast("list[Any]", part):
            yield from _expressions(item)


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Say whether all hold; None where that cannot be told."""
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Say whether one holds; None where that cannot be told."""
    known = list(answers)
    if True in known:
        return True
    return None if None in known else False
