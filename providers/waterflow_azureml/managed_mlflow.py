"""Azure ML's managed MLflow: the tracking server that is part of each workspace."""

from __future__ import annotations

from typing import Final

from waterflow.tracking.managed import Managed

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
)
