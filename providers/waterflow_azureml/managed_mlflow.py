"""Azure ML's managed MLflow: the tracking server that is part of each workspace."""

from __future__ import annotations

import re
from typing import Final

from waterflow.tracking.managed import Managed

_PUBLIC: Final = re.compile(r"azureml://[A-Za-z0-9-]+\.api\.azureml\.ms/mlflow/v[12]\.0(?P<id>/.+)")
"""The address of a workspace in Azure's public cloud; other clouds have studios of their own."""


def _page(uri: str, run: str) -> str | None:
    """Return the studio's page of a run, which has the same id in MLflow and in Azure ML."""
    workspace = _PUBLIC.fullmatch(uri)
    return None if workspace is None else f"https://ml.azure.com/runs/{run}?wsid={workspace['id']}"


MLFLOW: Final = Managed(
    what="the address of a workspace's MLflow",
    form=(
        r"azureml://[A-Za-z0-9.-]+/mlflow/v[12]\.0/subscriptions/[^/]+/resource[gG]roups/[^/]+/"
        r"providers/Microsoft\.MachineLearningServices/workspaces/[^/]+"
    ),
    examples=("what `az ml workspace show --query mlflow_tracking_uri` prints",),
    plugin="waterflow_azureml.job.tracking",
    install='pip install "waterflow[azureml]"',
    pages="its UI opens from the studio: https://ml.azure.com",
    page=_page,
)
