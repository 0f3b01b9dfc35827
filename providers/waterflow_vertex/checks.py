"""A pipeline job against Vertex AI's fields, rules and limits, offline and without its SDK.

The tables here say what of the API's messages Waterflow writes: a test holds each name in them
against Google's own definitions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp import validate

from waterflow_vertex import limits, machines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.limits import Bound

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "PipelineJob": frozenset({
        "displayName", "labels", "pipelineSpec", "runtimeConfig", "serviceAccount", "network",
        "encryptionSpec",
    }),
    "PipelineJob.RuntimeConfig": frozenset({
        "gcsOutputDirectory", "failurePolicy", "parameterValues",
    }),
    "CustomJob": frozenset({"displayName", "jobSpec", "labels", "encryptionSpec"}),
    "CustomJobSpec": frozenset({"workerPoolSpecs", "scheduling", "serviceAccount", "network"}),
    "WorkerPoolSpec": frozenset({"machineSpec", "replicaCount", "containerSpec", "diskSpec"}),
    "MachineSpec": frozenset({"machineType", "acceleratorType", "acceleratorCount"}),
    "ContainerSpec": frozenset({"imageUri", "command", "args", "env"}),
    "DiskSpec": frozenset({"bootDiskType", "bootDiskSizeGb"}),
    "Scheduling": frozenset({"timeout", "strategy"}),
    "EncryptionSpec": frozenset({"kmsKeyName"}),
}  # fmt: skip
"""A message of the API -> the fields that Waterflow writes of it."""
POLICIES: Final = frozenset({
    "PIPELINE_FAILURE_POLICY_FAIL_SLOW", "PIPELINE_FAILURE_POLICY_FAIL_FAST",
})  # fmt: skip
STRATEGIES: Final = frozenset({"SPOT", "STANDARD", "FLEX_START"})
_KEY: Final = re.compile(r"[a-z][a-z0-9_\-]*")
_VALUE: Final = re.compile(r"[a-z0-9_\-]*")
_ROOT: Final = re.compile(r"gs://[a-z0-9._\-]+(/.*)?")
_POOLS: Final = 4


def document_errors(definition: Mapping[str, Any]) -> list[str]:
    """Return what Vertex AI would refuse of a pipeline job, a line each.

    Args:
        definition: The pipeline job, as CreatePipelineJob takes it.
    """
    errors = [*_unknown("the pipeline job", "PipelineJob", definition), *_job(definition)]
    errors += validate.errors(definition["pipelineSpec"])
    executors = definition["pipelineSpec"].get("deploymentSpec", {}).get("executors", {})
    for name, executor in executors.items():
        step = name.removeprefix("exec-")
        errors += [f"step '{step}': {error}" for error in _executor(executor)]
    for name, _ in limits.tasks(definition["pipelineSpec"]):
        errors += _longer(limits.TASK_NAME, len(name), f"task '{name:.70}': its name")
    return errors


def _job(definition: Mapping[str, Any]) -> Iterator[str]:
    yield from _longer(limits.DISPLAY_NAME, len(definition.get("displayName") or ""), "displayName")
    labels: Mapping[str, str] = definition.get("labels") or {}
    yield from _longer(limits.LABELS, len(labels), "labels")
    for key, value in labels.items():
        where = f"labels.{key:.40}"
        if not _KEY.fullmatch(key):
            yield f"{where}: a label's name has lower-case letters, digits, - and _ only"
        if not _VALUE.fullmatch(value):
            yield f"{where} is '{value:.70}': lower-case letters, digits, - and _ only"
        yield from _longer(limits.LABEL_KEY, len(key), where)
        yield from _longer(limits.LABEL_VALUE, len(value), where)
    runtime: Mapping[str, Any] = definition.get("runtimeConfig") or {}
    yield from _unknown("runtimeConfig", "PipelineJob.RuntimeConfig", runtime)
    root = str(runtime.get("gcsOutputDirectory", ""))
    if not _ROOT.fullmatch(root):
        yield f"runtimeConfig.gcsOutputDirectory is '{root:.80}', which is no gs://BUCKET/PATH"
    policy = runtime.get("failurePolicy")
    if policy is not None and policy not in POLICIES:
        yield f"runtimeConfig.failurePolicy is {policy!r}"


def _executor(executor: Mapping[str, Any]) -> Iterator[str]:
    if "importer" in executor:
        return
    job = limits.container(executor)
    yield from _longer(limits.ARGUMENT, limits.argument(executor), "an argument of its job")
    yield from _longer(limits.VARIABLES, len(job.get("env") or ()), "its job")
    custom = executor.get("customJob")
    if custom is None:
        yield from _container(executor.get("container") or {})
    else:
        yield from _custom(custom["customJob"])
        yield from _longer(limits.SECONDS, limits.seconds(executor), "scheduling.timeout")
        yield from _longer(limits.MACHINES, limits.instances(executor), "its job")


def _container(container: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a container's resources."""
    asked: Mapping[str, Any] = container.get("resources") or {}
    yield from _longer(limits.CPU, float(asked.get("cpuLimit") or 0), "its container")
    yield from _longer(limits.MEMORY, float(asked.get("memoryLimit") or 0), "its container")
    accelerator = (asked.get("accelerator") or {}).get("type")
    if accelerator is not None and accelerator not in _accelerators():
        yield f"resources.accelerator.type is '{accelerator}'"


def _custom(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a custom job."""
    yield from _unknown("its custom job", "CustomJob", job)
    body: Mapping[str, Any] = job.get("jobSpec") or {}
    yield from _unknown("jobSpec", "CustomJobSpec", body)
    scheduling: Mapping[str, Any] = body.get("scheduling") or {}
    yield from _unknown("scheduling", "Scheduling", scheduling)
    strategy = scheduling.get("strategy")
    if strategy is not None and strategy not in STRATEGIES:
        yield f"scheduling.strategy is {strategy!r}"
    pools = body.get("workerPoolSpecs") or []
    if not 1 <= len(pools) <= _POOLS:
        yield f"jobSpec has {len(pools)} worker pools: 1 to {_POOLS}"
    for number, pool in enumerate(pools):
        for error in _pool(pool, first=number == 0):
            yield f"worker pool {number}: {error}"


def _pool(pool: Mapping[str, Any], *, first: bool) -> Iterator[str]:
    yield from _unknown("it", "WorkerPoolSpec", pool)
    for name, message in (
        ("machineSpec", "MachineSpec"),
        ("containerSpec", "ContainerSpec"),
        ("diskSpec", "DiskSpec"),
    ):
        yield from _unknown(name, message, pool.get(name) or {})
    count = int(pool.get("replicaCount", 1))
    if count < 1 or (first and count != 1):
        yield f"replicaCount is {count}: {'the first pool has one machine' if first else 'none'}"
    machine: Mapping[str, Any] = pool.get("machineSpec") or {}
    ways = machines.attached().get(str(machine.get("machineType")), ())
    if not ways:
        yield f"machineType is '{machine.get('machineType')}', which is not known"
    else:
        accelerators = (machine.get("acceleratorType"), int(machine.get("acceleratorCount", 0)))
        if all(accelerators != (way.accelerator, way.gpus) for way in ways):
            yield f"{ways[0].type} cannot have {accelerators[1]} {accelerators[0]}"
    size = int((pool.get("diskSpec") or {}).get("bootDiskSizeGb", limits.DEFAULT_DISK.most))
    if size < limits.DEFAULT_DISK.most:
        yield f"bootDiskSizeGb is {size}: at least {limits.DEFAULT_DISK.most}"
    yield from _longer(limits.BOOT_DISK, size, "bootDiskSizeGb")


def _accelerators() -> set[str]:
    ways = (way for some in machines.attached().values() for way in some)
    return {way.accelerator for way in ways if way.accelerator is not None}


def _longer(bound: Bound, number: float, where: str) -> Iterator[str]:
    if number > bound.most:
        yield f"{where} has {number:,} {bound.unit}s; Vertex AI takes {bound.most:,}"


def _unknown(where: str, message: str, fields: Mapping[str, Any]) -> list[str]:
    known = FIELDS[message]
    return [f"{where} has a field '{name}', which Vertex AI does not know" for name in fields
            if name not in known]  # fmt: skip
