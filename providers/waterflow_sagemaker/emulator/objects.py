"""A job's traffic with S3: moto's store in this process, read and written as the service would."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.emulation.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT: Final = "123456789012"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """An object that an input names.

    Attributes:
        key: Its key.
        place: Where it goes, relative to the input's folder.
    """

    key: str
    place: str


class Objects:
    """The objects of the emulator's account, as jobs of a region reach them.

    Args:
        region: The region. Buckets are global by their names; each is in one region.
    """

    def __init__(self, region: str) -> None:
        self._region, self._lock = region, threading.Lock()

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[ACCOUNT]["aws"]

    def has_bucket(self, bucket: str) -> bool:
        """Tell whether there is a bucket."""
        return bucket in self._backend.buckets

    def elsewhere(self, bucket: str) -> str | None:
        """Return the region of a bucket that is in another one; None when it is here or nowhere."""
        there = self._backend.buckets.get(bucket)
        region = self._region if there is None else str(there.region_name)
        return None if region == self._region else region

    def _check_region(self, bucket: str, doing: str) -> None:
        """Refuse a bucket of another region, as SageMaker's jobs do.

        Raises:
            JobError: It is in another one.
        """
        region = self.elsewhere(bucket)
        if region is not None:
            raise JobError(
                f"ClientError: {doing} failed:PermanentRedirect (301): The bucket is in this "
                f"region: {region}. Please use this region to retry the request"
            )

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys under a prefix, sorted; none when there is no such bucket."""
        if not self.has_bucket(bucket):
            return []
        entries = self._backend.list_objects(
            self._backend.get_bucket(bucket), prefix or None, None, None, None
        )[0]
        return sorted(str(key.name) for key in entries)

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return an object's bytes; None when there is none."""
        if not self.has_bucket(bucket):
            return None
        for _ in range(_TRIES):
            entry = self._backend.get_object(bucket, key)
            try:
                return None if entry is None else cast("bytes", entry.value)
            except ValueError:  # overwritten while it was being read: moto closes the old bytes
                continue
        return None

    def write(self, bucket: str, key: str, data: bytes, kms: str | None = None) -> None:
        """Write an object.

        Args:
            bucket: Its bucket.
            key: Its key.
            data: Its bytes.
            kms: The key that encrypts it, when one does.

        Raises:
            JobError: There is no such bucket, or it is in another region.
        """
        if not self.has_bucket(bucket):
            raise JobError(
                f"ClientError: Failed to upload data. The specified bucket does not exist: {bucket}"
            )
        self._check_region(bucket, "Data upload")
        with self._lock:
            self._backend.put_object(
                bucket, key, data, encryption="aws:kms" if kms else None, kms_key_id=kms
            )

    # --- what an input names ---------------------------------------------------------------------

    def match(self, uri: str) -> list[Entry]:
        """Return the objects whose keys begin with a URI's, as type S3Prefix means it.

        Under `data/train` lies `data/train/a.csv` as `a.csv`, and `data/train` itself as `train`;
        `data/train2/b.csv` begins with it too, and keeps what distinguishes it.

        Raises:
            JobError: The bucket is in another region.
        """
        bucket, prefix = split(uri)
        self._check_region(bucket, "Data download")
        parent = prefix[: prefix.rfind("/") + 1]
        entries: list[Entry] = []
        for key in self.keys(bucket, prefix):
            if key.startswith(f"{prefix.rstrip('/')}/") and prefix:
                place = key[len(prefix.rstrip("/")) + 1 :]
            else:
                place = key[len(parent) :]
            if place:
                entries.append(Entry(key, place))
        return entries

    def manifest(self, uri: str) -> list[tuple[str, Entry]]:
        """Return bucket and object for each line of a manifest file.

        Raises:
            JobError: The manifest is missing or is none.
        """
        text = self.read(*split(uri))
        if text is None:
            raise JobError(
                f"ClientError: Data download failed:NoSuchKey (404): The specified key does not "
                f"exist. S3 key: {uri}"
            )
        try:
            head, *names = json.loads(text)
            bucket, prefix = split(head["prefix"])
            return [(bucket, Entry(prefix + name, name)) for name in names]
        except (ValueError, TypeError, KeyError):
            raise JobError(
                f"ClientError: Data download failed:Failed to parse manifest {uri}: it must be "
                'a JSON list [{"prefix": "s3://..."}, "relative/path", ...]'
            ) from None

    def fetch(self, bucket: str, entry: Entry, folder: Path) -> None:
        """Write an object to a file.

        Raises:
            JobError: It is not there, is in another region, or clashes with another.
        """
        self._check_region(bucket, "Data download")
        data = self.read(bucket, entry.key)
        if data is None:
            raise JobError(
                "ClientError: Data download failed:NoSuchKey (404): The specified key does not "
                f"exist. S3 key: s3://{bucket}/{entry.key}"
            )
        parts = PurePosixPath(entry.place).parts
        if ".." in parts or entry.place.startswith("/"):
            raise JobError(
                f"ClientError: Failed to download data. s3://{bucket}/{entry.key} would leave its "
                "folder"
            )
        target = folder / entry.place
        try:
            if entry.place.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise JobError(
                f"ClientError: Failed to download data. Cannot download s3://{bucket}/{entry.key}, "
                "a previously downloaded file/folder clashes with it. Please check your s3 objects "
                "and ensure that there is no object that is both a folder as well as a file."
            ) from None

    def send(
        self, folder: Path, uri: str, kms: str | None = None, seen: dict[str, Any] | None = None
    ) -> int:
        """Upload a folder's files, and return how many.

        Args:
            folder: The folder.
            uri: Where its files go.
            kms: The key that encrypts them.
            seen: What earlier calls have uploaded; files unchanged since are left out.

        Raises:
            JobError: There is no such bucket.
        """
        bucket, prefix = split(uri)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        count = 0
        for file in files(folder):
            place = file.relative_to(folder).as_posix()
            try:
                status = file.stat()
                mark = (status.st_mtime_ns, status.st_size, status.st_ino)
                if seen is not None and seen.get(place) == mark:
                    continue
                data = file.read_bytes()
            except FileNotFoundError:  # a running job has removed it since
                continue
            self.write(bucket, prefix + place, data, kms)
            count += 1
            if seen is not None:
                seen[place] = mark
        return count


def split(uri: str) -> tuple[str, str]:
    """Return the bucket and key of an S3 URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def files(folder: Path) -> Iterator[Path]:
    """Yield a folder's files, sorted, those that links lead to included."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path
