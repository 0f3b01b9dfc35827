"""SageMaker's instance types, as machines.json lists them, and which of them a step gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from waterflow.cloud import machines
from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.spec import Resources

JobType = Literal["processing", "training"]
"""Kinds of jobs that steps run as."""
GIB: Final = machines.GIB


@dataclass(frozen=True, kw_only=True)
class InstanceType(machines.Machine):
    """An instance type; its price is that of `prices`.

    Attributes:
        training_only: No processing job can have it.
        basis: Where the price comes from; "about" in machines.json says more.
    """

    training_only: bool
    basis: str


@cache
def prices() -> machines.Table[InstanceType]:
    """Return the instance types, with where and when their prices hold."""
    return machines.read(Path(__file__).with_name("machines.json"), InstanceType)


def table() -> Mapping[str, InstanceType]:
    """Return the instance types by name."""
    return prices().machines


def choose(
    resources: Resources, allowed: Iterable[str], kind: JobType, step: str = "(a step)"
) -> InstanceType:
    """Return the cheapest machine that offers what a step asks for.

    Args:
        resources: What it asks for.
        allowed: The instance types to choose from; empty for all of the table.
        kind: The kind of job.
        step: The step's name, for the message.

    Raises:
        UnsupportedFeatureError: No machine offers it; the message names the nearest ones.
    """
    types = [table()[name] for name in list(allowed) or list(table())]
    suited = [one for one in types if kind == "training" or not one.training_only]
    machine = machines.cheapest(suited, resources)
    if machine is None:
        hint = ""
        if machines.cheapest(types, resources) is not None:
            hint = f" Training jobs have machines that do: {as_training(step)}."
        raise machines.no_machine(
            suited, resources, step, provider="sagemaker", job=f"a {kind} job", hint=hint
        )
    return machine


def named(machine: str, resources: Resources, kind: JobType, step: str) -> InstanceType:
    """Return the machine that a profile names for a step.

    Raises:
        ConfigurationError: There is no such machine, or it is not what the step asks for.
    """
    instance = machines.named(table(), machine, resources, step)
    if kind == "processing" and instance.training_only:
        raise ConfigurationError(
            f"The profile gives step '{step}' machine = \"{machine}\", which processing jobs "
            f"cannot have. Beside it {as_training(step)}"
        )
    return instance


def known(machine: str) -> str:
    """Return a sentence that names the known instance types most like a name."""
    return machines.known(table(), machine)


def as_training(step: str) -> str:
    """Return how a step becomes a training job, for messages."""
    return f'write job = "training" under [profiles.NAME.steps.{step}]'
