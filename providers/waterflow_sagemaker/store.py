"""Data in S3, by boto3: pinned to its version or ETag, and fetched as exactly that."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from waterflow.data.pinned import Pinned, absent, changed, gone, listing_version, refuse_manifest
from waterflow.errors import (
    ArtifactError,
    ConfigurationError,
    MissingDependencyError,
    ProviderError,
)
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.translation.naming import s3_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

_AT_ONCE: Final = 8
"""Downloads at a time."""
_PART: Final = 64 * 1024 * 1024
"""Bytes of an object that are one download."""
_CHUNK: Final = 1024 * 1024
_TRIES: Final = 5
_LONGEST: Final = 255
"""Bytes of a file's name on any file system of today."""
_ABSENT: Final = ("404", "405", "NoSuchKey", "NoSuchVersion", "NotFound")
"""405 is S3's answer for a version that marks a deletion."""
_NO_VERSION: Final = (*_ABSENT, "400", "InvalidArgument")
_REPLACED: Final = ("412", "PreconditionFailed", *_ABSENT)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object as it was seen.

    Attributes:
        key: Its key.
        etag: Its ETag, without quotes.
        size: Bytes.
        version: Its VersionId; None where the bucket keeps none, and in listings.
    """

    key: str
    etag: str
    size: int
    version: str | None = None

    @property
    def pinned_as(self) -> str:
        return f"version:{self.version}" if self.version else f"etag:{self.etag}"

    @property
    def marks_folder(self) -> bool:
        return self.key.endswith("/") and not self.size


class S3Store:
    """One address in S3, with the credentials, region and endpoint that any AWS tool would find.

    An address that ends in a slash names all objects below it. Another names the object with that
    key or, where there is none, all objects below it.

    Args:
        uri: `s3://bucket/key`; the key is taken as it is written.

    Raises:
        ConfigurationError: It names no bucket.
        MissingDependencyError: boto3 is not installed.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._bucket, _, self._key = uri.partition("://")[2].partition("/")
        if not self._bucket:
            raise ConfigurationError(f"Data at {uri} names no bucket. Write s3://BUCKET/KEY")
        self._s3 = _client(uri)

    def pin(self) -> Pinned:
        """Return what is there now.

        Raises:
            ConfigurationError: Nothing is there.
            ArtifactError: Keys below the prefix cannot be names of files.
            ProviderError: AWS refuses, or cannot be reached.
        """
        single = self._object()
        if single is not None:
            return Pinned(self._uri, single.pinned_as, size=single.size)
        below = self._below()
        if not below:
            raise absent(self._uri)
        return Pinned(self._uri, self._listing(below), size=sum(one.size for one in below))

    def fetch(self, pinned: Pinned, folder: Path) -> str:
        """Bring what was pinned into a folder, and return the name that it has there.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: AWS refuses, or cannot be reached.
        """
        name, places = self._layout(pinned)
        for one, place in places.items():
            if one.marks_folder:
                (folder / place).mkdir(parents=True, exist_ok=True)
        self._download(
            pinned, [(one, folder / place) for one, place in places.items() if not one.marks_folder]
        )
        return name

    def copy(
        self, pinned: Pinned, s3: S3Client, bucket: str, prefix: str, how: Mapping[str, Any]
    ) -> None:
        """Bring what was pinned to another place in S3; it passes through no other machine.

        Args:
            pinned: What `pin` returned.
            s3: The client that writes.
            bucket: The other bucket.
            prefix: What the new keys begin with; it ends with a slash.
            how: How the new objects are to be written: encryption.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: AWS refuses, or cannot be reached.
        """
        name, places = self._layout(pinned)
        refuse_manifest(pinned, name)
        # Tags of the source would want permissions of their own, and may mean something else here.
        how = {**how, "TaggingDirective": "REPLACE"}
        calls = [
            (pinned, one, s3, (bucket, f"{prefix}{place}"), how)
            for one, place in places.items()
            if not one.marks_folder
        ]
        _all(self._copy, calls)

    def _copy(
        self,
        pinned: Pinned,
        one: _Object,
        s3: S3Client,
        to: tuple[str, str],
        how: Mapping[str, Any],
    ) -> None:
        from botocore.exceptions import ClientError

        source: CopySourceTypeDef = {"Bucket": self._bucket, "Key": one.key}
        condition = {"CopySourceIfMatch": f'"{one.etag}"'}
        with self._asking("s3:GetObject"):
            try:
                s3.copy(source, *to, ExtraArgs={**how, **condition})
            except ClientError as error:
                if _code(error) not in _REPLACED:
                    raise
                if not one.version or pinned.version != one.pinned_as:
                    raise changed(pinned, "another one by now") from None
                source["VersionId"] = one.version
                s3.copy(source, *to, ExtraArgs=dict(how))

    def _layout(self, pinned: Pinned) -> tuple[str, dict[_Object, PurePosixPath]]:
        """Return the name that the data has in a folder, and where in it each object goes.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
        """
        name = _place(self._uri, s3_entry(self._uri)).name
        single = self._pinned_object(pinned)
        if single is not None:
            return name, {single: PurePosixPath(name)}
        below = self._below()
        if not below:
            raise gone(self._uri)
        if pinned.version not in (None, listing := self._listing(below)):
            raise changed(pinned, listing)
        return name, {one: name / place for one, place in self._places(below).items()}

    # --- looking --------------------------------------------------------------------------------

    def _object(self, version: str | None = None) -> _Object | None:
        """Return the object of that very key; None when there is none."""
        if not self._key or self._key.endswith("/"):
            return None
        from botocore.exceptions import ClientError

        which: Any = {"VersionId": version} if version else {}
        with self._asking("s3:GetObject"):
            try:
                head = self._s3.head_object(Bucket=self._bucket, Key=self._key, **which)
            except ClientError as error:
                if _code(error) in (_NO_VERSION if version else _ABSENT):
                    return None
                raise
        kept = head.get("VersionId")  # "null" for what is older than the bucket's versions
        return _Object(
            self._key,
            head["ETag"].strip('"'),
            head["ContentLength"],
            kept if kept != "null" else None,
        )

    def _pinned_object(self, pinned: Pinned) -> _Object | None:
        """Return the object as it was pinned; None where a prefix was.

        Raises:
            ArtifactError: It is another one now, or none.
        """
        kind, _, version = (pinned.version or "").partition(":")
        if kind == "listing":
            return None
        now = self._object()
        if now is not None and pinned.version in (None, now.pinned_as, f"etag:{now.etag}"):
            return now
        if kind == "version":
            kept = self._object(version)
            if kept is not None:
                return kept
        if now is None and kind:
            raise gone(self._uri)
        if now is not None:
            raise changed(pinned, now.pinned_as)
        return None

    def _below(self) -> list[_Object]:
        """Return the objects below the prefix."""
        from botocore.exceptions import ClientError

        prefix = self._prefix
        objects: list[_Object] = []
        with self._asking("s3:ListBucket"):
            pages = self._s3.get_paginator("list_objects_v2")
            try:
                for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                    objects += [
                        _Object(one["Key"], one["ETag"].strip('"'), one["Size"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
                        for one in page.get("Contents", [])
                    ]
            except ClientError as error:
                if _code(error) == "NoSuchBucket":
                    raise absent(self._uri, f"there is no bucket '{self._bucket}'") from None
                raise
        self._places(objects)
        return objects

    @property
    def _prefix(self) -> str:
        return self._key if not self._key or self._key.endswith("/") else f"{self._key}/"

    def _inside(self, one: _Object) -> str:
        return one.key[len(self._prefix) :]

    def _listing(self, below: Iterable[_Object]) -> str:
        return listing_version(
            {f"/{self._inside(one)}": (one.pinned_as, one.size) for one in below}
        )

    def _places(self, objects: Iterable[_Object]) -> dict[_Object, PurePosixPath]:
        """Return where each object goes within a folder.

        Raises:
            ArtifactError: No folder can hold them all.
        """
        places = {
            one: PurePosixPath()
            if one.key == self._prefix and one.marks_folder
            else _place(self._uri, self._inside(one).removesuffix("/" * one.marks_folder))
            for one in objects
        }
        files = {place for one, place in places.items() if not one.marks_folder}
        for one, place in places.items():
            for folder in (*place.parents, *([place] if one.marks_folder else [])):
                if folder in files:
                    raise ArtifactError(
                        f"Data at {self._uri}: {str(folder)!r} is an object, and "
                        f"{self._inside(one)!r} lies below it; no folder can hold both. Rename one "
                        "of them"
                    )
        return places

    # --- downloading ----------------------------------------------------------------------------

    def _download(self, pinned: Pinned, targets: Iterable[tuple[_Object, Path]]) -> None:
        """Write objects to files, several parts at a time; all of them, or an error."""
        parts: list[tuple[_Object, Path, int]] = []
        for one, file in targets:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as stream:
                stream.truncate(one.size)
            parts += [(one, file, start) for start in range(0, one.size, _PART)]
        _all(self._part, [(pinned, *part) for part in parts])

    def _part(self, pinned: Pinned, one: _Object, file: Path, start: int) -> None:
        from botocore.exceptions import (
            ClientError,
            FlexibleChecksumError,
            IncompleteReadError,
            ReadTimeoutError,
            ResponseStreamingError,
        )

        broken = (
            FlexibleChecksumError,
            IncompleteReadError,
            ReadTimeoutError,
            ResponseStreamingError,
        )
        # The newest version is had without the permission to read versions.
        condition = {"IfMatch": f'"{one.etag}"'}
        exact = {"VersionId": one.version or ""}
        kept = pinned.version == f"version:{one.version}"
        with self._asking("s3:GetObject"):
            for left in reversed(range(_TRIES)):
                try:
                    self._read(one, file, start, condition)
                except broken:
                    if not left:
                        raise
                except ClientError as error:
                    if _code(error) not in _REPLACED:
                        raise
                    if not kept or condition == exact or not left:
                        raise changed(pinned, "another one by now") from None
                    condition = exact
                else:
                    return

    def _read(self, one: _Object, file: Path, start: int, condition: Mapping[str, str]) -> None:
        which: Any = dict(condition)
        if one.size > _PART:
            which["Range"] = f"bytes={start}-{min(start + _PART, one.size) - 1}"
        answer = self._s3.get_object(Bucket=self._bucket, Key=one.key, **which)
        # Entering the body itself would give the raw stream, whose end nobody checks.
        with closing(answer["Body"]) as body, file.open("r+b") as stream:
            stream.seek(start)
            shutil.copyfileobj(body, stream, _CHUNK)

    @contextmanager
    def _asking(self, action: str) -> Generator[None]:
        """Tell what AWS refuses with the data's address and the action that was refused."""
        try:
            with translated(action):
                yield
        except ProviderError as error:
            if error.native_code == "ParamValidationError":
                raise ConfigurationError(
                    f"Data at {self._uri}: '{self._bucket}' is no name of a bucket. "
                    "Write s3://BUCKET/KEY"
                ) from None
            if error.native_code == "InvalidObjectState":
                raise ArtifactError(
                    f"Data at {self._uri} is archived. Restore it first: aws s3api restore-object"
                ) from None
            raise type(error)(
                f"Data at {self._uri}: {error}",
                provider=error.provider,
                operation=error.operation,
                native_code=error.native_code,
                retryable=error.retryable,
            ) from error


def _all(do: Callable[..., None], calls: Iterable[tuple[Any, ...]]) -> None:
    """Make all calls, several at a time; after an error none begins any more."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for done in [pool.submit(do, *arguments) for arguments in calls]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _place(uri: str, inside: str) -> PurePosixPath:
    """Return where an object goes within a folder.

    Args:
        uri: The data's address.
        inside: What follows the prefix in its key.

    Raises:
        ArtifactError: It would not stay in the folder, or no file can be called so.
    """
    parts = inside.split("/")
    strange = any(part in ("", ".", "..") or len(part.encode()) > _LONGEST for part in parts)
    if strange or "\0" in inside:
        raise ArtifactError(
            f"Data at {uri}: no file can be called {inside!r}, as an object's key is. Copy the "
            "object to another key, or name a prefix without it"
        )
    return PurePosixPath(*parts)


def _client(uri: str) -> S3Client:
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "boto3", f"Data at {uri}", 'pip install "waterflow[sagemaker]"'
        ) from None
    # Its own session: the one that boto3 shares is not made for several threads.
    with translated("s3"):
        return boto3.session.Session().client(
            "s3",
            config=Config(
                retries={"mode": "standard", "max_attempts": 6},
                max_pool_connections=_AT_ONCE,
                connect_timeout=10,
                read_timeout=60,
                tcp_keepalive=True,
                user_agent_extra="waterflow",
            ),
        )


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
