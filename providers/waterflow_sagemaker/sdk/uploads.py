"""Code that the SDK has uploaded to S3, fetched into the project's state under its own digest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from waterflow.errors import MissingDependencyError
from waterflow.project import state_folder
from waterflow_sagemaker.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator


class Uploads:
    """What the SDK has uploaded for its steps.

    Args:
        session: The boto3 session that the SDK works with.
        root: The project's folder.
    """

    def __init__(self, session: Any, root: Path) -> None:
        self._session, self._root = session, root

    def fetch(self, uri: str, name: str) -> str:
        """Fetch what lies at an address.

        Args:
            uri: `s3://BUCKET/KEY`, of an object or of a prefix.
            name: The name of the folder that holds it.

        Returns:
            The folder, relative to the project's root.

        Raises:
            ProviderError: AWS refuses, or cannot be reached.
        """
        kept = state_folder(self._root) / "sagemaker" / "sdk"
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept, prefix="new-") as temporary:
            folder = Path(temporary) / name
            folder.mkdir()
            digest = hashlib.sha256()
            with translated("GetObject"):
                for path, content in self._objects(uri):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(content)
                    digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
            place = kept / digest.hexdigest()[:32] / name
            if not place.exists():
                place.parent.mkdir(exist_ok=True)
                shutil.copytree(folder, place)
        return place.relative_to(self._root).as_posix()

    def _objects(self, uri: str) -> Iterator[tuple[str, bytes]]:
        """Yield the paths and contents that SageMaker would put below the local path."""
        address = urlsplit(uri)
        bucket, prefix = address.netloc, address.path[1:]
        client = self._session.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))
        for key in keys:
            inside = key.startswith(prefix.rstrip("/") + "/")
            path = key[len(prefix.rstrip("/")) + 1 :] if inside else key.rpartition("/")[2]
            if (inside or key == prefix) and path and not path.endswith("/"):
                yield path, client.get_object(Bucket=bucket, Key=key)["Body"].read()


def boto_session(sdk_step: Any) -> Any:
    """Return the boto3 session that a step of the SDK works with; a new one where it has none.

    Raises:
        MissingDependencyError: boto3 is not installed.
    """
    try:
        import boto3
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "boto3", "A step of the sagemaker SDK", 'pip install "waterflow[sagemaker-sdk]"'
        ) from None
    arguments = getattr(getattr(sdk_step, "step_args", None), "func_args", ())
    for argument in arguments:
        session = getattr(getattr(argument, "sagemaker_session", None), "boto_session", None)
        if session is not None:
            return session
    return boto3.Session()
