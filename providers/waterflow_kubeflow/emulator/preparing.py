"""What is always there in the emulator, and what profiles name of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow_kubeflow.emulator.objects import BUCKET
from waterflow_kubeflow.profile import KubeflowSettings, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.project.profile import Profile
    from waterflow_kubeflow.emulator.experiments import Experiments
    from waterflow_kubeflow.emulator.objects import Objects
    from waterflow_kubeflow.emulator.secrets import Secrets

TOKEN: Final = "emulated-service-account-token"  # noqa: S105 - everybody's
KEY: Final = "minio"
SECRET: Final = "minio123"  # noqa: S105 - MinIO's own in Kubeflow's manifests
ROOT: Final = f"minio://{BUCKET}/v2/artifacts"
"""Where artifacts go if nothing else says so."""


def named_things(profile: Profile) -> dict[str, Any]:
    """Return what a profile names in the cluster."""
    settings = profile.convert(KubeflowSettings)
    return {
        "bucket": settings.bucket,
        "experiment": settings.experiment,
        "namespace": settings.namespace,
        "secret": settings.secret,
    }


def prepare(
    wishes: str, objects: Objects, experiments: Experiments, secrets: Secrets
) -> Iterator[str]:
    """Make what profiles name, and yield a line for each thing made.

    Args:
        wishes: Profile -> what it names, in JSON.
        objects: The objects.
        experiments: The experiments.
        secrets: Kubernetes' Secrets.
    """
    for wish in json.loads(wishes).values():
        parts = place(wish["bucket"])
        if parts["scheme"] == "gs":
            yield f"{wish['bucket']} is not made: it is Cloud Storage's, wherever that is"
        elif objects.make(parts["bucket"]):
            yield f"bucket {wish['bucket']}"
        if experiments.make(wish["experiment"], wish["namespace"]):
            yield f"experiment {wish['experiment']}"
        if wish["secret"] and secrets.make(wish["secret"]):
            yield f"secret {wish['secret']}"
