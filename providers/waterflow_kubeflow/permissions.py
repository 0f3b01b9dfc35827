"""What runs on Kubeflow Pipelines must be allowed: rules of the cluster, and of the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.provider import Permission

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument
    from waterflow_kubeflow.profile import KubeflowSettings

SUBMITTER: Final = "you"
JOBS: Final = "the pods' service account"
RUNS: Final = (
    "pipelines.kubeflow.org experiments: get, list, create",
    "pipelines.kubeflow.org runs: get, list, create, terminate, readArtifact",
)
"""Resources and verbs that the API server asks the cluster for, in a server for several users.
https://github.com/kubeflow/pipelines/blob/master/backend/src/apiserver/common/const.go"""
SCHEDULES: Final = ("pipelines.kubeflow.org jobs: get, list, create, enable, disable, delete",)
OBJECTS: Final = ("objects: get, list, put, delete",)


def needed(document: CloudDocument, settings: KubeflowSettings) -> list[Permission]:
    """Return what the pods, and whoever submits, must be allowed.

    Args:
        document: The compiled pipeline.
        settings: The profile's settings.
    """
    namespace = f"namespace {settings.namespace or 'kubeflow'}"
    allowed: list[tuple[str, tuple[str, ...], str, str]] = [
        (SUBMITTER, RUNS, namespace, "to start, watch and end runs"),
        (SUBMITTER, SCHEDULES, namespace, "to keep the pipeline's schedule"),
        (SUBMITTER, OBJECTS, settings.address, "to put code and data, read results"),
        (JOBS, OBJECTS, settings.address, "to read code and data, write results"),
    ]
    if settings.secret is not None and any(
        c.step.get("secrets") for c in document.control.values()
    ):
        allowed.append(
            (JOBS, ("secrets: get",), f"{namespace}, {settings.secret}", "for wf.secret")
        )
    return [
        Permission(who=who, actions=actions, resources=(place,), why=why)
        for who, actions, place, why in allowed
    ]
