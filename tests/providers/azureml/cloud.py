"""Azure ML as the conformance kit is told of it."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from azure.core.exceptions import ResourceExistsError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from waterflow_azureml.connections import VAULT_SCOPE, Azure
from waterflow_azureml.emulator import Emulator
from waterflow_azureml.emulator.cloud import AzureCloud
from waterflow_azureml.emulator.preparing import DEFAULT

from waterflow.emulation.certificates import Authority, trusting
from waterflow.emulation.door import Door
from waterflow.testing import Refusal, Refused, RemoteCloud
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY = "waterflow.azurecr.io"
IMAGE = f"{REGISTRY}/ml:3.11"
REGION = "eastus"
VAULT = "waterflow-kit"
_REFUSALS = {
    "start": ("CreateJob", 403, "AuthorizationFailed",
              "The client does not have authorization to perform action 'jobs/write'",
              "does not have authorization"),
}  # fmt: skip
"""Operation, status, code and message of a refusal, and what is said of it."""


def azure() -> Azure:
    """Return the ways to the workspace that is always there."""
    return Azure(DEFAULT.subscription, DEFAULT.group, DEFAULT.workspace)


@functools.cache
def account() -> str:
    """Return the storage account of that workspace: the same in every emulator."""
    return azure().described["properties"]["storageAccount"].rpartition("/")[2]


def container(name: str) -> ContainerClient:
    """Return the client of a container."""
    url = f"https://{account()}.blob.core.windows.net"
    return ContainerClient(url, name, credential=DefaultAzureCredential())


def make_secret(name: str, value: str) -> None:
    """Make a secret, and the vault that it is in."""
    ways = azure()
    path = f"{ways.group}/providers/Microsoft.KeyVault/vaults/{VAULT}"
    sku = {"family": "A", "name": "standard"}
    tenant = "11111111-1111-4111-8111-111111111111"
    properties = {"sku": sku, "tenantId": tenant, "enableRbacAuthorization": True}
    body = {"location": REGION, "properties": properties}
    ways.arm("CreateVault", "PUT", path, body, version="2023-07-01")
    url = f"https://{VAULT}.vault.azure.net/secrets/{name}"
    ways.send(
        "SetSecret", "PUT", url, {"value": value}, scope=VAULT_SCOPE, query={"api-version": "7.4"}
    )


def datastore(bucket: str) -> str:
    """Return the name of the datastore over a container."""
    return bucket.replace("-", "_")


class AzureMLCloud(RemoteCloud):
    """The emulator, Azure's own clients, and a profile."""

    name = "azureml"
    requests: ClassVar = {
        "record": "/submissions/",
        "start": "PUT /jobs/",
        "stop": "/cancel",
    }
    console = "https://ml.azure.com/runs/"
    image, bare_image = IMAGE, f"{REGISTRY}/bare:1"
    words: ClassVar = {"capacity": "capacity", "limit": "quota", "image": "image"}
    line_times = False
    container_metrics = False
    cache_day: ClassVar = {}

    def start(self, *, images=None, faults=None):
        return Emulator(images=images, faults=faults, grace=2)

    def request_name(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        workspace, found, rest = path.partition(f"/workspaces/{DEFAULT.workspace}/")
        return f"{method} /{rest}" if found and "/history/" not in workspace else f"{method} {path}"

    def through(self, url: str) -> dict[str, str]:
        folder = Path(tempfile.mkdtemp(prefix="waterflow-door-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        authority = Authority(folder)
        door = Door(AzureCloud.HOSTS, authority, int(url.rpartition(":")[2]))
        atexit.register(door.close)
        return door.variables | trusting(str(authority.bundle))

    def refused(self, moment):
        operation, status, code, message, words = _REFUSALS[moment]
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        return Refused(Refusal(status, "application/json", body), operation, words)

    def make_bucket(self, bucket: str) -> None:
        try:
            container(bucket).create_container()
        except ResourceExistsError:
            return
        ways = azure()
        body = {
            "datastoreType": "AzureBlob",
            "accountName": account(),
            "containerName": bucket,
            "credentials": {"credentialsType": "None"},
        }
        path = f"{ways.workspace}/datastores/{datastore(bucket)}"
        ways.arm("CreateDatastore", "PUT", path, {"properties": body})

    def profile(self, bucket: str, prefix: str) -> dict[str, Any]:
        return {
            "provider": "azureml",
            "subscription": DEFAULT.subscription,
            "resource_group": DEFAULT.group,
            "workspace": DEFAULT.workspace,
            "region": REGION,
            "account": account(),
            "container": bucket,
            "datastore": datastore(bucket),
            "prefix": prefix,
            "vault": VAULT,
            "image": IMAGE,
            "python": "3.11",
            "libraries": "image",
            "poll": 0.1,
        }

    def billed_seconds(self, step):
        run = azure().history("GetRun", f"runs/{step.job}")
        hours, minutes, seconds = map(float, run["duration"].split(":"))
        return (hours * 3600 + minutes * 60 + seconds) * run["compute"]["instanceCount"]

    def uri(self, bucket: str, name: str) -> str:
        return f"abfss://{bucket}@{account()}.dfs.core.windows.net/{name}"

    def write(self, uri: str, content: bytes) -> None:
        bucket, key = _place(uri)
        container(bucket).upload_blob(key, content, overwrite=True)

    def executions(self, prefix: str, pipeline: str) -> list[str]:
        ways = azure()
        query = {"jobType": "Pipeline", "tag": "waterflow.build"}
        jobs = ways.pages("ListJobs", f"{ways.workspace}/jobs", query=query)
        name = f"{prefix}-{pipeline}"
        return [
            job["name"]
            for job in jobs
            if job["properties"]["properties"].get("waterflow.native") == name
        ]


def _place(uri: str) -> tuple[str, str]:
    """Return the container and the key of an address, be it a datastore's."""
    if uri.startswith("azureml://datastores/"):
        name, _, key = uri.removeprefix("azureml://datastores/").partition("/paths/")
        ways = azure()
        kept = ways.arm("GetDatastore", "GET", f"{ways.workspace}/datastores/{name}")
        return kept["properties"]["containerName"], key
    authority, _, key = uri.removeprefix("abfss://").partition("/")
    return authority.partition("@")[0], key


CLOUD = AzureMLCloud()


def project_at(root, **settings) -> RemoteProject:
    """Return a project at the emulator that the environment points at."""
    return RemoteProject(CLOUD, root, **settings)
