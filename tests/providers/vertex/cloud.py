"""Vertex AI as the conformance kit is told of it."""

from __future__ import annotations

import atexit
import base64
import functools
import json
import os
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from waterflow_vertex.connections import STORAGE, Google
from waterflow_vertex.emulator import Emulator
from waterflow_vertex.emulator.cloud import VertexCloud as Emulated
from waterflow_vertex.emulator.preparing import PROJECT, REGION

from waterflow.emulation.certificates import Authority, trusting
from waterflow.emulation.door import Door
from waterflow.errors import ConflictError
from waterflow.testing import Refusal, Refused, RemoteCloud
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY = f"{REGION}-docker.pkg.dev/{PROJECT}/waterflow"
IMAGE = f"{REGISTRY}/ml:3.11"
JOBS = f"https://{REGION}-aiplatform.googleapis.com/v1/projects/{PROJECT}/locations/{REGION}"
SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets"
_OBJECT = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<rest>.*)", re.DOTALL)
_REFUSALS = {
    "start": ("CreatePipelineJob", 403, "PERMISSION_DENIED",
              "Permission 'aiplatform.pipelineJobs.create' denied on resource",
              "aiplatform.pipelineJobs.create"),
}  # fmt: skip
"""Operation, status, code and message of a refusal, and what is said of it."""


def google() -> Google:
    """Return the ways to the emulator that the environment points at."""
    return _google(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


@functools.cache
def _google(credentials: str | None) -> Google:
    del credentials  # of each emulator they are others
    return Google("A test", PROJECT)


def make_secret(name: str, value: str) -> None:
    """Make a secret with one version."""
    ways = google()
    body = {"replication": {"automatic": {}}}
    ways.call("CreateSecret", "POST", SECRETS, body, query={"secretId": name})
    payload = {"payload": {"data": base64.b64encode(value.encode()).decode()}}
    ways.call("AddSecretVersion", "POST", f"{SECRETS}/{name}:addVersion", payload)


class VertexCloud(RemoteCloud):
    """The emulator, Google's own credentials, and a profile."""

    name = "vertex"
    requests: ClassVar = {
        "record": "/submissions/",
        "start": "/pipelineJobs?pipelineJobId=",
        "stop": ":cancel",
    }
    console = "https://console.cloud.google.com/vertex-ai/locations/"
    image, bare_image = IMAGE, f"{REGISTRY}/bare:1"
    words: ClassVar = {"capacity": "no such machine free", "limit": "quota", "image": "image"}
    container_metrics = False
    cache_day: ClassVar = {}

    def start(self, *, images=None, faults=None):
        return Emulator(images=images, faults=faults, grace=2)

    def request_name(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Return a request by its plain path; one for what is known of an object is a HEAD."""
        plain = unquote(path)
        match = _OBJECT.match(plain)
        if match is None:
            return f"{method} {plain}"
        looks = method == "GET" and "alt=media" not in path
        return f"{'HEAD' if looks else method} /{match['bucket']}/{match['rest']}"

    def through(self, url: str) -> dict[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="waterflow-door-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        authority = Authority(folder)
        door = Door(Emulated.HOSTS, authority, int(url.rpartition(":")[2]))
        atexit.register(door.close)
        return door.variables | trusting(str(authority.bundle))

    def refused(self, moment):
        operation, status, code, message, words = _REFUSALS[moment]
        error = {"code": status, "status": code, "message": message}
        body = json.dumps({"error": error}).encode()
        return Refused(Refusal(status, "application/json", body), operation, words)

    def make_bucket(self, bucket: str) -> None:
        body = {"name": bucket, "location": REGION.upper()}
        try:
            google().call(
                "CreateBucket", "POST", f"{STORAGE}/storage/v1/b", body, query={"project": PROJECT}
            )
        except ConflictError:
            return

    def profile(self, bucket: str, prefix: str) -> dict[str, Any]:
        return {
            "provider": "vertex",
            "project": PROJECT,
            "region": REGION,
            "bucket": bucket,
            "prefix": prefix,
            "image": IMAGE,
            "python": "3.11",
            "libraries": "image",
            "poll": 0.1,
        }

    def billed_seconds(self, step):
        job = step.url.partition("/training/")[2].partition("?")[0]
        found = google().call("GetCustomJob", "GET", f"{JOBS}/customJobs/{job}")
        started, ended = (
            datetime.fromisoformat(found[name][:19]) for name in ("startTime", "endTime")
        )
        increments = (ended - started).total_seconds() // 30 + 1
        return increments * 30 * int(found["jobSpec"]["workerPoolSpecs"][0]["replicaCount"])

    def uri(self, bucket: str, name: str) -> str:
        return f"gs://{bucket}/{name}"

    def write(self, uri: str, content: bytes) -> None:
        bucket, _, key = uri.removeprefix("gs://").partition("/")
        put(bucket, key, content)

    def executions(self, prefix: str, pipeline: str) -> list[str]:
        query = {"filter": f'display_name="{prefix}-{pipeline}"'}
        jobs = google().pages("ListPipelineJobs", f"{JOBS}/pipelineJobs", "pipelineJobs", query)
        return [job["name"].rpartition("/")[2] for job in jobs]


def put(bucket: str, key: str, content: bytes) -> None:
    """Write an object."""
    url = f"{STORAGE}/upload/storage/v1/b/{bucket}/o"
    query = {"uploadType": "media", "name": key}
    google().send("InsertObject", "POST", url, query=query, content=content)


CLOUD = VertexCloud()


def project_at(root, **settings) -> RemoteProject:
    """Return a project at the emulator that the environment points at."""
    return RemoteProject(CLOUD, root, **settings)
