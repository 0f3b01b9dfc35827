"""MLflow on Cloud Run: a server of one's own, which Google's IAM stands before."""

from __future__ import annotations

from typing import Final

from waterflow.tracking.managed import Managed
from waterflow_vertex.job.mlflow_auth import NAME

MLFLOW: Final = Managed(
    what="the address of a service on Cloud Run",
    form=r"https://[a-z0-9-]+(\.[a-z0-9-]+)*\.run\.app/?",
    examples=("what `gcloud run services describe mlflow --format 'value(status.url)'` prints",),
    plugin="google.auth",
    install='pip install "waterflow[vertex]"',
    pages="its UI opens by `gcloud run services proxy NAME`, in the name of who is signed in",
    auth=NAME,
)
