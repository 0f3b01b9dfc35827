"""SageMaker's managed MLflow: tracking servers and apps, each known by its ARN."""

from __future__ import annotations

from typing import Final

from waterflow.tracking.managed import Managed

MLFLOW: Final = Managed(
    what="an ARN of a managed MLflow",
    form=r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-(tracking-server|app)/[A-Za-z0-9-]+",
    examples=(
        "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-tracking-server/NAME",
        ".../mlflow-app/NAME",
    ),
    plugin="sagemaker_mlflow",
    install='pip install "waterflow[sagemaker-mlflow]"',
    pages="its UI opens from SageMaker Studio",
)
