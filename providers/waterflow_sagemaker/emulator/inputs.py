"""What of S3 a job's containers find in their folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.emulation.errors import JobError
from waterflow_sagemaker.emulator.objects import Entry, Objects, split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def named(objects: Objects, source: Mapping[str, Any]) -> list[tuple[str, Entry]]:
    """Return bucket and object for everything that a data source names.

    Args:
        objects: S3.
        source: Its S3Uri and S3DataType.

    Raises:
        JobError: A manifest is missing or is none, or the type is not known here.
    """
    uri, kind = source["S3Uri"], source.get("S3DataType", "S3Prefix")
    if kind == "ManifestFile":
        return objects.manifest(uri)
    if kind != "S3Prefix":
        raise JobError(
            f"ClientError: the emulator has no S3DataType {kind}; use S3Prefix or ManifestFile"
        )
    bucket, _ = split(uri)
    return [(bucket, entry) for entry in objects.match(uri)]


def download(
    objects: Objects, entries: list[tuple[str, Entry]], folders: list[Path], *, sharded: bool
) -> None:
    """Write objects into the folder of each container.

    Args:
        objects: S3.
        entries: Bucket and object.
        folders: A folder for each container.
        sharded: Each container gets its share instead of everything.

    Raises:
        JobError: An object is not there, or two clash.
    """
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True, exist_ok=True)
        for bucket, one in entries[number :: len(folders)] if sharded else entries:
            objects.fetch(bucket, one, folder)
