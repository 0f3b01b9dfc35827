"""Addresses in Azure's storage, as people write them: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_HOST: Final = re.compile(r"(?P<account>[a-z0-9]{3,24})\.(?:blob|dfs)\.core\.windows\.net")
_DATASTORE: Final = re.compile(
    r"azureml://(?:subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)/"
    r"(?:providers/Microsoft\.MachineLearningServices/)?workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)"
)
SCHEMES: Final = ("abfss", "abfs", "wasbs", "az", "azureml")
"""The schemes of Azure's own."""


@dataclass(frozen=True)
class BlobAddress:
    """A place in a storage account.

    Attributes:
        account: The account.
        container: The container; a file system, in the words of ADLS.
        key: The blob's name, or what the names of several begin with.
        version: The version of the blob that the address names; None for the current one.
    """

    account: str
    container: str
    key: str
    version: str | None = None


@dataclass(frozen=True)
class DatastoreAddress:
    """A place below a datastore of a workspace.

    Attributes:
        subscription: The subscription; "" where the address does not say the workspace.
        group: The resource group.
        workspace: The workspace.
        datastore: The datastore.
        path: The path within it.
    """

    subscription: str
    group: str
    workspace: str
    datastore: str
    path: str


def blob_address(uri: str) -> BlobAddress | None:
    """Return where in Azure's storage an address is; None for one that is elsewhere.

    Args:
        uri: `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`, `wasbs://` alike, or
            `https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH`, `dfs` alike.
    """
    scheme, _, rest = uri.partition("://")
    scheme = scheme.lower()
    if scheme in ("abfss", "abfs", "wasbs"):
        authority, _, key = rest.partition("/")
        container, at, host = authority.partition("@")
        match = _HOST.fullmatch(host.lower())
        return BlobAddress(match["account"], container, key) if at and match else None
    if scheme != "https":
        return None
    parts = urlsplit(uri)
    match = _HOST.fullmatch((parts.hostname or "").lower())
    if match is None or (parts.query and "versionid=" not in parts.query.lower()):
        return None  # one that is signed is an address like any other
    container, _, key = unquote(parts.path).lstrip("/").partition("/")
    version = re.search(r"versionid=([^&]+)", parts.query, re.IGNORECASE)
    named = unquote(version[1]) if version else None
    return BlobAddress(match["account"], container, key, named) if container else None


def datastore_address(uri: str) -> DatastoreAddress | None:
    """Return where below a datastore an address is; None for another."""
    match = _DATASTORE.fullmatch(uri)
    if match is None:
        return None
    return DatastoreAddress(
        match["subscription"] or "",
        match["group"] or "",
        match["workspace"] or "",
        match["datastore"],
        match["path"],
    )
