"""A limit of a cloud's service as data: each provider has one table of them, which all read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.provider import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The most that a service takes of something.

    Attributes:
        what: What is counted, in the plural where it is: "arguments of a job".
        most: The most of it.
        unit: What one of it is: "argument", "character", "GiB", "second".
        source: The page or service model that says so.
    """

    what: str
    most: int
    unit: str
    source: str

    def used(self, number: int, step: str | None = None) -> Limit:
        """Return how much of it a pipeline uses.

        Args:
            number: How much.
            step: The step that uses it; None for the pipeline as a whole.
        """
        return Limit(what=self.what, used=number, most=self.most, step=step)


def nearest(bound: Bound, numbers: Iterable[tuple[str, int]]) -> list[Limit]:
    """Return the step that comes nearest to a limit; nothing where there is no step.

    Args:
        bound: The limit.
        numbers: A step's name, and how much it uses.
    """
    used = [bound.used(number, step) for step, number in numbers]
    return [max(used, key=lambda limit: limit.used)] if used else []
