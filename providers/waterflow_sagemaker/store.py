"""Data in S3, by boto3: pinned to its version or ETag, and fetched as exactly that."""

from __future__ import annotations

import shutil
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.outside import AT_ONCE, OutsideData, OutsideObject, all_at_once
from waterflow.data.pinned import Pinned, absent, changed
from waterflow.errors import (
    ArtifactError,
    ConfigurationError,
    MissingDependencyError,
    ProviderError,
)
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.translation.naming import s3_entry

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

_PART: Final = 64 * 1024 * 1024
"""Bytes of an object that are one download."""
_CHUNK: Final = 1024 * 1024
_TRIES: Final = 5
_ABSENT: Final = ("404", "405", "NoSuchKey", "NoSuchVersion", "NotFound")
"""405 is S3's answer for a version that marks a deletion."""
_NO_VERSION: Final = (*_ABSENT, "400", "InvalidArgument")
_REPLACED: Final = ("412", "PreconditionFailed", *_ABSENT)


class S3Store(OutsideData):
    """One address in S3, with the credentials, region and endpoint that any AWS tool would find.

    Args:
        uri: `s3://bucket/key`; the key is taken as it is written.

    Raises:
        ConfigurationError: It names no bucket.
        MissingDependencyError: boto3 is not installed.
    """

    def __init__(self, uri: str) -> None:
        bucket, _, key = uri.partition("://")[2].partition("/")
        if not bucket:
            raise ConfigurationError(f"Data at {uri} names no bucket. Write s3://BUCKET/KEY")
        super().__init__(uri, bucket, key, s3_entry(uri))
        self._s3 = _client(uri)

    def is_at(self, endpoint: str | None) -> bool:
        """Say whether the credentials' S3 is the one at an address.

        Args:
            endpoint: The address; None for AWS' own S3.
        """
        own = self._s3.meta.endpoint_url.rstrip("/")
        if endpoint is None:
            return own.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        return own == endpoint.rstrip("/")

    def copy_to(self, pinned: Pinned, target: str) -> None:
        """Bring what was pinned to another place in this S3, encrypted as its bucket has it.

        Args:
            pinned: What `pin` returned.
            target: `s3://BUCKET/KEY/`, or with another scheme for the same.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: S3 refuses, or cannot be reached.
        """
        bucket, _, prefix = target.partition("://")[2].partition("/")
        self.copy(pinned, self._s3, bucket, prefix, {})

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
        # Tags of the source would want permissions of their own, and may mean something else here.
        how = {**how, "TaggingDirective": "REPLACE"}
        calls = [
            (pinned, one, s3, (bucket, f"{prefix}{place}"), how)
            for one, place in self.places(pinned)
        ]
        all_at_once(self._copy, calls)

    def _copy(
        self,
        pinned: Pinned,
        one: OutsideObject,
        s3: S3Client,
        to: tuple[str, str],
        how: Mapping[str, Any],
    ) -> None:
        from botocore.exceptions import ClientError

        source: CopySourceTypeDef = {"Bucket": self.container, "Key": one.key}
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

    # --- looking --------------------------------------------------------------------------------

    def object(self, version: str | None = None) -> OutsideObject | None:
        """Return the object of the very key; None when there is none."""
        from botocore.exceptions import ClientError

        which: Any = {"VersionId": version} if version else {}
        with self._asking("s3:GetObject"):
            try:
                head = self._s3.head_object(Bucket=self.container, Key=self.key, **which)
            except ClientError as error:
                if _code(error) in (_NO_VERSION if version else _ABSENT):
                    return None
                raise
        kept = head.get("VersionId")  # "null" for what is older than the bucket's versions
        return OutsideObject(
            self.key,
            head["ETag"].strip('"'),
            head["ContentLength"],
            kept if kept != "null" else None,
        )

    def listed(self, prefix: str) -> list[OutsideObject]:
        """Return the objects below a prefix."""
        from botocore.exceptions import ClientError

        objects: list[OutsideObject] = []
        with self._asking("s3:ListBucket"):
            pages = self._s3.get_paginator("list_objects_v2")
            try:
                for page in pages.paginate(Bucket=self.container, Prefix=prefix):
                    objects += [
                        OutsideObject(one["Key"], one["ETag"].strip('"'), one["Size"])  # pyright: ignore[reportTypedDictNotRequiredAccess]
                        for one in page.get("Contents", [])
                    ]
            except ClientError as error:
                if _code(error) == "NoSuchBucket":
                    raise absent(self.uri, f"there is no bucket '{self.container}'") from None
                raise
        return objects

    # --- downloading ----------------------------------------------------------------------------

    def download(self, pinned: Pinned, targets: Iterable[tuple[OutsideObject, Path]]) -> None:
        """Write objects to files, several parts at a time; all of them, or an error."""
        parts: list[tuple[OutsideObject, Path, int]] = []
        for one, file in targets:
            with file.open("wb") as stream:
                stream.truncate(one.size)
            parts += [(one, file, start) for start in range(0, one.size, _PART)]
        all_at_once(self._part, [(pinned, *part) for part in parts])

    def _part(self, pinned: Pinned, one: OutsideObject, file: Path, start: int) -> None:
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

    def _read(
        self, one: OutsideObject, file: Path, start: int, condition: Mapping[str, str]
    ) -> None:
        which: Any = dict(condition)
        if one.size > _PART:
            which["Range"] = f"bytes={start}-{min(start + _PART, one.size) - 1}"
        answer = self._s3.get_object(Bucket=self.container, Key=one.key, **which)
        # Entering the body itself would give the raw stream, whose end nobody checks.
        with closing(answer["Body"]) as body, file.open("r+b") as stream:
            stream.seek(start)
            shutil.copyfileobj(body, stream, _CHUNK)

    @contextmanager
    def _asking(self, action: str) -> Generator[None]:
        """Tell what AWS refuses with the data's address and the action that was refused."""
        try:
            with self.at_address(), translated(action):
                yield
        except ProviderError as error:
            if error.native_code == "ParamValidationError":
                raise ConfigurationError(
                    f"Data at {self.uri}: '{self.container}' is no name of a bucket. "
                    "Write s3://BUCKET/KEY"
                ) from None
            if error.native_code == "InvalidObjectState":
                raise ArtifactError(
                    f"Data at {self.uri} is archived. Restore it first: aws s3api restore-object"
                ) from None
            raise


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
                max_pool_connections=AT_ONCE,
                connect_timeout=10,
                read_timeout=60,
                tcp_keepalive=True,
                user_agent_extra="waterflow",
            ),
        )


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
