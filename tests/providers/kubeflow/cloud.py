"""Kubeflow Pipelines as the conformance kit is told of it."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import requests
from waterflow_kubeflow.emulator import Emulator

from waterflow.testing import Refusal, Refused, RemoteCloud
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE = "registry.example.com/ml:3.11"
SECRET = "waterflow-kit"
_REFUSALS = {
    "start": (
        "CreateRun", 403, 7,
        "User 'kit@example.com' is not authorized with reason: (request: create runs)",
        "is not authorized",
    ),
}  # fmt: skip
"""Operation, status, code and message of a refusal, and what is said of it."""


def api(method: str, path: str, **options: Any) -> Any:
    """Return what the API server that the environment points at answers."""
    token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
    answer = requests.request(
        method,
        f"{os.environ['KF_PIPELINES_ENDPOINT']}/{path}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
        **options,
    )
    answer.raise_for_status()
    return answer.json()


def make_secret(name: str, value: str) -> None:
    """Make a key of the Kubernetes Secret that the profile names."""
    path = f"api/v1/namespaces/kubeflow/secrets/{SECRET}"
    api("PUT", path, json={"stringData": {name: value}})


def s3() -> Any:
    """Return the client of the emulator's MinIO."""
    return _s3(os.environ["AWS_ENDPOINT_URL_S3"])


@functools.cache
def _s3(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


class KubeflowCloud(RemoteCloud):
    """The emulator, its MinIO, and a profile."""

    name = "kubeflow"
    requests: ClassVar = {
        "record": "/submissions/",
        "start": "POST /apis/v2beta1/runs",
        "stop": ":terminate",
    }
    console = "http"
    image, bare_image = IMAGE, "registry.example.com/bare:1"
    words: ClassVar = {"capacity": "capacity", "limit": "quota", "image": "image"}
    line_times = False
    container_metrics = False
    cache_day: ClassVar = {}

    def start(self, *, images=None, faults=None):
        return Emulator(images=images, faults=faults, grace=2)

    def request_name(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        del headers
        return f"{method} {path.partition('?')[0]}"

    def through(self, url: str) -> dict[str, str]:
        return {"KF_PIPELINES_ENDPOINT": url, "AWS_ENDPOINT_URL_S3": url}

    def refused(self, moment):
        operation, status, code, message, words = _REFUSALS[moment]
        body = json.dumps({"error": message, "code": code, "message": message, "details": []})
        return Refused(Refusal(status, "application/json", body.encode()), operation, words)

    def make_bucket(self, bucket: str) -> None:
        s3().create_bucket(Bucket=bucket)

    def profile(self, bucket: str, prefix: str) -> dict[str, Any]:
        return {
            "provider": "kubeflow",
            "host": "http://kubeflow.example.com/pipeline",
            "bucket": f"s3://{bucket}",
            "prefix": prefix,
            "secret": SECRET,
            "image": IMAGE,
            "python": "3.11",
            "libraries": "image",
            "poll": 0.1,
        }

    def uri(self, bucket: str, name: str) -> str:
        return f"s3://{bucket}/{name}"

    def write(self, uri: str, content: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3().put_object(Bucket=bucket, Key=key, Body=content)

    def executions(self, prefix: str, pipeline: str) -> list[str]:
        name = f"{prefix}-{pipeline}".lower().replace("_", "-")
        listed = api("GET", "apis/v2beta1/runs", params={"page_size": 200}).get("runs", [])
        return [run["run_id"] for run in listed if _pipeline_of(run) == name]


def _pipeline_of(run: dict) -> str | None:
    """Return a run's pipeline; a client may give the spec alone, or a version's name only."""
    document = run.get("pipeline_spec") or {}
    return document.get("pipeline_spec", document).get("pipelineInfo", {}).get("name")


CLOUD = KubeflowCloud()


def project_at(root, **settings) -> RemoteProject:
    """Return a project at the emulator that the environment points at."""
    return RemoteProject(CLOUD, root, **settings)
