"""The emulator's MinIO: moto's S3 in this process, for clients by S3, for pods by the launcher.

What a run has in Cloud Storage pods read and write there.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.emulator.errors import FAILED_PRECONDITION, TaskError

from waterflow_kubeflow.emulator import google_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow.emulation.wire import App

REGION: Final = "us-east-1"
BUCKET: Final = "mlpipeline"
"""The bucket that Kubeflow's own manifests make."""
_ACCOUNT: Final = "123456789012"
_ADDRESS: Final = re.compile(r"(?:s3|minio)://(?P<bucket>[^/]+)/(?P<key>.*)")


class Objects:
    """The part that has the objects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.make(BUCKET)

    def application(self) -> App:
        """Return what answers requests in the words of S3."""
        from moto.moto_server.werkzeug_app import create_backend_app

        return create_backend_app("s3")

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[_ACCOUNT]["aws"]

    def make(self, bucket: str) -> bool:
        """Make a bucket unless there is one; return whether it was made."""
        if bucket in self._backend.buckets:
            return False
        self._backend.create_bucket(bucket, REGION)
        return True

    # --- for pods -------------------------------------------------------------------------------

    def bring(self, uri: str, target: Path) -> bool:
        """Copy the object or the objects below an address; return whether there is any.

        Raises:
            TaskError: The address is of another store, or of a bucket that is not there.
        """
        if uri.startswith(google_objects.SCHEME):
            return google_objects.bring(uri, target)
        bucket, key = self._place(uri)
        stored = self._read(bucket, key)
        if stored is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(stored)
            return True
        count = 0
        folder = f"{key.rstrip('/')}/"
        for name in self._below(bucket, folder):
            file = target / name[len(folder) :]
            content = self._read(bucket, name)
            if content is None or ".." in file.parts:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            count += 1
        return count > 0

    def take(self, source: Path, uri: str) -> None:
        """Copy a file or a folder to an address.

        Raises:
            TaskError: The address is of another store, or of a bucket that is not there.
        """
        if uri.startswith(google_objects.SCHEME):
            google_objects.take(source, uri)
            return
        bucket, key = self._place(uri)
        files = (
            [source] if source.is_file() else sorted(f for f in source.rglob("*") if f.is_file())
        )
        for file in files:
            name = key if file == source else f"{key}/{file.relative_to(source).as_posix()}"
            with self._lock:
                self._backend.put_object(bucket, name, file.read_bytes())

    def _place(self, uri: str) -> tuple[str, str]:
        match = _ADDRESS.fullmatch(uri)
        if match is None:
            raise TaskError(
                f'parse bucket config failed: unsupported Cloud bucket: "{uri}"',
                FAILED_PRECONDITION,
            )
        if match["bucket"] not in self._backend.buckets:
            raise TaskError(
                f"failed to open bucket {match['bucket']}: NoSuchBucket: The specified bucket does "
                "not exist",
                FAILED_PRECONDITION,
            )
        return match["bucket"], match["key"]

    def _below(self, bucket: str, folder: str) -> Iterator[str]:
        listed = self._backend.list_objects(
            self._backend.get_bucket(bucket), folder, None, None, None
        )[0]
        yield from sorted(str(one.name) for one in listed)

    def _read(self, bucket: str, key: str) -> bytes | None:
        for _ in range(5):
            entry = self._backend.get_object(bucket, key) if key else None
            try:
                return None if entry is None else bytes(entry.value)
            except ValueError:  # overwritten while it was being read: moto closes the old bytes
                continue
        return None

    # --- its state ------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all objects as JSON."""
        return {
            name: {
                key: base64.b64encode(entry.value).decode()
                for key, entry in bucket.keys.items()
                if hasattr(entry, "value")
            }
            for name, bucket in list(self._backend.buckets.items())
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the objects of a snapshot."""
        for name, objects in saved.items():
            self.make(name)
            for key, body in objects.items():
                self._backend.put_object(name, key, base64.b64decode(body))
