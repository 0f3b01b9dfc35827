"""Models, endpoint configurations and endpoints as the service keeps them; nothing serves yet.

moto has them too, but takes a name twice, knows no machine newer than 2020, loses counts and
weights, and cannot update an endpoint.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import moment
from waterflow_sagemaker.emulator.errors import invalid
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.paging import descending, page, within

if TYPE_CHECKING:
    from waterflow.emulation.clock import Clock

Request = dict[str, Any]
Response = dict[str, Any]

TAKES: Final = 1.0
"""Seconds until a new or changed endpoint is in service, unless said otherwise."""

_LABELS: Final = {
    "Model": ("model", "model"),
    "EndpointConfig": ("endpoint configuration", "endpoint-config"),
    "Endpoint": ("endpoint", "endpoint"),
}


_FILLED: Final[dict[str, dict[str, Any]]] = {
    "Model": {"EnableNetworkIsolation": False},
    "EndpointConfig": {"EnableNetworkIsolation": False},
}
"""Noun -> what Describe always says, whatever was asked for."""


_OF_CONFIG: Final = (
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "MetricsConfig",
    "CrossRegionTrafficConfig",
)
"""What of an endpoint's configuration its own description shows."""


class Endpoints:
    """All models, endpoint configurations and endpoints of the emulator's account.

    Args:
        clock: The time.
        region: The region that ARNs name.
        takes: Seconds until a new or changed endpoint is in service.
    """

    OPERATIONS: ClassVar[dict[str, str]] = {
        name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for name in (
            "CreateModel",
            "DescribeModel",
            "DeleteModel",
            "ListModels",
            "CreateEndpointConfig",
            "DescribeEndpointConfig",
            "DeleteEndpointConfig",
            "ListEndpointConfigs",
            "CreateEndpoint",
            "DescribeEndpoint",
            "DeleteEndpoint",
            "ListEndpoints",
            "UpdateEndpoint",
            "UpdateEndpointWeightsAndCapacities",
        )
    }
    """The service's operations -> our methods."""

    def __init__(self, clock: Clock, region: str, takes: float = TAKES) -> None:
        self._clock, self._region, self._takes = clock, region, takes
        self._kept: dict[str, dict[str, dict[str, Any]]] = {noun: {} for noun in _LABELS}
        self._lock = threading.RLock()

    def has(self, name: str) -> bool:
        """Return whether there is an endpoint of a name."""
        with self._lock:
            return name in self._kept["Endpoint"]

    # --- models -----------------------------------------------------------------------------------

    def create_model(self, request: Request) -> Response:
        """CreateModel."""
        if "PrimaryContainer" in request and "Containers" in request:
            raise invalid("PrimaryContainer and Containers cannot both be specified.")
        return self._create("Model", request)

    def describe_model(self, request: Request) -> Response:
        """DescribeModel."""
        return self._describe("Model", request)

    def delete_model(self, request: Request) -> Response:
        """DeleteModel."""
        return self._delete("Model", request)

    def list_models(self, request: Request) -> Response:
        """ListModels."""
        return self._list("Model", request)

    # --- endpoint configurations ------------------------------------------------------------------

    def create_endpoint_config(self, request: Request) -> Response:
        """CreateEndpointConfig."""
        with self._lock:
            names: list[str] = []
            for variant in request["ProductionVariants"]:
                if (model := variant.get("ModelName")) is not None:
                    self._entry("Model", model)
                names.append(variant["VariantName"])
            if len(names) != len(set(names)):
                raise invalid("Production variant names must be unique within the configuration.")
            return self._create("EndpointConfig", request)

    def describe_endpoint_config(self, request: Request) -> Response:
        """DescribeEndpointConfig."""
        return self._describe("EndpointConfig", request)

    def delete_endpoint_config(self, request: Request) -> Response:
        """DeleteEndpointConfig."""
        return self._delete("EndpointConfig", request)

    def list_endpoint_configs(self, request: Request) -> Response:
        """ListEndpointConfigs."""
        return self._list("EndpointConfig", request)

    # --- endpoints --------------------------------------------------------------------------------

    def create_endpoint(self, request: Request) -> Response:
        """CreateEndpoint: it is Creating, and soon InService."""
        with self._lock:
            variants = self._variants(request["EndpointConfigName"])
            answer = self._create("Endpoint", request)
            entry = self._entry("Endpoint", request["EndpointName"])
            entry |= {"variants": [], "status": "Creating"}
            if "DeploymentConfig" in request:
                entry["deployment"] = request["DeploymentConfig"]
            self._change(entry, "Creating", request["EndpointConfigName"], variants)
            return answer

    def update_endpoint(self, request: Request) -> Response:
        """UpdateEndpoint: it is Updating, and soon InService with the other configuration."""
        with self._lock:
            entry = self._changeable(request["EndpointName"])
            variants = self._variants(request["EndpointConfigName"])
            if request.get("RetainAllVariantProperties"):
                _retain(variants, entry["variants"])
            self._change(entry, "Updating", request["EndpointConfigName"], variants)
            if "DeploymentConfig" in request:
                entry["deployment"] = request["DeploymentConfig"]
            elif not request.get("RetainDeploymentConfig"):
                entry.pop("deployment", None)
            return {"EndpointArn": entry["arn"]}

    def update_endpoint_weights_and_capacities(self, request: Request) -> Response:
        """UpdateEndpointWeightsAndCapacities; what is not named keeps its weight and count."""
        with self._lock:
            entry = self._changeable(request["EndpointName"])
            variants: list[dict[str, Any]] = [dict(variant) for variant in entry["variants"]]
            named = {variant["VariantName"]: variant for variant in variants}
            desired: list[dict[str, Any]] = request["DesiredWeightsAndCapacities"]
            if len({one["VariantName"] for one in desired}) != len(desired):
                raise invalid("The variant names were non-unique within the request.")
            for one in desired:
                if one["VariantName"] not in named:
                    raise invalid(
                        f'The variant name(s) "{one["VariantName"]}" is/are not present within '
                        f'endpoint configuration "{entry["config"]}".'
                    )
                variant = named[one["VariantName"]]
                for member, kept in (
                    ("DesiredWeight", "weight"),
                    ("DesiredInstanceCount", "count"),
                    ("ServerlessUpdateConfig", "serverless"),
                ):
                    if member in one:
                        old = variant[kept]
                        variant[kept] = old | one[member] if isinstance(old, dict) else one[member]
            self._change(entry, "Updating", entry["config"], variants)
            return {"EndpointArn": entry["arn"]}

    def describe_endpoint(self, request: Request) -> Response:
        """DescribeEndpoint."""
        with self._lock:
            entry = self._settled(self._entry("Endpoint", request["EndpointName"]))
            description: dict[str, Any] = {
                "EndpointName": request["EndpointName"],
                "EndpointArn": entry["arn"],
                "EndpointConfigName": entry["config"],
                "EndpointStatus": entry["status"],
                "CreationTime": moment(entry["created"]),
                "LastModifiedTime": moment(entry["modified"]),
            }
            variants: list[dict[str, Any]] = entry["variants"]
            desired = (entry.get("pending") or entry)["variants"]
            if variants:
                later = {variant["VariantName"]: variant for variant in desired}
                description["ProductionVariants"] = [
                    _shown(variant, later.get(variant["VariantName"], variant))
                    for variant in variants
                ]
            if "deployment" in entry:
                description["LastDeploymentConfig"] = entry["deployment"]
            config = self._kept["EndpointConfig"].get(entry["config"])
            settings: dict[str, Any] = config["request"] if config else {}
            for name in _OF_CONFIG:
                if name in settings:
                    description[name] = settings[name]
            capture = settings.get("DataCaptureConfig")
            if capture:
                started = capture.get("EnableCapture", False)
                description["DataCaptureConfig"] = {
                    "EnableCapture": started,
                    "CaptureStatus": "Started" if started else "Stopped",
                    "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                    "DestinationS3Uri": capture["DestinationS3Uri"],
                    "KmsKeyId": capture.get("KmsKeyId", ""),
                }
            return description

    def delete_endpoint(self, request: Request) -> Response:
        """DeleteEndpoint."""
        return self._delete("Endpoint", request)

    def list_endpoints(self, request: Request) -> Response:
        """ListEndpoints."""
        with self._lock:
            for entry in self._kept["Endpoint"].values():
                self._settled(entry)
        return self._list("Endpoint", request)

    # --- the rest ---------------------------------------------------------------------------------

    def tags_of(self, arn: str) -> list[dict[str, str]] | None:
        """Return the tags of a resource, to be changed in place; None when it is none of ours."""
        with self._lock:
            for entries in self._kept.values():
                for entry in entries.values():
                    if entry["arn"] == arn:
                        return entry["tags"]
            return None

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON."""
        with self._lock:
            return {noun: dict(entries) for noun, entries in self._kept.items()}

    def restore(self, data: dict[str, Any]) -> None:
        """Take what a snapshot holds."""
        with self._lock:
            self._kept = {noun: dict(data[noun]) for noun in _LABELS}

    def _arn(self, noun: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:{_LABELS[noun][1]}/{name}"

    def _entry(self, noun: str, name: str) -> dict[str, Any]:
        if name not in self._kept[noun]:
            raise invalid(f'Could not find {_LABELS[noun][0]} "{self._arn(noun, name)}".')
        return self._kept[noun][name]

    def _create(self, noun: str, request: Request) -> Response:
        with self._lock:
            name, now = request[f"{noun}Name"], self._clock.now()
            arn = self._arn(noun, name)
            if name in self._kept[noun]:
                raise invalid(f'Cannot create already existing {_LABELS[noun][0]} "{arn}".')
            self._kept[noun][name] = {
                "arn": arn,
                "created": now,
                "modified": now,
                "tags": [dict(tag) for tag in request.get("Tags", [])],
                "request": {key: value for key, value in request.items() if key != "Tags"},
            }
            return {f"{noun}Arn": arn}

    def _describe(self, noun: str, request: Request) -> Response:
        with self._lock:
            entry = self._entry(noun, request[f"{noun}Name"])
            identity = {f"{noun}Arn": entry["arn"], "CreationTime": moment(entry["created"])}
            return _FILLED.get(noun, {}) | entry["request"] | identity

    def _delete(self, noun: str, request: Request) -> Response:
        with self._lock:
            self._entry(noun, request[f"{noun}Name"])
            del self._kept[noun][request[f"{noun}Name"]]
            return {}

    def _list(self, noun: str, request: Request) -> Response:
        rows: list[dict[str, Any]] = []
        with self._lock:
            for name, entry in self._kept[noun].items():
                row = {
                    f"{noun}Name": name,
                    f"{noun}Arn": entry["arn"],
                    "CreationTime": moment(entry["created"]),
                }
                if noun == "Endpoint":
                    row |= {"EndpointStatus": entry["status"]}
                    row |= {"LastModifiedTime": moment(entry["modified"])}
                rows.append(row)
        part, status = request.get("NameContains", ""), request.get("StatusEquals")
        listed = [row for row in rows if part in row[f"{noun}Name"]]
        listed = [row for row in listed if status in (None, row.get("EndpointStatus"))]
        for field in ("CreationTime", "LastModifiedTime"):
            listed = within(
                listed,
                request,
                lambda row, field=field: row[field].timestamp(),
                (f"{field}After", f"{field}Before"),
            )
        if request.get("SortBy") in ("Name", "Status"):
            key = f"{noun}Name" if request["SortBy"] == "Name" else "EndpointStatus"
            listed.sort(key=lambda row: row[key])
        if descending(request):
            listed.reverse()
        some, token = page(listed, request)
        return {f"{noun}s": list(some), **token}

    # --- an endpoint's life -----------------------------------------------------------------------

    def _variants(self, config: str) -> list[dict[str, Any]]:
        request = self._entry("EndpointConfig", config)["request"]
        return [
            {
                "VariantName": variant["VariantName"],
                "weight": variant.get("InitialVariantWeight", 1.0),
                "count": variant.get("InitialInstanceCount"),
                "serverless": variant.get("ServerlessConfig"),
            }
            for variant in request["ProductionVariants"]
        ]

    def _changeable(self, name: str) -> dict[str, Any]:
        entry = self._settled(self._entry("Endpoint", name))
        if entry["status"] != "InService":
            raise invalid(f'Cannot update in-progress endpoint "{entry["arn"]}".')
        return entry

    def _change(
        self, entry: dict[str, Any], status: str, config: str, variants: list[dict[str, Any]]
    ) -> None:
        now = self._clock.now()
        entry["status"], entry["modified"] = status, now
        entry["pending"] = {"config": config, "variants": variants, "at": now + self._takes}
        entry.setdefault("config", config)

    def _settled(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Give an endpoint what it is changing to, if that has had its time."""
        pending = entry.get("pending")
        if pending is not None and self._clock.now() >= pending["at"]:
            entry |= {"config": pending["config"], "variants": pending["variants"]}
            entry |= {"status": "InService", "modified": pending["at"], "pending": None}
        return entry


def _retain(variants: list[dict[str, Any]], old: list[dict[str, Any]]) -> None:
    """Keep the weights and counts that variants have now."""
    known = {variant["VariantName"]: variant for variant in old}
    for variant in variants:
        variant |= {
            key: value
            for key, value in known.get(variant["VariantName"], {}).items()
            if key in ("weight", "count") and value is not None
        }


def _shown(current: dict[str, Any], desired: dict[str, Any]) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": current["VariantName"]}
    for kept, shown in (
        ("weight", "Weight"),
        ("count", "InstanceCount"),
        ("serverless", "ServerlessConfig"),
    ):
        if current[kept] is not None:
            variant |= {f"Current{shown}": current[kept], f"Desired{shown}": desired[kept]}
    return variant
