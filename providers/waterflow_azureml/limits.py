"""Azure ML's limits: the one table that compiling, checks, plans and the emulator read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.limits import Bound, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Limit
    from waterflow_azureml.document import AzureMLDocument

_QUOTAS: Final = "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"
_RULES: Final = (
    "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
)
_VAULT: Final = (
    "https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates"
)
_DAY: Final = 86_400


def _quota(what: str, most: int, unit: str) -> Bound:
    return Bound(what=what, most=most, unit=unit, source=_QUOTAS)


def _name(what: str, most: int, source: str = _RULES) -> Bound:
    return Bound(what=what, most=most, unit="character", source=source)


STEPS: Final = _quota("steps of a pipeline", 30_000, "step")
NODES: Final = _quota("nodes of a job", 100, "node")
SECONDS: Final = _quota("seconds of a job", 21 * _DAY, "second")
SPOT_SECONDS: Final = _quota("seconds of a job on spot machines", 7 * _DAY, "second")
TAGS: Final = _quota("tags of a job", 50, "tag")
TAG_KEY: Final = _name("a tag's name", 100, _QUOTAS)
TAG_VALUE: Final = _name("a tag's value", 1000, _QUOTAS)
DESCRIPTION: Final = _name("a job's description", 5000, _QUOTAS)
DISPLAY_NAME: Final = _name("a job's display name", 255, _QUOTAS)
EXPERIMENT_NAME: Final = _name("an experiment's name", 255, _QUOTAS)
JOB_NAME: Final = _name(
    "a job's name",
    255,
    "https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update",
)
KEY: Final = _name(
    "a step's name in a pipeline",
    255,
    "https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-pipeline",
)
IMAGE: Final = _name(
    "an image's name", 255, "https://github.com/distribution/reference/blob/main/reference.go"
)
SECRET: Final = _name("a secret's name", 127, _VAULT)
COMMAND: Final = Bound(
    what="bytes of a job's command",
    most=131_072,
    unit="byte",
    source="https://man7.org/linux/man-pages/man2/execve.2.html (one argument: it runs in a shell)",
)
BODY: Final = Bound(
    what="bytes of the pipeline job",
    most=4 * 2**20,
    unit="byte",
    source="https://learn.microsoft.com/azure/azure-resource-manager/management/"
    "request-limits-and-throttling",
)
PARAMETER: Final = Bound(
    what="characters of a parameter",
    most=32_768,
    unit="character",
    source="a quarter of COMMAND: a job's command holds the values of its parameters",
)


def used(document: AzureMLDocument) -> list[Limit]:
    """Return the limits that grow with a pipeline, and the step that comes nearest to each.

    Args:
        document: The compiled pipeline.
    """
    jobs: Mapping[str, Mapping[str, Any]] = document.definition["jobs"]
    names = {key: str(job["properties"].get("waterflow.step", key)) for key, job in jobs.items()}
    return [
        STEPS.used(len(jobs)),
        BODY.used(document.size),
        *nearest(COMMAND, [(names[k], _command(job)) for k, job in jobs.items()]),
        *nearest(NODES, [(names[k], n) for k, job in jobs.items() if (n := instances(job)) > 1]),
        *nearest(SECONDS, [(names[k], n) for k, job in jobs.items() if (n := seconds(job))]),
    ]


def _command(job: Mapping[str, Any]) -> int:
    return len(str(job["component"]["command"]).encode())


def instances(job: Mapping[str, Any]) -> int:
    """Return the machines that a node asks for."""
    return int(job.get("resources", {}).get("instance_count", 1))


def seconds(job: Mapping[str, Any]) -> int:
    """Return how long a node may run; 0 where it does not say."""
    return int(job.get("limits", {}).get("timeout", 0))
