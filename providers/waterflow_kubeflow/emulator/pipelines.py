"""Pipelines and their versions: packages that were uploaded."""

from __future__ import annotations

import io
import tarfile
import uuid
import zipfile
from typing import TYPE_CHECKING, Any, Final

import yaml
from waterflow_kfp.emulator.documents import Pipeline
from waterflow_kfp.emulator.errors import SpecError

from waterflow.emulation.clock import written
from waterflow_kubeflow.emulator import lists
from waterflow_kubeflow.emulator.errors import exists, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.emulation.clock import Clock

_MOST: Final = 32 * 2**20
"""Bytes of an upload. https://github.com/kubeflow/pipelines backend/src/apiserver/server/util.go"""


def documents(spec: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a pipeline's spec and what platforms are told, of a `pipeline_spec` of the API.

    Raises:
        ApiError: It is none that can be run.
    """
    if not isinstance(spec, dict) or not spec:
        raise invalid("Pipeline spec is empty. Please specify a valid pipeline spec")
    both = "pipeline_spec" in spec
    pipeline = spec["pipeline_spec"] if both else spec
    platforms = (spec.get("platform_spec") or {}) if both else {}
    try:
        Pipeline.parse(pipeline)
    except SpecError as error:
        raise invalid(str(error)) from None
    return pipeline, _kubernetes(platforms)


def _kubernetes(platforms: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what Kubernetes is told, checked by the official protos."""
    if not platforms:
        return {}
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
    from kfp.pipeline_spec import pipeline_spec_pb2

    protos: Any = pipeline_spec_pb2
    own_protos: Any = kubernetes
    try:
        json_format.ParseDict(dict(platforms), protos.PlatformSpec())
        named: Mapping[str, Any] = platforms.get("platforms") or {}
        others = [name for name in named if name != "kubernetes"]
        if others:
            raise invalid(f"platform '{others[0]}' is none of this server's: it has kubernetes")
        own: Mapping[str, Any] = named.get("kubernetes") or {}
        configs = {
            name: json_format.MessageToDict(
                json_format.ParseDict(config, own_protos.KubernetesExecutorConfig())
            )
            for name, config in ((own.get("deploymentSpec") or {}).get("executors") or {}).items()
        }
    except json_format.ParseError as error:
        raise invalid(f"platform_spec: {error}") from None
    return {"deploymentSpec": {"executors": configs}}


def package(name: str, content: bytes) -> Any:
    """Return the `pipeline_spec` of a package that was uploaded.

    Args:
        name: The file's name, which says what it is.
        content: The file.

    Raises:
        ApiError: It holds no pipeline.
    """
    if len(content) > _MOST:
        raise invalid(f"File size too large. Maximum supported file size: {_MOST} bytes")
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(_yaml(archive.namelist()))
        elif name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                member = archive.extractfile(_yaml(archive.getnames()))
                content = member.read() if member else b""
        elif not name.endswith((".yaml", ".yml", ".json")):
            raise invalid(f"Unexpected pipeline file format. '{name}' is no .zip, .tar.gz or .yaml")
        found = [one for one in yaml.safe_load_all(content) if one]
    except (zipfile.BadZipFile, tarfile.TarError, yaml.YAMLError, KeyError, ValueError) as error:
        raise invalid(f"Failed to read the pipeline file '{name}': {error}") from None
    spec = next((one for one in found if "platforms" not in one), {})
    platforms = next((one for one in found if "platforms" in one), None)
    return spec if platforms is None else {"pipeline_spec": spec, "platform_spec": platforms}


def _yaml(names: list[str]) -> str:
    listed = [one for one in names if one.endswith((".yaml", ".yml"))]
    return next((one for one in listed if one == "pipeline.yaml"), listed[0] if listed else "")


class Pipelines:
    """The part that has the pipelines.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pipelines: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, dict[str, Any]] = {}

    # --- pipelines ------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a pipeline without versions."""
        name = str(body.get("display_name") or body.get("name") or "")
        if not name:
            raise invalid("Pipeline name is empty. Please specify a valid pipeline name")
        if any(one["display_name"] == name for one in self._pipelines.values()):
            raise exists("a pipeline", name)
        number = str(uuid.uuid4())
        self._pipelines[number] = entry = {
            "pipeline_id": number,
            "display_name": name,
            "name": str(body.get("name") or name),
            "description": str(body.get("description", "")),
            "created_at": written(self._clock.now()),
            "namespace": str(body.get("namespace", "")),
        }
        return entry

    def upload(self, query: Mapping[str, str], name: str, content: bytes) -> dict[str, Any]:
        """Make a pipeline with a first version of a package."""
        spec = package(name, content)
        pipeline, _ = documents(spec)
        own = (
            query.get("display_name") or query.get("name") or str(pipeline["pipelineInfo"]["name"])
        )
        made = self.create(
            {
                "display_name": own,
                "description": query.get("description", ""),
                "namespace": query.get("namespace", ""),
            }
        )
        self._version(made["pipeline_id"], own, query.get("description", ""), spec)
        return made

    def get(self, number: str) -> dict[str, Any]:
        """Return a pipeline."""
        if number not in self._pipelines:
            raise missing("Pipeline", number)
        return self._pipelines[number]

    def named(self, name: str) -> dict[str, Any]:
        """Return the pipeline of a name."""
        for one in self._pipelines.values():
            if name in (one["name"], one["display_name"]):
                return one
        raise missing("Pipeline", name)

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of the pipelines."""
        namespace = query.get("namespace", "")
        entries = [one for one in self._pipelines.values() if namespace in ("", one["namespace"])]
        return lists.answer(entries, "pipelines", "pipeline_id", query)

    def delete(self, number: str, *, cascade: bool = False) -> dict[str, Any]:
        """Remove a pipeline without versions, or with them."""
        self.get(number)
        versions = [v for v, one in self._versions.items() if one["pipeline_id"] == number]
        if versions and not cascade:
            raise invalid(f"Pipeline {number} has {len(versions)} versions: delete them before")
        for one in versions:
            del self._versions[one]
        del self._pipelines[number]
        return {}

    # --- versions -------------------------------------------------------------------------------

    def upload_version(self, query: Mapping[str, str], name: str, content: bytes) -> dict[str, Any]:
        """Make a further version of a pipeline, of a package."""
        number = query.get("pipelineid", "")
        spec = package(name, content)
        documents(spec)
        own = query.get("display_name") or query.get("name") or name
        return self._version(number, own, query.get("description", ""), spec)

    def create_version(self, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a further version of a pipeline, of a spec in the request."""
        if "package_url" in body and "pipeline_spec" not in body:
            raise invalid("package_url is not read by the emulator: upload the package")
        documents(body.get("pipeline_spec"))
        name = str(body.get("display_name") or body.get("name") or "")
        if not name:
            raise invalid("Pipeline version name is empty")
        return self._version(number, name, str(body.get("description", "")), body["pipeline_spec"])

    def _version(self, number: str, name: str, description: str, spec: Any) -> dict[str, Any]:
        self.get(number)
        if any(
            one["pipeline_id"] == number and one["display_name"] == name
            for one in self._versions.values()
        ):
            raise exists("a pipeline version", name)
        version = str(uuid.uuid4())
        self._versions[version] = entry = {
            "pipeline_id": number,
            "pipeline_version_id": version,
            "display_name": name,
            "name": name,
            "description": description,
            "created_at": written(self._clock.now()),
            "pipeline_spec": spec,
        }
        return entry

    def version(self, number: str, version: str) -> dict[str, Any]:
        """Return a version of a pipeline."""
        entry = self._versions.get(version)
        if entry is None or (number and entry["pipeline_id"] != number):
            raise missing("PipelineVersion", version)
        return entry

    def versions(self, number: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of a pipeline's versions."""
        self.get(number)
        entries = [one for one in self._versions.values() if one["pipeline_id"] == number]
        return lists.answer(entries, "pipeline_versions", "pipeline_version_id", query)

    def delete_version(self, number: str, version: str) -> dict[str, Any]:
        """Remove a version."""
        self.version(number, version)
        del self._versions[version]
        return {}

    def latest(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """Return the version that a run names, or the pipeline's newest."""
        number = str(reference.get("pipeline_id", ""))
        version = str(reference.get("pipeline_version_id", ""))
        if version:
            return self.version(number, version)
        self.get(number)
        own = [one for one in self._versions.values() if one["pipeline_id"] == number]
        if not own:
            raise invalid(f"Pipeline {number} has no versions")
        return own[-1]

    def snapshot(self) -> dict[str, Any]:
        """Return all of them as JSON."""
        return {"pipelines": self._pipelines, "versions": self._versions}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take those of a snapshot."""
        self._pipelines = {number: dict(one) for number, one in saved["pipelines"].items()}
        self._versions = {number: dict(one) for number, one in saved["versions"].items()}
