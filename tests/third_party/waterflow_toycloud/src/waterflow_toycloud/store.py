"""Outside data in the toy cloud: pinned to its tag, and fetched as exactly that."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from waterflow.data.pinned import Pinned, absent, changed, gone, listing_version, refuse_manifest
from waterflow.errors import ArtifactError, ConfigurationError, TransientError
from waterflow_toycloud.connections import request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST = 255
"""Bytes of a file's name."""


@dataclass(frozen=True)
class _Object:
    """An object as it was seen: its key, its tag without quotes, and its bytes."""

    key: str
    tag: str
    size: int

    @property
    def marks_folder(self) -> bool:
        return self.key.endswith("/") and not self.size


class ToyStore:
    """One address in the toy cloud: an object, or else all objects below it.

    Args:
        uri: `toy://bucket/key`.

    Raises:
        ConfigurationError: It names no bucket.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._bucket, _, self._key = uri.partition("://")[2].partition("/")
        if not self._bucket:
            raise ConfigurationError(f"Data at {uri} names no bucket. Write toy://BUCKET/KEY")

    def pin(self) -> Pinned:
        """Return what is there now."""
        single = self._object()
        if single is not None:
            return Pinned(self._uri, f"etag:{single.tag}", size=single.size)
        below = self._below()
        if not below:
            raise absent(self._uri)
        return Pinned(self._uri, self._listing(below), size=sum(one.size for one in below))

    def fetch(self, pinned: Pinned, folder: Path) -> str:
        """Bring what was pinned into a folder, and return the name that it has there."""
        name, places = self._pinned(pinned)
        for one, place in places.items():
            file = folder / place
            if one.marks_folder:
                file.mkdir(parents=True, exist_ok=True)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            status, _, body = self._ask("GET", one.key, {"If-Match": f'"{one.tag}"'})
            if status != 200:
                raise changed(pinned, "another one by now")
            file.write_bytes(body)
        return name

    def copy(self, pinned: Pinned, target: str) -> None:
        """Bring what was pinned to another address in the toy cloud."""
        name, places = self._pinned(pinned)
        refuse_manifest(pinned, name)
        bucket, _, folder = target.removeprefix("toy://").partition("/")
        for one, place in places.items():
            if not one.marks_folder:
                source = quote(f"{self._bucket}/{one.key}")
                path = f"/objects/{quote(f'{bucket}/{folder}/{place}')}"
                request("PUT", path, b"", {"x-amz-copy-source": source})

    def _pinned(self, pinned: Pinned) -> tuple[str, dict[_Object, PurePosixPath]]:
        """Return the data's name, and where in a folder each object goes."""
        name = self._place(self._key.rstrip("/").rpartition("/")[2] or self._bucket).name
        kind = (pinned.version or "").partition(":")[0]
        single = None if kind == "listing" else self._object()
        if single is not None:
            if pinned.version not in (None, f"etag:{single.tag}"):
                raise changed(pinned, f"etag:{single.tag}")
            return name, {single: PurePosixPath(name)}
        below = self._below()
        if not below or kind == "etag":
            raise gone(self._uri)
        if pinned.version not in (None, version := self._listing(below)):
            raise changed(pinned, version)
        return name, {one: name / place for one, place in self._places(below).items()}

    # --- looking --------------------------------------------------------------------------------

    def _object(self) -> _Object | None:
        if not self._key or self._key.endswith("/"):
            return None
        status, headers, _ = self._ask("HEAD", self._key)
        if status != 200:
            return None
        return _Object(self._key, headers["etag"].strip('"'), int(headers["content-length"]))

    @property
    def _prefix(self) -> str:
        return self._key if not self._key or self._key.endswith("/") else f"{self._key}/"

    def _below(self) -> list[_Object]:
        objects = list(self._list())
        self._places(objects)
        return objects

    def _list(self) -> Iterator[_Object]:
        query = {"list-type": "2", "prefix": self._prefix}
        token: str | None = None
        while True:
            more = query | ({"continuation-token": token} if token else {})
            status, _, body = self._ask("GET", f"?{urlencode(more)}")
            if status != 200:
                raise absent(self._uri, f"there is no bucket '{self._bucket}'")
            root = ET.fromstring(body)
            for one in root.iter("Contents"):
                key, tag, size = (one.findtext(name) or "" for name in ("Key", "ETag", "Size"))
                yield _Object(key, tag.strip('"'), int(size))
            token = root.findtext("NextContinuationToken")
            if token is None:
                return

    def _listing(self, below: list[_Object]) -> str:
        start = len(self._prefix)
        return listing_version(
            {f"/{one.key[start:]}": (f"etag:{one.tag}", one.size) for one in below}
        )

    def _places(self, objects: list[_Object]) -> dict[_Object, PurePosixPath]:
        """Return where each object goes within a folder that can hold them all."""
        start = len(self._prefix)
        places = {
            one: PurePosixPath()
            if one.key == self._prefix and one.marks_folder
            else self._place(one.key[start:].removesuffix("/" * one.marks_folder))
            for one in objects
        }
        files = {place for one, place in places.items() if not one.marks_folder}
        for one, place in places.items():
            for folder in (*place.parents, *([place] if one.marks_folder else [])):
                if folder in files:
                    raise ArtifactError(
                        f"Data at {self._uri}: {str(folder)!r} is an object, and "
                        f"{one.key[start:]!r} lies below it. Rename one of them"
                    )
        return places

    def _place(self, inside: str) -> PurePosixPath:
        parts = inside.split("/")
        if any(part in ("", ".", "..") or len(part.encode()) > _LONGEST for part in parts):
            raise ArtifactError(
                f"Data at {self._uri}: no file can be called {inside!r}. Copy it to another key"
            )
        return PurePosixPath(*parts)

    def _ask(
        self, method: str, key: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        path = f"/objects/{quote(self._bucket)}"
        path += key if key.startswith("?") else f"/{quote(key, safe='/')}"
        try:
            return request(method, path, None, headers)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(
                f"Data at {self._uri} cannot be read: {error}. Try again",
                provider="toycloud",
                operation="read data",
                retryable=True,
            ) from error
