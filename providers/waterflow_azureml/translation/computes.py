"""Where a step's job runs: on serverless compute, or on one of the profile's clusters."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud import machines as common
from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.quantities import show_duration
from waterflow_azureml import limits, machines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_azureml.machines import VmSize
    from waterflow_azureml.profile import AzureMLSettings, Cluster, StepSettings

SERVERLESS: Final = "serverless"
MARGIN: Final = 900
"""Seconds beyond a step's own time: installing its libraries, and ending well."""


@dataclass(frozen=True)
class Compute:
    """Where a job runs.

    Attributes:
        machine: The VM size.
        fields: What the node of the pipeline says of it.
        kind: What plans call it.
        spot: Whether it runs on spot machines.
        notes: What differs from what the step asked for.
    """

    machine: VmSize
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    kind: str = "command"
    spot: bool = False
    notes: tuple[str, ...] = ()

    def own_fields(self) -> dict[str, Any]:
        """Return the fields for one node: what nodes shared, YAML would write as references."""
        return copy.deepcopy(dict(self.fields))


def choose(settings: AzureMLSettings, own: StepSettings, step: spec.Step) -> Compute:
    """Return where a step's job runs.

    Args:
        settings: The profile's settings.
        own: The step's own.
        step: The step.

    Raises:
        UnsupportedFeatureError: Nothing offers what the step asks for.
        ConfigurationError: What the profile names for the step does not.
    """
    nodes = step.resources.instances
    if own.machine is None and (own.cluster is not None or settings.clusters):
        name = own.cluster or _cluster(settings, step)
        cluster = settings.clusters[name]
        if own.cluster is not None:
            _check_named(name, cluster, step)
        notes = ["on spot machines: Azure takes up to 80% off the price shown"] * cluster.spot
        return Compute(
            machine=machines.table()[cluster.machine],
            fields={"compute": f"azureml:{name}"}
            | ({"resources": {"instance_count": nodes}} if nodes > 1 else {}),
            kind=f"command on {name}",
            spot=cluster.spot,
            notes=tuple(notes),
        )
    if own.machine is not None:
        machine = common.named(machines.table(), own.machine, step.resources, step.name)
    else:
        allowed = [machines.table()[name] for name in settings.machines or machines.table()]
        chosen = common.cheapest(allowed, step.resources)
        if chosen is None:
            raise common.no_machine(
                allowed, step.resources, step.name, provider="azureml", job="a job"
            )
        machine = chosen
    fields: dict[str, Any] = {"resources": {"instance_type": machine.type, "instance_count": nodes}}
    notes: list[str] = []
    if step.resources.spot:
        fields["queue_settings"] = {"job_tier": "spot"}
        notes.append("on spot machines: Azure takes up to 90% off the price shown")
    if settings.clusters:
        fields["compute"] = f"azureml:{SERVERLESS}"
    return Compute(machine=machine, fields=fields, spot=step.resources.spot, notes=tuple(notes))


def seconds(step: spec.Step, *, spot: bool) -> int | None:
    """Return how long a job may run: all attempts, the pauses between them, and a margin.

    Args:
        step: The step.
        spot: Whether it runs on spot machines.

    Returns:
        None where nothing bounds it but Azure.

    Raises:
        UnsupportedFeatureError: Longer than Azure lets a job run.
    """
    if step.timeout is None:
        return None
    retry, bound = step.retry, limits.SPOT_SECONDS if spot else limits.SECONDS
    try:
        pauses = sum(retry.delay * retry.backoff**number for number in range(retry.retries))
        wanted = math.ceil(step.timeout * (retry.retries + 1) + pauses + MARGIN)
    except OverflowError:
        wanted = limits.SECONDS.most * 1000
    if wanted <= bound.most:
        return wanted
    raise UnsupportedFeatureError(
        step.name,
        f"timeout={show_duration(step.timeout)} with {retry.retries} retries "
        f"({show_duration(wanted)} in one job)",
        "azureml",
        f"{'On spot machines a' if spot else 'A'} job may run for {bound.most // 86_400} days. "
        "Ask for less, or for fewer retries.",
    )


def smallest(settings: AzureMLSettings) -> Compute:
    """Return where a gate's job runs, which only compares: the cheapest there is."""
    gate = spec.Step(name="a gate", run=spec.Register(), resources=spec.Resources(cpu=1))
    from waterflow_azureml.profile import StepSettings

    if settings.clusters and not any(not one.spot for one in settings.clusters.values()):
        # A gate that is interrupted is started again; it has nothing to lose.
        gate = spec.Step(
            name="a gate", run=spec.Register(), resources=spec.Resources(cpu=1, spot=True)
        )
    return choose(settings, StepSettings(), gate)


def _lacks(cluster: Cluster, wants: spec.Resources) -> list[str]:
    """Return what a step asks for and a cluster has not, as words."""
    missing = common.lacks(machines.table()[cluster.machine], wants)
    if cluster.nodes < wants.instances:
        missing.append(f"{wants.instances} nodes")
    if cluster.spot != wants.spot:
        missing.append("spot machines" if wants.spot else "machines that are never interrupted")
    return missing


def _cluster(settings: AzureMLSettings, step: spec.Step) -> str:
    """Return the cheapest cluster that offers what a step asks for.

    Raises:
        UnsupportedFeatureError: None does.
    """
    table, wants = machines.table(), step.resources
    fitting = {
        name: table[one.machine]
        for name, one in settings.clusters.items()
        if not _lacks(one, wants) and one.machine in (settings.machines or table)
    }
    if fitting:
        return min(fitting, key=lambda name: (fitting[name].price or 0.0, fitting[name].vcpu, name))
    shown = "; ".join(
        f"{name} ({one.machine}) lacks {', '.join(_lacks(one, wants)) or 'leave of `machines`'}"
        for name, one in settings.clusters.items()
    )
    raise UnsupportedFeatureError(
        step.name,
        f"a cluster with {common.describe(wants)}",
        "azureml",
        f"The profile's: {shown}. Add one: clusters.NAME = {{machine = ..., nodes = ..., "
        f"spot = ...}}, or run this step on serverless compute: "
        f'[profiles.NAME.steps.{step.name}] machine = "..."',
    )


def _check_named(name: str, cluster: Cluster, step: spec.Step) -> None:
    missing = _lacks(cluster, step.resources)
    if missing:
        raise ConfigurationError(
            f"The profile gives step '{step.name}' cluster = \"{name}\", which lacks "
            f"{', '.join(missing)}. Name another cluster, or ask for less"
        )
