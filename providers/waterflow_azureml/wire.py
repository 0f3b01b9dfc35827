"""A pipeline's document as Azure ML's service is sent it, as azure-ai-ml would send it: pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

ANONYMOUS: Final = "azureml_anonymous"
"""What all components are called that no one has named."""
ANONYMOUS_ENVIRONMENT: Final = "CliV2AnonymousEnvironment"
_SOURCE: Final = "YAML.JOB"
_DATA: Final = ("uri_folder", "uri_file", "mltable", "custom_model", "mlflow_model", "triton_model")
_MODES: Final = {
    "download": "Download",
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "upload": "Upload",
    "direct": "Direct",
    "eval_download": "EvalDownload",
    "eval_mount": "EvalMount",
}
_DISTRIBUTIONS: Final = {"pytorch": "PyTorch", "mpi": "Mpi", "tensorflow": "TensorFlow"}
_IDENTITIES: Final = {
    "managed": "Managed",
    "managed_identity": "Managed",
    "user_identity": "UserIdentity",
    "aml_token": "AMLToken",
}
_TIERS: Final = {"spot": "Spot", "basic": "Basic", "standard": "Standard", "premium": "Premium"}
_OWN: Final = ("type", "$schema", "name", "version", "environment", "command")
_REFERENCE: Final = re.compile(r"azureml:(?P<name>[^:@/]+):(?P<version>[^:@/]+)")


@dataclass
class Wired:
    """What a document is as requests.

    Attributes:
        environments: What follows `environments/` in their addresses -> their bodies.
        components: Versions of anonymous components -> their bodies.
        properties: The job's `properties`, without what only a start says.
    """

    environments: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    components: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    properties: dict[str, Any] = field(default_factory=dict[str, Any])


def wired(definition: Mapping[str, Any], workspace: str) -> Wired:
    """Return the requests of a document.

    Args:
        definition: The document, as `az ml job create` would take it.
        workspace: The workspace's id.
    """
    return _Wiring(workspace).of(definition)


def started(
    properties: Mapping[str, Any], parameters: Mapping[str, str], notes: Mapping[str, str]
) -> dict[str, Any]:
    """Return the job's `properties` for one start.

    Args:
        properties: Those of the document.
        parameters: Texts in place of the defaults; addresses for data.
        notes: What is noted of the start, outside of the document.
    """
    literal = {"jobInputType": "literal"}
    inputs: dict[str, Any] = dict(properties["inputs"])
    inputs |= {name: _valued(inputs.get(name, literal), text) for name, text in parameters.items()}
    return {**properties, "inputs": inputs, "properties": {**properties["properties"], **notes}}


def _valued(value: Mapping[str, Any], text: str) -> dict[str, Any]:
    key = "value" if value["jobInputType"] == "literal" else "uri"
    return {**value, key: text}


def anonymous_version(part: Any) -> str:
    """Return the version of an anonymous part: a digest of its content, written as a UUID."""
    text = json.dumps(part, sort_keys=True)
    return str(UUID(hashlib.sha256(text.encode()).hexdigest()[:32]))


class _Wiring:
    """The translation of one document.

    Args:
        workspace: The workspace's id.
    """

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._result = Wired()

    def of(self, definition: Mapping[str, Any]) -> Wired:
        settings: Mapping[str, Any] = definition.get("settings") or {}
        properties: dict[str, Any] = {
            "jobType": "Pipeline",
            "displayName": definition.get("display_name"),
            "experimentName": definition.get("experiment_name"),
            "description": definition.get("description"),
            "tags": {key: str(value) for key, value in (definition.get("tags") or {}).items()},
            "properties": {},
            "isArchived": False,
            "inputs": {
                name: self._input(value, "jobInputType")
                for name, value in (definition.get("inputs") or {}).items()
                if value != ""  # azure-ai-ml leaves out what is empty
            },
            "outputs": {
                name: self._output(value, "jobOutputType")
                for name, value in (definition.get("outputs") or {}).items()
            },
            "settings": self._settings(settings),
            "jobs": {name: self._node(name, node) for name, node in definition["jobs"].items()},
        }
        if "identity" in definition:
            properties["identity"] = _identity(definition["identity"], "identityType", "clientId")
        if "compute" in definition:
            properties["computeId"] = self._compute(definition["compute"])
        self._result.properties = {
            key: value for key, value in properties.items() if value is not None
        }
        return self._result

    def _settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        texts = dict(settings)
        if "default_compute" in texts:
            texts["default_compute"] = self._compute(texts["default_compute"])
        if "default_datastore" in texts:
            texts["default_datastore"] = self._named("datastores", texts["default_datastore"])
        return {**texts, "_source": _SOURCE}

    def _named(self, kind: str, text: str) -> str:
        """Return the id of what a document names `azureml:NAME`."""
        name = text.removeprefix("azureml:")
        return name if name.startswith("/") else f"{self._workspace}/{kind}/{name}"

    def _compute(self, text: str) -> str:
        return self._named("computes", text)

    # --- inputs and outputs ---------------------------------------------------------------------

    def _input(self, value: Any, kind: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {"value": _text(value), kind: "literal"}
        entry: dict[str, Any] = value
        if entry.get("type") not in _DATA:
            return {"value": _text(entry.get("path", entry.get("value"))), kind: "literal"}
        wired_entry: dict[str, Any] = {"uri": self._asset(entry["path"])}
        if "mode" in entry:
            wired_entry["mode"] = _MODES[entry["mode"]]
        return {**wired_entry, kind: entry["type"]}

    def _asset(self, path: str) -> str:
        match = _REFERENCE.fullmatch(path)
        if match is None:
            return path
        return f"{self._workspace}/data/{match['name']}/versions/{match['version']}"

    def _output(self, value: Any, kind: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {"value": _text(value), kind: "literal"}
        entry: dict[str, Any] = value
        wired_entry: dict[str, Any] = {}
        if "path" in entry:
            wired_entry["uri"] = entry["path"]
        if "mode" in entry:
            wired_entry["mode"] = _MODES[entry["mode"]]
        return {**wired_entry, kind: entry.get("type", "uri_folder")}

    # --- nodes ----------------------------------------------------------------------------------

    def _node(self, name: str, written: Mapping[str, Any]) -> dict[str, Any]:
        node: dict[str, Any] = {**_of_component(written["component"]), **written}
        wired_node: dict[str, Any] = {
            "name": name,
            "type": "command",
            "display_name": node.get("display_name"),
            "inputs": {
                key: self._input(value, "job_input_type")
                for key, value in (node.get("inputs") or {}).items()
            }
            or None,
            "outputs": {
                key: self._output(value, "job_output_type")
                for key, value in (node.get("outputs") or {}).items()
            }
            or None,
            "componentId": self._component(node["component"]),
            "computeId": self._compute(node["compute"]) if "compute" in node else None,
            "environment_variables": dict(node.get("environment_variables") or {}) or None,
            "resources": dict(node["resources"]) if "resources" in node else None,
            "_source": _SOURCE,
        }
        if "distribution" in node:
            wired_node["distribution"] = _distribution(node["distribution"])
        if "identity" in node:
            wired_node["identity"] = _identity(node["identity"], "identity_type", "client_id")
        if "limits" in node:
            wired_node["limits"] = {
                "timeout": _duration(node["limits"]["timeout"]),
                "job_limits_type": "Command",
            }
        if "queue_settings" in node:
            tier = str(node["queue_settings"]["job_tier"])
            wired_node["queue_settings"] = {"job_tier": _TIERS.get(tier.lower(), tier)}
        if node.get("tags"):
            wired_node["tags"] = dict(node["tags"])
        if node.get("properties"):
            wired_node["properties"] = dict(node["properties"])
        return {key: value for key, value in wired_node.items() if value is not None}

    def _component(self, component: Any) -> str:
        if not isinstance(component, dict):
            return self._versioned("components", str(component))
        entry: dict[str, Any] = component
        spec: dict[str, Any] = {
            "command": entry["command"],
            "environment": f"azureml:{self._environment(entry['environment'])}",
            "name": ANONYMOUS,
            "version": str(entry.get("version", "1")),
            **{key: value for key, value in entry.items() if key not in _OWN and value != {}},
            "type": "command",
            "_source": _SOURCE,
        }
        if "inputs" in spec:
            spec["inputs"] = {name: _declared(one) for name, one in spec["inputs"].items()}
        version = anonymous_version(spec)
        self._result.components[version] = {
            "properties": {
                "componentSpec": spec,
                "isAnonymous": True,
                "isArchived": False,
                "properties": {},
                "tags": dict(spec.get("tags") or {}),
            }
        }
        return f"{self._workspace}/components/{ANONYMOUS}/versions/{version}"

    def _environment(self, environment: Any) -> str:
        if not isinstance(environment, dict):
            return self._versioned("environments", str(environment))
        entry: dict[str, Any] = environment
        properties: dict[str, Any] = {"image": entry.get("image")}
        if "conda_file" in entry:
            properties["condaFile"] = _yaml(entry["conda_file"])
        if entry.get("name"):
            where = f"{entry['name']}/versions/{entry['version']}"
            properties["isAnonymous"] = False
        else:
            where = f"{ANONYMOUS_ENVIRONMENT}/versions/{anonymous_version(entry)}"
            properties["isAnonymous"] = True
        properties["isArchived"] = False
        self._result.environments[where] = {
            "properties": {key: value for key, value in properties.items() if value is not None}
        }
        return f"{self._workspace}/environments/{where}"

    def _versioned(self, kind: str, text: str) -> str:
        """Return the id of what a document names `azureml:NAME:VERSION`."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            return text.removeprefix("azureml:")
        return f"{self._workspace}/{kind}/{match['name']}/versions/{match['version']}"


def _of_component(component: Any) -> dict[str, Any]:
    """Return what a node has of its component where it does not say so itself."""
    if not isinstance(component, dict):
        return {}
    return {key: component[key] for key in ("distribution", "resources") if key in component}


def _text(value: Any) -> str:
    return str(value)


def _declared(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component's input with its default and its bounds as texts."""
    return {
        key: str(value) if key in ("default", "min", "max") else value
        for key, value in entry.items()
    }


def _duration(seconds: Any) -> str:
    """Return seconds as Azure writes durations, in hours, minutes and seconds."""
    if isinstance(seconds, str):
        return seconds
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    day = f"{days}D" if days else ""
    parts = (hours, "H"), (minutes, "M"), (rest, "S")
    time = "".join(f"{number}{unit}" for number, unit in parts if number)
    return f"P{day}" + (f"T{time}" if time else "" if day else "T0S")


def _distribution(distribution: Mapping[str, Any]) -> dict[str, Any]:
    more = {key: value for key, value in distribution.items() if key != "type"}
    kind = str(distribution["type"]).lower()
    return {**more, "distribution_type": _DISTRIBUTIONS[kind]}


def _identity(identity: Mapping[str, Any], key: str, client: str) -> dict[str, Any]:
    wired_identity = {key: _IDENTITIES[str(identity["type"])]}
    if identity.get("client_id"):
        wired_identity[client] = identity["client_id"]
    return wired_identity


def _yaml(conda: Any) -> str:
    """Return a conda file's text; what is JSON is YAML too."""
    return conda if isinstance(conda, str) else json.dumps(conda, sort_keys=True)
