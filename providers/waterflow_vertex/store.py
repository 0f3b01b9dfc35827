"""Data in Cloud Storage, by its JSON API: pinned by generations, and fetched as exactly those."""

from __future__ import annotations

import os
import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow.cloud.outside import OutsideData, OutsideObject, all_at_once
from waterflow.data.pinned import Pinned, absent, changed
from waterflow.errors import ConfigurationError, NotFoundError, TransientError
from waterflow_vertex.connections import STORAGE, Google, need_google
from waterflow_vertex.errors import refusal, translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_PART: Final = 64 * 1024 * 1024
"""Bytes of an object that are one download."""
PAGE = 1000
"""Objects on a page of a listing: https://cloud.google.com/storage/docs/json_api/v1/objects/list"""
_CHUNK: Final = 1024 * 1024
_TRIES: Final = 5
_ADDRESS: Final = re.compile(r"(?i:gs)://(?P<bucket>[^/]*)(?:/(?P<key>.*))?", re.DOTALL)
_FIELDS: Final = "name,generation,size,etag"


def is_gcs(uri: str) -> bool:
    """Say whether an address is one in Cloud Storage."""
    return _ADDRESS.fullmatch(uri) is not None


class GCSStore(OutsideData):
    """One address in Cloud Storage, with the credentials that any Google tool would find.

    What is at it is pinned by generations: the number that Cloud Storage gives each content of an
    object. https://cloud.google.com/storage/docs/metadata#generation-number

    Args:
        uri: `gs://BUCKET/PATH`; a path is taken as it is written.

    Raises:
        ConfigurationError: It names no bucket.
        MissingDependencyError: google-auth is not installed.
    """

    def __init__(self, uri: str) -> None:
        need_google(f"Data at {uri}")
        match = _ADDRESS.fullmatch(uri)
        if match is None or not match["bucket"]:
            raise ConfigurationError(f"Data at {uri} names no bucket. Write gs://BUCKET/PATH")
        key = match["key"] or ""
        entry = key.rstrip("/").rpartition("/")[2] or match["bucket"]
        super().__init__(uri, match["bucket"], key, entry)

    @cached_property
    def _google(self) -> Google:
        with self.at_address():
            return _signed_in(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))

    def _address(self, key: str) -> str:
        return f"{STORAGE}/storage/v1/b/{self.container}/o/{quote(key, safe='')}"

    # --- looking --------------------------------------------------------------------------------

    def object(self, version: str | None = None) -> OutsideObject | None:
        """Return the object of the very key; None when there is none."""
        query = {"fields": _FIELDS} | ({"generation": version} if version else {})
        with self.at_address():
            try:
                url = self._address(self.key)
                return _seen(self._google.call("GetObject", "GET", url, query=query))
            except NotFoundError:
                return None

    def listed(self, prefix: str) -> list[OutsideObject]:
        """Return the objects below a prefix."""
        url = f"{STORAGE}/storage/v1/b/{self.container}/o"
        query: dict[str, Any] = {"prefix": prefix, "maxResults": PAGE}
        query["fields"] = f"nextPageToken,items({_FIELDS})"
        with self.at_address():
            try:
                return [
                    _seen(one) for one in self._google.pages("ListObjects", url, "items", query)
                ]
            except NotFoundError:
                raise absent(self.uri, f"there is no bucket '{self.container}'") from None

    # --- downloading ----------------------------------------------------------------------------

    def download(self, pinned: Pinned, targets: Iterable[tuple[OutsideObject, Path]]) -> None:
        """Write objects to files, in parts."""
        parts: list[tuple[Pinned, OutsideObject, Path, int]] = []
        for one, file in targets:
            with file.open("wb") as stream:
                stream.truncate(one.size)
            parts += [(pinned, one, file, start) for start in range(0, one.size, _PART)]
        if parts:
            self._google.connect()
        all_at_once(self._part, parts)

    def _part(self, pinned: Pinned, one: OutsideObject, file: Path, start: int) -> None:
        end = min(start + _PART, one.size)
        with self.at_address():
            for left in reversed(range(_TRIES)):
                try:
                    self._read(one, file, start, end)
                except NotFoundError:
                    raise changed(pinned, "another one by now") from None
                except TransientError:
                    if not left:
                        raise
                else:
                    return

    def _read(self, one: OutsideObject, file: Path, start: int, end: int) -> None:
        """Write the bytes from `start` to `end` of an object to a file."""
        response = self._google.send(
            "GetObject",
            "GET",
            self._address(one.key),
            query={"alt": "media", "generation": one.version},
            # What is stored compressed comes as it is stored.
            headers={"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"},
            stream=True,
        )
        with response, translated("GetObject"), file.open("r+b") as stream:
            stream.seek(start)
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                stream.write(chunk)
            if stream.tell() != end:
                raise refusal("GetObject", 0, "", "", f"the answer broke off at {stream.tell()}")

    # --- copying --------------------------------------------------------------------------------

    def is_at(self, endpoint: str | None) -> bool:
        """Say whether Cloud Storage is at an address: it is Google's own.

        Args:
            endpoint: The address; None for the cloud's own service.
        """
        return endpoint is None

    def copy_to(self, pinned: Pinned, target: str) -> None:
        """Bring what was pinned to another place in Cloud Storage.

        Args:
            pinned: What `pin` returned.
            target: `gs://BUCKET/NAME/`.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: Google refuses, or cannot be reached.
        """
        bucket, _, prefix = target.partition("://")[2].partition("/")
        self.copy(pinned, bucket, prefix)

    def copy(self, pinned: Pinned, bucket: str, prefix: str) -> None:
        """Bring what was pinned to another bucket; it passes through no other machine.

        Args:
            pinned: What `pin` returned.
            bucket: The other bucket.
            prefix: What the new names begin with; it ends with a slash.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: Google refuses, or cannot be reached.
        """
        calls = [(pinned, one, bucket, f"{prefix}{to}") for one, to in self.places(pinned)]
        all_at_once(self._copy, calls)

    def _copy(self, pinned: Pinned, one: OutsideObject, bucket: str, key: str) -> None:
        """Copy an object: what is large, or of another place, takes several calls.

        https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
        """
        url = f"{self._address(one.key)}/rewriteTo/b/{bucket}/o/{quote(key, safe='')}"
        query: dict[str, Any] = {"sourceGeneration": one.version}
        with self.at_address():
            try:
                while True:
                    answer = self._google.call("RewriteObject", "POST", url, query=query)
                    if answer.get("done", True):
                        return
                    query["rewriteToken"] = answer["rewriteToken"]
            except NotFoundError:
                if self.object(one.version) is not None:
                    raise  # it is the other bucket that is not there
                raise changed(pinned, "another one by now") from None


@cache
def _signed_in(file: str | None) -> Google:
    """Return the ways to Cloud Storage of who is signed in: one sign-in serves many addresses.

    Args:
        file: The file with credentials that is named, if any.
    """
    del file
    google = Google("Data in Cloud Storage")
    google.connect()
    return google


def _seen(item: Mapping[str, Any]) -> OutsideObject:
    name, generation = str(item["name"]), str(item["generation"])
    return OutsideObject(name, str(item.get("etag", "")), int(item["size"]), generation)
