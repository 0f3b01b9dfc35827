"""Vertex AI's limits: the one table that compiling, checks, plans and the emulator read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.limits import Bound, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.provider import Limit
    from waterflow_vertex.document import VertexDocument

_DOCS: Final = "https://cloud.google.com/vertex-ai/docs"
_API: Final = f"{_DOCS}/reference/rest/v1/projects.locations"
_JOBS: Final = f"{_API}.pipelineJobs"
_CUSTOM: Final = f"{_DOCS}/reference/rest/v1/CustomJobSpec"
_MACHINES: Final = f"{_DOCS}/pipelines/machine-types"
_LABELS: Final = "https://cloud.google.com/resource-manager/docs/labels-overview#requirements"
_DAY: Final = 86_400


def _bound(what: str, most: int, unit: str, source: str) -> Bound:
    return Bound(what=what, most=most, unit=unit, source=source)


CPU: Final = _bound("vCPU of a container", 96, "vCPU", _MACHINES)
MEMORY: Final = _bound("GB of memory of a container", 624, "GB", _MACHINES)
BOOT_DISK: Final = _bound("GB of a job's disk", 64_000, "GB", f"{_DOCS}/reference/rest/v1/DiskSpec")
DEFAULT_DISK: Final = _bound(
    "GB of the disk of a container", 100, "GB", f"{_DOCS}/reference/rest/v1/DiskSpec"
)
MACHINES: Final = _bound(
    "machines of a job",
    1000,
    "machine",
    "a bound of Waterflow's: Google publishes none but the quotas of a project",
)
SECONDS: Final = _bound("seconds of a custom job", 7 * _DAY, "second", _CUSTOM)
DISPLAY_NAME: Final = _bound("a pipeline job's display name", 128, "character", _JOBS)
JOB_ID: Final = _bound("a pipeline job's id", 128, "character", f"{_JOBS}/create")
SCHEDULE_NAME: Final = _bound("a schedule's display name", 128, "character", f"{_API}.schedules")
TASK_NAME: Final = _bound("a task's name", 63, "character", _LABELS)
LABELS: Final = _bound("labels of a pipeline job", 64, "label", _LABELS)
LABEL_KEY: Final = _bound("a label's name", 63, "character", _LABELS)
LABEL_VALUE: Final = _bound("a label's value", 63, "character", _LABELS)
IMAGE: Final = _bound(
    "an image's name",
    255,
    "character",
    "https://github.com/distribution/reference/blob/main/reference.go",
)
SECRET: Final = _bound(
    "a secret's name",
    255,
    "character",
    "https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create",
)
ARGUMENT: Final = _bound(
    "bytes of one argument of a job",
    131_072,
    "byte",
    "https://man7.org/linux/man-pages/man2/execve.2.html",
)
BODY: Final = _bound(
    "bytes of the pipeline job",
    10_485_760,
    "byte",
    "what Google's APIs answer to more: Request payload size exceeds the limit: 10485760 bytes",
)
VARIABLES: Final = _bound(
    "environment variables of a job", 100, "variable", f"{_DOCS}/reference/rest/v1/ContainerSpec"
)
PARAMETER: Final = _bound(
    "characters of a parameter",
    32_768,
    "character",
    "a quarter of ARGUMENT: a job's arguments hold the values of its parameters",
)


def used(document: VertexDocument) -> list[Limit]:
    """Return the limits that grow with a pipeline, and the step that comes nearest to each.

    Args:
        document: The compiled pipeline.
    """
    executors = dict(_executors(document))
    return [
        BODY.used(document.size),
        *nearest(ARGUMENT, [(step, argument(one)) for step, one in executors.items()]),
        *nearest(MACHINES, [(s, n) for s, one in executors.items() if (n := instances(one)) > 1]),
        *nearest(SECONDS, [(s, n) for s, one in executors.items() if (n := seconds(one))]),
    ]


def _executors(document: VertexDocument) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each step, and the executor of its job."""
    spec = document.definition["pipelineSpec"]
    executors = spec["deploymentSpec"]["executors"]
    for name, component in spec["components"].items():
        label = component.get("executorLabel")
        if label is not None and "importer" not in executors[label]:
            yield document.shown.get(name.removeprefix("comp-"), name), executors[label]


def tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all tasks of a pipeline spec, those of its inner DAGs too.

    Args:
        spec: The pipeline spec.
    """
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    for dag in dags:
        yield from dag["tasks"].items()


def container(executor: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an executor runs, whichever kind it is."""
    custom = executor.get("customJob")
    if custom is None:
        return executor.get("container", {})
    return custom["customJob"]["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]


def argument(executor: Mapping[str, Any]) -> int:
    """Return the bytes of the longest argument of a job."""
    job = container(executor)
    parts = [str(part) for key in ("command", "args") for part in job.get(key) or ()]
    return max((len(part.encode()) for part in parts), default=0)


def instances(executor: Mapping[str, Any]) -> int:
    """Return the machines that a job has."""
    custom = executor.get("customJob")
    if custom is None:
        return 1
    pools = custom["customJob"]["jobSpec"]["workerPoolSpecs"]
    return sum(int(pool.get("replicaCount", 1)) for pool in pools)


def seconds(executor: Mapping[str, Any]) -> int:
    """Return how long a job may run; 0 where it does not say."""
    custom = executor.get("customJob")
    scheduling = custom["customJob"]["jobSpec"].get("scheduling", {}) if custom else {}
    return int(float(str(scheduling.get("timeout", "0s")).removesuffix("s")))
