"""Objects of the profile's bucket: written encrypted, many at a time, read whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from waterflow.data import Pinned
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.store import S3Store

_AT_ONCE: Final = 8
"""Transfers at a time."""
_ABSENT: Final = ("404", "NoSuchKey", "NotFound")
_THERE: Final = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True)
class Seen:
    """An object as it was seen.

    Attributes:
        content: Its content.
        tag: What tells this content from what is written later.
        age: Seconds since it was written.
    """

    content: bytes
    tag: str
    age: float


class Storage:
    """The part of a bucket below the profile's prefix.

    Args:
        connections: The AWS clients.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.bucket = connections.settings.bucket
        self.prefix = connections.settings.prefix
        key = connections.settings.kms_key
        self._encryption: dict[str, Any] = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
            if key
            else {"ServerSideEncryption": "AES256"}
        )

    def uri(self, name: str) -> str:
        """Return the address of an object."""
        return f"s3://{self.bucket}/{self._key(name)}"

    def name(self, uri: str) -> str:
        """Return the name of an object from its address."""
        return uri.removeprefix(f"s3://{self.bucket}/{self.prefix}/")

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    # --- writing --------------------------------------------------------------------------------

    def put(self, name: str, content: bytes) -> None:
        """Write an object, replacing one of that name."""
        with translated("PutObject"):
            self._connections.s3.put_object(
                Bucket=self.bucket, Key=self._key(name), Body=content, **self._encryption
            )

    def put_new(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one of that name; return whether it was written."""
        return self.put_if(name, content, None) is not None

    def put_if(self, name: str, content: bytes, tag: str | None) -> str | None:
        """Write an object only over what is known to be there.

        Args:
            name: Its name.
            content: Its content.
            tag: The tag of what is to be replaced; None where nothing is to be there.

        Returns:
            Its tag; None when something else is there.
        """
        from botocore.exceptions import ClientError

        only: Any = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with translated("PutObject"):
            try:
                answer = self._connections.s3.put_object(
                    Bucket=self.bucket,
                    Key=self._key(name),
                    Body=content,
                    **only,
                    **self._encryption,
                )
            except ClientError as error:
                if _code(error) in (*_THERE, *_ABSENT):
                    return None
                raise
        return str(answer["ETag"])

    def put_all(self, objects: Mapping[str, bytes | Path]) -> None:
        """Write several objects at a time."""
        self._connections.s3  # noqa: B018 - made here, because clients are not made in threads
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(self._put_any, *item) for item in objects.items()]:
                done.result()

    def _put_any(self, name: str, content: bytes | Path) -> None:
        if isinstance(content, bytes):
            self.put(name, content)
            return
        with translated("PutObject"):
            self._connections.s3.upload_file(
                str(content), self.bucket, self._key(name), ExtraArgs=self._encryption
            )

    def copy_in(self, store: S3Store, pinned: Pinned, prefix: str) -> None:
        """Copy data from elsewhere in S3.

        Args:
            store: Where it is.
            pinned: What is to be copied.
            prefix: Where to; without a slash at its end.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: AWS refuses, or cannot be reached.
        """
        target = self._connections.s3, self.bucket, f"{self._key(prefix)}/"
        store.copy(pinned, *target, self._encryption)

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        with translated("DeleteObject"):
            self._connections.s3.delete_object(Bucket=self.bucket, Key=self._key(name))

    # --- reading --------------------------------------------------------------------------------

    def get(self, name: str) -> bytes | None:
        """Return an object's content; None when it is not there."""
        found = self._get(name)
        return None if found is None else found["Body"].read()

    def look(self, name: str) -> Seen | None:
        """Return an object with its age by S3's own clock; None when it is not there."""
        found = self._get(name)
        if found is None:
            return None
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - found["LastModified"]).total_seconds()
        return Seen(found["Body"].read(), found["ETag"], age)

    def _get(self, name: str) -> Any:
        from botocore.exceptions import ClientError

        with translated("GetObject"):
            try:
                return self._connections.s3.get_object(Bucket=self.bucket, Key=self._key(name))
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the names and sizes of the objects below a prefix."""
        with translated("ListObjectsV2"):
            pages = self._connections.s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._key(prefix)):
                for found in page.get("Contents", []):
                    key = found.get("Key", "")
                    yield key.removeprefix(f"{self.prefix}/"), found.get("Size", 0)

    def exists(self, prefix: str) -> bool:
        """Say whether there is any object below a prefix."""
        with translated("ListObjectsV2"):
            found = self._connections.s3.list_objects_v2(
                Bucket=self.bucket, Prefix=self._key(prefix), MaxKeys=1
            )
        return bool(found.get("Contents"))

    def missing(self, wanted: Mapping[str, str]) -> set[str]:
        """Return the keys of those objects that are not there.

        Args:
            wanted: Any key -> an object's name.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(self.exists, wanted.values()))
        return {key for key, there in zip(wanted, found, strict=True) if not there}

    def download(self, prefix: str, folder: Path) -> None:
        """Write all objects below a prefix into a folder.

        Args:
            prefix: It ends with a slash.
            folder: The folder, made if missing.
        """
        self.download_all((name, folder / name[len(prefix) :]) for name, _ in self.names(prefix))

    def download_all(self, wanted: Iterable[tuple[str, Path]]) -> None:
        """Write objects to files, several at a time."""
        pairs = list(wanted)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(self._fetch, name, file) for name, file in pairs]:
                done.result()

    def _fetch(self, name: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with translated("GetObject"):
            self._connections.s3.download_file(self.bucket, self._key(name), str(file))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
