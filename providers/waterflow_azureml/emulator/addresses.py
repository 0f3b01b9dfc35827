"""Where data is: the addresses that jobs write, as a storage account, a container and a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_azureml.emulator.resources import Resources

_DATASTORE: Final = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<store>[^/]+)(?:/paths(?:/(?P<path>.*))?)?"
)
_HTTPS: Final = re.compile(
    r"https://(?P<account>[\w-]+)\.(?:blob|dfs)\.core\.windows\.net/(?P<container>[^/?]+)"
    r"(?:/(?P<path>[^?]*))?(?:\?.*)?"
)
_OF_USER: Final = re.compile(
    r"(?:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<account>[\w-]+)\.(?:blob|dfs)\."
    r"core\.windows\.net(?:/(?P<path>.*))?"
)
_JOB: Final = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)"
                         r"(?:/paths(?:/(?P<path>.*))?)?")  # fmt: skip
_ARM: Final = re.compile(
    r"(?:azureml:)?(?P<workspace>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
    r"Microsoft\.MachineLearningServices/workspaces/[^/]+)/(?P<kind>data|models)/(?P<name>[^/]+)/"
    r"(?:versions|labels)/(?P<version>[^/]+)",
    re.IGNORECASE,
)
_SHORT: Final = re.compile(r"(?:azureml:)?(?P<name>[A-Za-z0-9][\w.-]*)(?:[:@](?P<version>[\w.-]+))")


class AddressError(ValueError):
    """An address names nothing that there is, or nothing that is read here."""


@dataclass(frozen=True)
class Place:
    """Where data is.

    Attributes:
        account: The storage account.
        container: Its container.
        path: The name of a blob, or of a folder of blobs.
    """

    account: str
    container: str
    path: str

    @property
    def url(self) -> str:
        """The address by which anyone reads a blob."""
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{self.path}"


@dataclass(frozen=True)
class Asset:
    """A version of a data asset or a model.

    Attributes:
        id: Its ARM id.
        uri: Where its data is.
        kind: `uri_folder`, `custom_model`.
    """

    id: str
    uri: str
    kind: str


class Addresses:
    """Reads the addresses of one workspace's jobs.

    Args:
        resources: The documents of all resources.
        workspace: The workspace's ARM id.
        output: Returns where an output of a job is, for `azureml://jobs/...`; None for no such one.
    """

    def __init__(
        self,
        resources: Resources,
        workspace: str,
        output: Callable[[str, str], str | None] | None = None,
    ) -> None:
        self._resources, self._workspace, self._output = resources, workspace, output

    def asset(self, address: str) -> Asset | None:
        """Return the asset that an address names; None for an address that is none of an asset.

        Raises:
            AddressError: There is no such asset.
        """
        match = _ARM.fullmatch(address)
        if match is not None:
            return self._version(match["workspace"], match["kind"], match["name"], match["version"])
        match = _SHORT.fullmatch(address)
        if match is None:
            return None
        for kind in ("data", "models"):
            if self._resources.get(f"{self._workspace}/{kind}/{match['name']}") is not None:
                return self._version(self._workspace, kind, match["name"], match["version"])
        raise AddressError(f"there is no data asset '{match['name']}' in the workspace")

    def place(self, address: str) -> Place:
        """Return where the data of an address is.

        Args:
            address: A URI, or an asset's name or id.

        Raises:
            AddressError: It names nothing that there is.
        """
        asset = self.asset(address)
        if asset is not None:
            return self.place(asset.uri)
        match = _DATASTORE.fullmatch(address)
        if match is not None:
            return self._in_datastore(match["store"], unquote(match["path"] or ""))
        match = _HTTPS.fullmatch(address) or _OF_USER.fullmatch(address)
        if match is not None:
            return Place(match["account"], match["container"], unquote(match["path"] or ""))
        match = _JOB.fullmatch(address)
        if match is not None:
            whole = self._output(match["job"], match["output"]) if self._output else None
            if whole is None:
                raise AddressError(f"job '{match['job']}' has no output '{match['output']}'")
            place = self.place(whole)
            path = "/".join(filter(None, (place.path.rstrip("/"), match["path"])))
            return Place(place.account, place.container, path)
        raise AddressError(
            f"the emulator reads no '{address}': use azureml://datastores/NAME/paths/PATH, "
            "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, abfss:// or a data asset"
        )

    def _in_datastore(self, name: str, path: str) -> Place:
        record = self._resources.get(f"{self._workspace}/datastores/{name}")
        if record is None:
            raise AddressError(f"there is no datastore '{name}' in the workspace")
        properties: dict[str, Any] = record.properties
        container = properties.get("containerName") or properties.get("filesystem")
        if not container:
            raise AddressError(
                f"the emulator reads no datastore of type {properties.get('datastoreType')} "
                f"('{name}'): use AzureBlob or AzureDataLakeGen2"
            )
        return Place(properties["accountName"], container, path)

    def _version(self, workspace: str, kind: str, name: str, version: str) -> Asset:
        container = f"{workspace}/{kind}/{name}"
        if version == "latest":
            versions = [
                record
                for record in self._resources.below(container, f"{kind}/versions")
                if not record.properties.get("isArchived")
            ]
            record = max(versions, key=lambda one: one.created, default=None)
        else:
            record = self._resources.get(f"{container}/versions/{version}")
        if record is None:
            raise AddressError(f"there is no version {version} of '{name}' in the workspace")
        properties = record.properties
        if kind == "data":
            return Asset(record.id, properties["dataUri"], properties.get("dataType", "uri_folder"))
        return Asset(record.id, properties["modelUri"], properties.get("modelType", "custom_model"))


def datastore_uri(name: str, path: str) -> str:
    """Return the address of a path in a datastore."""
    return f"azureml://datastores/{name}/paths/{path.lstrip('/')}"


def resource_name(identity: str) -> str:
    """Return a resource's name, of its ARM id or of `azureml:NAME`."""
    return identity.removeprefix("azureml:").rstrip("/").rpartition("/")[2]
