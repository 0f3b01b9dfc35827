"""Makes Azure's resources through Resource Manager: what a stack made is what a run meets."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from standin.carriers.rest import PATIENCE, Rest
from standin.clouds.azure_native import FACTS
from standin.provider import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.values import Properties

MANAGEMENT = "https://management.azure.com"
ENVELOPE = {"location", "tags", "sku", "kind", "identity", "managedBy"}
"""What stands beside a resource's `properties`."""


@dataclass(frozen=True)
class Kind:
    """A type of resource as Resource Manager has it.

    Attributes:
        version: The API version.
        names: SDK's names of properties -> Resource Manager's, where they differ.
        answers: What else of the answer's properties is an output.
        stays: Whether it cannot be deleted: it ends with what it is a part of.
    """

    version: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    answers: tuple[str, ...] = ()
    stays: bool = False


_STORAGE, _IDENTITY, _ML = "2024-01-01", "2023-01-31", "2024-10-01"
KINDS: dict[str, Kind] = {
    f"azure-native:{token}": kind
    for token, kind in {
        "resources:ResourceGroup": Kind("2024-11-01"),
        "storage:StorageAccount": Kind(
            _STORAGE,
            {
                "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
                "networkRuleSet": "networkAcls",
                "iPAddressOrRange": "value",
            },
        ),
        "storage:BlobServiceProperties": Kind(_STORAGE, stays=True),
        "storage:BlobContainer": Kind(_STORAGE),
        "keyvault:Vault": Kind("2024-11-01"),
        "managedidentity:UserAssignedIdentity": Kind(
            _IDENTITY, answers=("clientId", "principalId", "tenantId")
        ),
        "managedidentity:FederatedIdentityCredential": Kind(_IDENTITY),
        "authorization:RoleDefinition": Kind("2022-04-01", {"roleType": "type"}),
        "authorization:RoleAssignment": Kind("2022-04-01"),
        "machinelearningservices:Workspace": Kind(
            _ML, answers=("mlFlowTrackingUri", "workspaceId", "tenantId")
        ),
        "machinelearningservices:Compute": Kind(_ML),
        "machinelearningservices:Datastore": Kind(_ML),
    }.items()
}


@dataclass
class AzureCarrier:
    """Carries Azure's resources out where an environment's variables lead.

    These are the ones that Azure's own SDKs read: a proxy, authorities, a token endpoint, as
    `waterflow emulate azureml` sets them. Types that it does not take stay with the stand-in.

    Args:
        environment: The variables; by default this process's.
        leave: Types not to carry, though this could.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    leave: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._rest = Rest(self.environment)
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ""

    def takes(self, token: str) -> bool:
        """Whether this makes resources of a type."""
        return token in KINDS and token not in self.leave

    def create(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Make a resource; what Azure answers stands above what the stand-in made up."""
        return self._put(token, inputs, outputs)

    def update(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Change a resource."""
        return self._put(token, inputs, outputs)

    def read(self, token: str, outputs: Properties) -> Properties | None:
        """Return what Azure has now, None where it has none."""
        answer = self._send("GET", self._address(token, outputs))
        return None if answer is None else self._shown(token, outputs, answer)

    def delete(self, token: str, outputs: Properties) -> None:
        """Remove a resource; one that is gone already is no error."""
        if not KINDS[token].stays:
            self._send("DELETE", self._address(token, outputs))

    def _put(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        address, body = self._address(token, outputs), _body(token, inputs)
        self._send("PUT", address, body)
        answer = self._send("GET", address)
        if answer is None:
            raise ProviderError(f"Azure made {address} and has none")
        return {**self._shown(token, outputs, answer), "id": answer["id"]}

    def _address(self, token: str, outputs: Properties) -> str:
        return f"{quote(str(outputs['id']))}?api-version={KINDS[token].version}"

    def _shown(self, token: str, outputs: Properties, answer: dict[str, Any]) -> Properties:
        """Return an answer as outputs: what the stack said, as Azure has it, and what it adds."""
        kind, properties = KINDS[token], answer.get("properties") or {}
        if "properties" not in outputs:
            answer = {**properties, **answer}
        renamed = {theirs: ours for ours, theirs in kind.names.items()}
        flat = _renamed(answer, renamed)
        known = {key: _like(outputs[key], flat[key]) for key in outputs if key in flat}
        return known | {key: properties[key] for key in kind.answers if key in properties}

    def _send(
        self, method: str, address: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Send a request and wait until what it began is done; None for what is not there."""
        try:
            answer, headers = self._once(method, MANAGEMENT + address, body)
        except urllib.error.HTTPError as error:
            if error.code == 404 and method != "PUT":
                return None
            text = error.read().decode(errors="replace")
            raise ProviderError(f"Azure refused {method} {address}: {text}") from error
        status = headers.get("Azure-AsyncOperation")
        deadline = time.monotonic() + PATIENCE
        while status and time.monotonic() < deadline:
            state, _ = self._once("GET", status, None)
            if state.get("status") in {"Succeeded", "Failed", "Canceled"}:
                break
            time.sleep(0.1)
        return answer

    def _once(
        self, method: str, url: str, body: dict[str, Any] | None
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        return self._rest.send(method, url, self._bearer(), body)

    def _bearer(self) -> str:
        if not self._token:
            url = f"{self.environment['MSI_ENDPOINT']}?api-version=2017-09-01&resource={MANAGEMENT}"
            request = urllib.request.Request(url)  # noqa: S310 of this machine
            request.add_header("Secret", self.environment["MSI_SECRET"])
            with self._direct.open(request, timeout=PATIENCE) as reply:
                self._token = json.loads(reply.read())["access_token"]
        return self._token


def _body(token: str, inputs: Properties) -> dict[str, Any]:
    """Return a resource as Resource Manager takes it: its names are in the address."""
    facts, kind = FACTS[token], KINDS[token]
    named = set(re.findall(r"{(\w+)}", facts.id))
    own = {key: value for key, value in inputs.items() if key not in named}
    envelope = {key: own.pop(key) for key in ENVELOPE & own.keys()}
    if isinstance(envelope.get("identity"), dict):
        identity = dict(envelope["identity"])
        identities = identity.get("userAssignedIdentities") or []
        envelope["identity"] = {
            **identity,
            "userAssignedIdentities": {one: {} for one in identities},
        }
    properties = own.pop("properties", None)
    body = {**envelope, "properties": properties if properties is not None else own}
    return _renamed(body, kind.names)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(one, names) for key, one in value.items()}
    return [_renamed(one, names) for one in value] if isinstance(value, list) else value


def _like(shape: Any, value: Any) -> Any:
    """Return of a value what a shape has: Azure adds its own defaults to what it was told."""
    if isinstance(shape, dict) and isinstance(value, dict):
        if not shape:
            return value
        return {key: _like(one, value[key]) for key, one in shape.items() if key in value}
    if isinstance(shape, list) and isinstance(value, list) and len(shape) == len(value):
        return [_like(one, other) for one, other in zip(shape, value, strict=True)]
    return value
