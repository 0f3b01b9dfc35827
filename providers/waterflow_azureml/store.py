"""Data in Blob Storage and ADLS, by azure-storage-blob: pinned, and fetched as exactly that."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow.cloud.outside import OutsideData, OutsideObject, all_at_once
from waterflow.data.pinned import Pinned, absent, changed
from waterflow.errors import ConfigurationError, MissingDependencyError
from waterflow_azureml.addresses import (
    BlobAddress,
    blob_address,
    datastore_address,
)
from waterflow_azureml.connections import (
    INSTALL,
    STORAGE_SCOPE,
    ask_datastore,
    make_credential,
)
from waterflow_azureml.errors import translated

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from azure.storage.blob import BlobClient, ContainerClient

_PART: Final = 64 * 1024 * 1024
"""Bytes of a blob that are one download, or one block that is copied."""
_WHOLE: Final = 256 * 1024 * 1024
"""Bytes of a blob that are copied in one request:
https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url"""
_FORM: Final = (
    "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, "
    "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH or "
    "azureml://subscriptions/ID/resourcegroups/GROUP/workspaces/NAME/datastores/NAME/paths/PATH"
)


def is_azure(uri: str) -> bool:
    """Say whether an address is one in Azure's storage."""
    return blob_address(uri) is not None or datastore_address(uri) is not None


class AzureStore(OutsideData):
    """One address in Azure's storage, with the credentials that any Azure tool would find.

    Args:
        uri: `abfss://...`, `wasbs://...`, `https://ACCOUNT.blob.core.windows.net/...`, or
            `azureml://subscriptions/.../datastores/NAME/paths/PATH`; a path is taken as it is
            written.

    Raises:
        ConfigurationError: It names no container.
        MissingDependencyError: azure-storage-blob is not installed.
    """

    def __init__(self, uri: str) -> None:
        if find_spec("azure") is None or find_spec("azure.storage.blob") is None:
            raise MissingDependencyError("azure-storage-blob", f"Data at {uri}", INSTALL)
        address = _resolved(uri)
        key = address.key
        entry = key.rstrip("/").rpartition("/")[2] or address.container
        super().__init__(uri, address.container, key, entry)
        self._address = address

    @cached_property
    def _client(self) -> ContainerClient:
        return _container(self._address, self.uri)

    # --- looking --------------------------------------------------------------------------------

    def object(self, version: str | None = None) -> OutsideObject | None:
        """Return the blob of the very name; None when there is none."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        which: Any = {"version_id": version} if version else {}
        with self._asking("GetBlobProperties"):
            try:
                seen: Any = self._blob(self.key).get_blob_properties(**which)
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if version and error.status_code == 400:
                    return None
                raise
        if (seen.metadata or {}).get("hdi_isfolder") == "true":
            return None  # what a file system keeps of a folder
        return OutsideObject(self.key, seen.etag.strip('"'), seen.size, seen.version_id)

    def listed(self, prefix: str) -> list[OutsideObject]:
        """Return the blobs below a prefix."""
        from azure.core.exceptions import ResourceNotFoundError

        with self._asking("ListBlobs"):
            try:
                return [
                    OutsideObject(one.name, one.etag.strip('"'), one.size)
                    for one in self._client.list_blobs(
                        name_starts_with=prefix or None, include=["metadata"]
                    )
                    if (one.metadata or {}).get("hdi_isfolder") != "true"
                ]
            except ResourceNotFoundError:
                where = f"'{self.container}' in the storage account {self._address.account}"
                raise absent(self.uri, f"there is no container {where}") from None

    def _blob(self, key: str) -> BlobClient:
        return self._client.get_blob_client(key)

    # --- downloading ----------------------------------------------------------------------------

    def download(self, pinned: Pinned, targets: Iterable[tuple[OutsideObject, Path]]) -> None:
        """Write blobs to files, several parts at a time."""
        parts: list[tuple[Pinned, OutsideObject, Path, int]] = []
        for one, file in targets:
            with file.open("wb") as stream:
                stream.truncate(one.size)
            parts += [(pinned, one, file, start) for start in range(0, one.size, _PART)]
        all_at_once(self._part, parts)

    def _part(self, pinned: Pinned, one: OutsideObject, file: Path, start: int) -> None:
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        length = min(_PART, one.size - start)
        with self._asking("GetBlob"):
            try:
                content = self._read(one, start, length, self._unchanged(one))
            except (ResourceModifiedError, ResourceNotFoundError):
                if pinned.version != f"version:{one.version}":
                    raise changed(pinned, "another one by now") from None
                content = self._read(one, start, length, {"version_id": one.version})
        with file.open("r+b") as stream:
            stream.seek(start)
            stream.write(content)

    def _read(self, one: OutsideObject, start: int, length: int, which: dict[str, Any]) -> bytes:
        blob = self._blob(one.key)
        return blob.download_blob(offset=start, length=length, **which).readall()

    def _unchanged(self, one: OutsideObject) -> dict[str, Any]:
        from azure.core import MatchConditions

        return {"etag": f'"{one.etag}"', "match_condition": MatchConditions.IfNotModified}

    # --- copying --------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, account: str, container: str, prefix: str) -> None:
        """Bring what was pinned to another container; it passes through no other machine.

        Args:
            pinned: What `pin` returned.
            account: The other storage account.
            container: The other container.
            prefix: What the new names begin with; it ends with a slash.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: Azure refuses, or cannot be reached.
        """
        places = self.places(pinned)
        with self._asking("CopyBlob"):
            target = _container(BlobAddress(account, container, ""), self.uri)
        calls = [(pinned, one, target.get_blob_client(f"{prefix}{place}")) for one, place in places]
        all_at_once(self._copy, calls)

    def _copy(self, pinned: Pinned, one: OutsideObject, target: BlobClient) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        source = self._blob(one.key).url
        how: dict[str, Any] = {
            "source_authorization": f"Bearer {self._token()}",
            "source_etag": f'"{one.etag}"',
            "source_match_condition": MatchConditions.IfNotModified,
        }
        with self._asking("CopyBlob"):
            try:
                self._copied(one, target, source, how)
            except HttpResponseError as error:
                if error.status_code not in (404, 412):
                    raise
                if not one.version or pinned.version != one.pinned_as:
                    raise changed(pinned, "another one by now") from None
                kept = f"{source}?versionid={quote(one.version)}"
                self._copied(
                    one, target, kept, {"source_authorization": how["source_authorization"]}
                )

    def _copied(
        self, one: OutsideObject, target: BlobClient, source: str, how: dict[str, Any]
    ) -> None:
        from azure.storage.blob import BlobBlock

        if one.size <= _WHOLE:
            target.start_copy_from_url(source, requires_sync=True, **how)
            return
        if "source_etag" in how:
            self._blob(one.key).get_blob_properties(**self._unchanged(one))
        blocks: list[BlobBlock] = []
        for start in range(0, one.size, _PART):
            block = base64.b64encode(f"{start:020}".encode()).decode()
            target.stage_block_from_url(
                block,
                source,
                source_offset=start,
                source_length=min(_PART, one.size - start),
                source_authorization=how["source_authorization"],
            )
            blocks.append(BlobBlock(block))
        if "source_etag" in how:  # the blocks are all of one content
            self._blob(one.key).get_blob_properties(**self._unchanged(one))
        target.commit_block_list(blocks)

    def _token(self) -> str:
        credential = make_credential(f"Data at {self.uri}")
        return str(credential.get_token(STORAGE_SCOPE).token)

    @contextmanager
    def _asking(self, operation: str) -> Generator[None]:
        """Tell what Azure refuses with the data's address."""
        with self.at_address(), translated(operation):
            yield


def _resolved(uri: str) -> BlobAddress:
    """Return the place in a storage account that an address stands for.

    Raises:
        ConfigurationError: It is no address in Azure's storage.
        ProviderError: The workspace that it names cannot be asked.
    """
    address = blob_address(uri)
    if address is not None and address.container:
        return address
    place = datastore_address(uri)
    if place is None or not place.workspace:
        raise ConfigurationError(
            f"Data at {uri} names no bucket, which in Azure's storage is a container of an "
            f"account. Write {_FORM}"
        )
    account, container = ask_datastore(place)
    return BlobAddress(account, container, place.path)


def _container(address: BlobAddress, uri: str) -> ContainerClient:
    """Return the client of a container, for who is signed in.

    Raises:
        AuthenticationError: Nobody is: the client would try again and again.
    """
    from azure.storage.blob import ContainerClient, LinearRetry

    credential = make_credential(f"Data at {uri}")
    with translated("GetToken"):
        credential.get_token(STORAGE_SCOPE)
    return ContainerClient(
        f"https://{address.account}.blob.core.windows.net",
        address.container,
        credential=credential,
        retry_policy=LinearRetry(backoff=1, retry_total=6, random_jitter_range=1),
        connection_timeout=10,
        read_timeout=60,
        user_agent="waterflow",
        max_single_get_size=_PART,
    )
