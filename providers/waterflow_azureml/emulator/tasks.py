"""What commands and pipelines do, nothing left to be bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from waterflow_azureml.emulator.bodies import Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.emulator.bodies import Data, Given, Target, Work
    from waterflow_azureml.emulator.graphs import Graph


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a command job does, with nothing left to be bound.

    Attributes:
        work: The command, and all around it.
        inputs: What it is given; nothing for an optional input that is left out.
        outputs: Where its outputs go.
        datastore: The name of the datastore of outputs that say none.
        space: Hyperparameter -> value.
    """

    work: Work
    inputs: Mapping[str, Literal | Data]
    outputs: Mapping[str, Target]
    datastore: str
    space: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a pipeline runs, and how.

    Attributes:
        graph: Its steps.
        inputs: What it is given; nothing for an optional input that is left out.
        outputs: Where its outputs go.
        datastore: The datastore of outputs that say none.
        go_on: Whether steps that need no failed one begin after a failure.
        rerun: Whether no earlier result stands for a step.
        limit: Seconds that it may take; None for any time.
    """

    graph: Graph
    inputs: Mapping[str, Given]
    outputs: Mapping[str, Target]
    datastore: str
    go_on: bool = True
    rerun: bool = False
    limit: float | None = None


def described(one: Given) -> dict[str, str]:
    """Return what an input is given, as run history tells it."""
    if isinstance(one, Literal):
        return {"value": one.text, "type": "literal"}
    return {"uri": one.uri, "type": one.kind}
