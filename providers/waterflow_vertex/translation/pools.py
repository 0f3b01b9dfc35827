"""Where a step's job runs: in a container that Vertex AI finds a machine for, or a custom job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.resources import resources

from waterflow import spec
from waterflow.cloud import machines as common
from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.quantities import show_duration
from waterflow_vertex import limits, machines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow_vertex.machines import VertexMachine
    from waterflow_vertex.profile import StepSettings, VertexSettings

PROVIDER: Final = "vertex"
CONTAINER: Final = "container"
CUSTOM: Final = "customJob"
MARGIN: Final = 900
"""Seconds beyond a step's own time: installing its libraries, and ending well."""
SYSTEM: Final = 30
"""GB of a job's disk that its image and its libraries take."""
_GB: Final = 10**9


@dataclass(frozen=True)
class Place:
    """Where a job runs.

    Attributes:
        machine: The machine type, with what is attached to it.
        reasons: Why it is a custom job; none for a container for which Vertex AI finds a machine.
        spot: Whether it runs on spot machines.
    """

    machine: VertexMachine
    reasons: tuple[str, ...] = ()
    spot: bool = False

    @property
    def kind(self) -> str:
        """The field of the executor that says what runs."""
        return CUSTOM if self.reasons else CONTAINER

    @property
    def shown(self) -> str:
        """The machine, for plans."""
        if not self.machine.is_attached:
            return self.machine.type
        return f"{self.machine.type} + {self.machine.gpus} {self.machine.gpu}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What plans say of it."""
        if not self.reasons:
            return ()
        spot = ["on spot machines: Google takes 60% to 91% off the price shown"] * self.spot
        return (f"a custom job: {', '.join(self.reasons)}", *spot)


def choose(settings: VertexSettings, own: StepSettings, step: spec.Step) -> Place:
    """Return where a step's job runs.

    Args:
        settings: The profile's settings.
        own: The step's own.
        step: The step.

    Raises:
        UnsupportedFeatureError: Nothing offers what the step asks for.
        ConfigurationError: What the profile names for the step does not.
    """
    wants = step.resources
    _check_disk(step)
    reasons = list(_reasons(settings, own, step))
    if own.machine is not None:
        return Place(_named(own.machine, step), tuple(reasons), wants.spot)
    if not reasons and (machine := _cheapest(_of_containers(), wants)) is not None:
        return Place(machine)
    allowed = settings.machines or machines.table()
    ways = [way for name in allowed for way in machines.attached()[name]]
    machine = _cheapest(ways, wants)
    if machine is None:
        raise common.no_machine(ways, wants, step.name, provider=PROVIDER, job="a job")
    if not reasons:
        kind = machine.type if wants.gpu is None else f"{machine.gpus} {machine.gpu}"
        reasons.append(f"no container has {kind}")
    return Place(machine, tuple(reasons), wants.spot)


def executor(
    settings: VertexSettings,
    own: StepSettings,
    step: spec.Step,
    container: Mapping[str, Any],
    name: str,
) -> dict[str, Any]:
    """Return a step's executor.

    Args:
        settings: The profile's settings.
        own: The step's own.
        step: The step.
        container: Its container: image, command, arguments and variables.
        name: What its job is called.

    Raises:
        UnsupportedFeatureError: Vertex AI cannot honour a setting.
        ConfigurationError: The profile does not fit the step.
    """
    place = choose(settings, own, step)
    if place.kind == CONTAINER:
        asked = resources(step.resources, place.machine.accelerator)
        return {CONTAINER: {**container, "resources": asked}}
    job: dict[str, Any] = {"displayName": name, "jobSpec": _job(settings, own, step, place)}
    pools = [_pool(container, step, place, count) for count in _counts(step.resources.instances)]
    job["jobSpec"]["workerPoolSpecs"] = pools
    if settings.kms_key is not None:
        job["encryptionSpec"] = {"kmsKeyName": settings.kms_key}
    return {CUSTOM: {CUSTOM: job}}


def seconds(step: spec.Step) -> int | None:
    """Return how long a custom job may run: all attempts, their pauses, and a margin.

    Returns:
        None where nothing bounds it but Vertex AI.

    Raises:
        UnsupportedFeatureError: Longer than Vertex AI lets a job run.
    """
    if step.timeout is None:
        return None
    if isinstance(step.run, spec.Container):  # its time is the job's own: nothing of ours is in it
        longest = math.ceil(step.timeout)
    else:
        retry = step.retry
        try:
            pauses = sum(retry.delay * retry.backoff**number for number in range(retry.retries))
            longest = math.ceil(step.timeout * (retry.retries + 1) + pauses + MARGIN)
        except OverflowError:
            longest = limits.SECONDS.most * 1000
    if longest <= limits.SECONDS.most:
        return longest
    raise UnsupportedFeatureError(
        step.name,
        f"timeout={show_duration(step.timeout)} with {step.retry.retries} retries "
        f"({show_duration(longest)} in one job)",
        PROVIDER,
        f"A custom job may run for {limits.SECONDS.most // 86_400} days. Ask for less, or for "
        "fewer retries.",
    )


# --- which machine --------------------------------------------------------------------------------


def _reasons(settings: VertexSettings, own: StepSettings, step: spec.Step) -> Iterator[str]:
    """Yield why a container will not do for a step.

    A container says CPUs, memory and accelerators; all else is a custom job's.
    """
    wants = step.resources
    if wants.instances > 1:
        yield f"{wants.instances} machines"
    if wants.spot:
        yield "spot machines"
    if own.machine is not None:
        yield "the profile names its machine"
    elif settings.machines:
        yield "the profile allows some machines only"
    if own.service_account not in (None, settings.service_account):
        yield "a service account of its own"
    if (wants.disk or 0) > (limits.DEFAULT_DISK.most - SYSTEM) * _GB:
        yield "its disk"
    if step.timeout is not None and isinstance(step.run, spec.Container):
        yield "a program's timeout"


def _check_disk(step: spec.Step) -> None:
    most = (limits.BOOT_DISK.most - SYSTEM) * _GB
    if (step.resources.disk or 0) > most:
        raise UnsupportedFeatureError(
            step.name,
            f"a disk of {math.ceil((step.resources.disk or 0) / _GB):,} GB",
            PROVIDER,
            f"A job's disk has at most {most // _GB:,} GB. Ask for less.",
        )


def _of_containers() -> list[VertexMachine]:
    """Return the machines that Vertex AI may choose for a container."""
    ways = [way for name in machines.table() for way in machines.attached()[name]]
    return [way for way in ways if way.container and way.vcpu <= limits.CPU.most]


def _cheapest(ways: Iterable[VertexMachine], wants: spec.Resources) -> VertexMachine | None:
    """Return the cheapest machine that fits; one with accelerators only where they are asked for.

    As many accelerators as are asked for come first: a container says how many.
    """
    if wants.gpu is None:
        return common.cheapest((way for way in ways if not way.gpus), wants)
    ways = list(ways)
    exact = common.cheapest((way for way in ways if way.gpus == wants.gpu.count), wants)
    return exact or common.cheapest(ways, wants)


def _named(name: str, step: spec.Step) -> VertexMachine:
    """Return the machine that a profile names for a step, with what the step asks for attached.

    Raises:
        ConfigurationError: It lacks what the step asks for.
    """
    ways = machines.attached().get(name, ())
    fitting = _cheapest(ways, step.resources) or common.cheapest(ways, step.resources)
    if fitting is not None:
        return fitting
    gpu = step.resources.gpu
    kinds = sorted({f"{way.gpus} {way.gpu}" for way in ways if way.is_attached})
    if gpu is not None and kinds:
        raise ConfigurationError(
            f"The profile gives step '{step.name}' machine = \"{name}\", which cannot have "
            f"{common.describe(step.resources)}. To it can be attached: {', '.join(kinds)}. Name "
            "another machine, or ask for other accelerators"
        )
    return common.named(machines.table(), name, step.resources, step.name)


# --- custom jobs ----------------------------------------------------------------------------------


def _job(
    settings: VertexSettings, own: StepSettings, step: spec.Step, place: Place
) -> dict[str, Any]:
    """Return what a custom job says besides its machines."""
    job: dict[str, Any] = {}
    scheduling: dict[str, Any] = {}
    longest = seconds(step)
    if longest is not None:
        scheduling["timeout"] = f"{longest}s"
    if place.spot:
        scheduling["strategy"] = "SPOT"
    if scheduling:
        job["scheduling"] = scheduling
    # A custom job in a pipeline takes neither of these from the pipeline job.
    account = own.service_account or settings.service_account
    if account is not None:
        job["serviceAccount"] = account
    if settings.network is not None:
        job["network"] = settings.network
    return job


def _counts(instances: int) -> tuple[int, ...]:
    """Return the machines of each pool: the first has the one that writes outputs."""
    return (1,) if instances == 1 else (1, instances - 1)


def _pool(
    container: Mapping[str, Any], step: spec.Step, place: Place, count: int
) -> dict[str, Any]:
    machine: dict[str, Any] = {"machineType": place.machine.type}
    if place.machine.accelerator is not None:
        machine["acceleratorType"] = place.machine.accelerator
        machine["acceleratorCount"] = place.machine.gpus
    body = {
        "imageUri": container["image"],
        "command": list(container.get("command") or ()),
        "args": list(container.get("args") or ()),
        "env": [dict(one) for one in container.get("env") or ()],
    }
    pool: dict[str, Any] = {
        "machineSpec": machine,
        "replicaCount": str(count),
        "containerSpec": {name: value for name, value in body.items() if value},
    }
    if step.resources.disk is not None:
        size = math.ceil(step.resources.disk / _GB) + SYSTEM
        pool["diskSpec"] = {
            "bootDiskType": "pd-ssd",
            "bootDiskSizeGb": max(size, limits.DEFAULT_DISK.most),
        }
    return pool
