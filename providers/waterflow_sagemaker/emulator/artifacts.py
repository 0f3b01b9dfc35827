"""What a training job's containers leave behind, as one archive or as a tree."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow_sagemaker.emulator.objects import Objects


def pack(folders: list[Path], *, empty: bool = False) -> bytes | None:
    """Return the folders' contents as one .tar.gz, the service's form of several hosts' output.

    Args:
        folders: The same folder of each container; of two files with one path the last stays.
        empty: Make an archive of nothing as well.

    Returns:
        The archive; None when the folders are empty.
    """
    if not empty and not any(any(folder.iterdir()) for folder in folders if folder.is_dir()):
        return None
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for folder in folders:
            for path in sorted(folder.iterdir()):
                archive.add(path, arcname=path.name)
    return buffer.getvalue()


def upload_tree(objects: Objects, folders: list[Path], uri: str, kms: str | None) -> None:
    """Upload the folders' files one by one.

    Args:
        objects: S3.
        folders: The same folder of each container.
        uri: Where they go.
        kms: The key that encrypts them.

    Raises:
        JobError: There is no such bucket.
    """
    for folder in folders:
        objects.send(folder, uri, kms)
