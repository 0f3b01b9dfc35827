"""What a job is to run: containers, machines, limits; read from executors of all kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_kfp.emulator.errors import TaskError
from waterflow_kfp.emulator.placeholders import rendered, structured, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from waterflow_kfp.emulator.layouts import Inside
    from waterflow_kfp.emulator.placeholders import Scope

_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(m|[EPTGMK]i?|[a-z]?)")
_UNITS: Final = {"": 1, "m": 1e-3, **{f"{c}i": 1024 ** n for n, c in enumerate("KMGTPE", 1)},
                 **{c: 1000 ** n for n, c in enumerate("KMGTPE", 1)}, "k": 1000}  # fmt: skip
_LONGEST_BACKOFF: Final = 3600.0
_USUAL_FACTOR: Final = 2.0
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")


@dataclass(frozen=True)
class Machine:
    """What a container runs on.

    Attributes:
        kind: The machine type; "" for one that fits.
        cpu: Cores; 0 for the service's own default.
        memory: Bytes; 0 for the default.
        accelerator: The accelerators' type; "" for none.
        accelerators: How many of them.
    """

    kind: str = ""
    cpu: float = 0.0
    memory: float = 0.0
    accelerator: str = ""
    accelerators: int = 0


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Containers that are alike.

    Attributes:
        image: Their image.
        command: The program, in place of the image's own; empty for that.
        args: Its arguments.
        environment: Variables.
        replicas: How many there are.
        machine: What each runs on.
    """

    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    replicas: int = 1
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a job is to run.

    Attributes:
        name: The name by which faults know it: of its step, where it has one.
        pools: Its containers; the first of the first leads.
        mounts: Path in the job -> the folder of this machine; None for a new one of its own.
        spot: Whether its machines can be taken away.
        timeout: Seconds after which it is ended; None for no such limit.
        restarts: Whether it begins again when a worker of it fails.
        service_account: As whom it runs; "" for the run's own or the default.
        network: The network it is in; "" for none.
        label: The job's display name.
        platform: What the platform's own document says of it.
        prepare: Called before it begins, with what leads from its paths to this machine.
        collect: Called when it has succeeded, before its folders go.
        origin: The executor that it was made of, placeholders replaced.
    """

    name: str
    pools: Sequence[Pool]
    mounts: Mapping[str, Path | None] = field(default_factory=dict[str, "Path | None"])
    spot: bool = False
    timeout: float | None = None
    restarts: bool = False
    service_account: str = ""
    network: str = ""
    label: str = ""
    platform: Mapping[str, Any] = field(default_factory=dict[str, Any])
    prepare: Callable[[Inside], None] | None = None
    collect: Callable[[Inside], None] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict[str, Any])


def of_container(executor: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the fields of Work that a container executor says.

    Raises:
        TaskError: It cannot be run.
    """
    spec = cast("Mapping[str, Any]", executor["container"])
    image = rendered(str(spec.get("image", "")), scope)
    if not image:
        raise TaskError("the container has no image")
    pool = Pool(
        image=image,
        command=words(spec.get("command", ()), scope),
        args=words(spec.get("args", ()), scope),
        environment=_variables(spec, scope),
        machine=_machine(spec.get("resources", {}), scope),
    )
    return {"pools": (pool,)}


def of_custom_job(spec: Mapping[str, Any], scope: Scope | None = None) -> dict[str, Any]:
    """Return the fields of Work that a custom job says.

    Args:
        spec: A CustomJob in JSON: `displayName`, `jobSpec`.
        scope: What stands for placeholders; None where there are none.

    Raises:
        TaskError: It cannot be run.
    """
    whole = cast("Mapping[str, Any]", structured(dict(spec), scope) if scope else spec)
    job = whole.get("jobSpec", {})
    scheduling = job.get("scheduling", {})
    pools: list[Pool] = []
    given = [one or {} for one in spec.get("jobSpec", {}).get("workerPoolSpecs", ())]
    for number, pool in enumerate(job.get("workerPoolSpecs", ())):
        replicas = int((pool or {}).get("replicaCount") or 0)
        if not pool or not replicas:
            continue  # a pool may be left empty, between others
        if "pythonPackageSpec" in pool or "containerSpec" not in pool:
            raise TaskError(
                f"workerPoolSpecs[{number}]: Waterflow's emulator runs containers: give a "
                "containerSpec, or test it against Vertex AI",
                3,
            )
        container, machine = pool["containerSpec"], pool.get("machineSpec", {})
        raw = given[number]["containerSpec"]
        for part in ("command", "args"):
            if scope is not None and part in raw:
                container = {**container, part: words(raw[part], scope)}
        pools.append(
            Pool(
                image=str(container.get("imageUri", "")),
                command=[str(one) for one in container.get("command", ())],
                args=[str(one) for one in container.get("args", ())],
                environment={
                    str(one["name"]): str(one.get("value", "")) for one in container.get("env", ())
                },
                replicas=replicas,
                machine=Machine(
                    str(machine.get("machineType", "")),
                    accelerator=str(machine.get("acceleratorType", "")),
                    accelerators=int(machine.get("acceleratorCount") or 0),
                ),
            )
        )
    if not pools or not pools[0].image:
        raise TaskError("jobSpec.workerPoolSpecs: the first pool has no container", 3)
    timeout = str(scheduling.get("timeout", ""))
    return {
        "pools": tuple(pools),
        "spot": str(scheduling.get("strategy", "")) in ("SPOT", "4"),
        "timeout": seconds(timeout) if timeout else None,
        "restarts": bool(scheduling.get("restartJobOnWorkerRestart")),
        "service_account": str(job.get("serviceAccount", "")),
        "network": str(job.get("network", "")),
        "label": str(whole.get("displayName", "")),
        "origin": whole,
    }


def seconds(text: str) -> float:
    """Return the seconds of a duration in JSON: "3600s".

    Raises:
        TaskError: It is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise TaskError(f"'{text}' is no duration: it ends with an s, as 3600s", 3)
    return float(match[1])


def pause(policy: Mapping[str, Any], tries: int) -> float:
    """Return for how many seconds a task waits that is to be tried again.

    Args:
        policy: Its retry policy.
        tries: How often it was tried.

    Raises:
        TaskError: A duration is none.
    """
    longest = seconds(policy.get("backoffMaxDuration") or f"{_LONGEST_BACKOFF}s")
    factor = float(policy.get("backoffFactor") or _USUAL_FACTOR)
    first = seconds(policy.get("backoffDuration") or "0s")
    return min(first * factor ** (tries - 1), longest)


def quantity(text: str) -> float:
    """Return a quantity as Kubernetes writes it: "500m", "16Gi", "2".

    Raises:
        TaskError: It is none.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise TaskError(f"'{text}' is no quantity, such as 500m, 2 or 16Gi", 3)
    return float(match[1]) * _UNITS[match[2]]


def _variables(spec: Mapping[str, Any], scope: Scope) -> dict[str, str]:
    return {
        str(one["name"]): rendered(str(one.get("value", "")), scope) for one in spec.get("env", ())
    }


def _machine(resources: Mapping[str, Any], scope: Scope) -> Machine:
    """Return what a container asks for: the newer fields are texts, the older ones numbers."""

    def asked(newer: str, older: str, unit: float) -> float:
        written = rendered(str(resources.get(newer, "")), scope)
        return quantity(written) if written else float(resources.get(older, 0)) * unit

    held = cast("Mapping[str, Any]", resources.get("accelerator", {}))
    kind = rendered(str(held.get("resourceType") or held.get("type") or ""), scope)
    count = rendered(str(held.get("resourceCount") or held.get("count") or ""), scope)
    return Machine(
        cpu=asked("resourceCpuLimit", "cpuLimit", 1)
        or asked("resourceCpuRequest", "cpuRequest", 1),
        memory=asked("resourceMemoryLimit", "memoryLimit", 1e9)
        or asked("resourceMemoryRequest", "memoryRequest", 1e9),
        accelerator=kind,
        accelerators=int(quantity(count)) if count else int(bool(kind)),
    )
