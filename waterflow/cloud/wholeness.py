"""Whether all files of a step's result are in the bucket: a cloud's cache does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.artifacts.folder import MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.cloud.states import NativeRun


def is_whole(service: Service[Any], bucket: Bucket, step: spec.Step, run: NativeRun) -> bool:
    """Say whether all that a step has made is there; what a program has made is not known.

    Args:
        service: The cloud.
        bucket: The bucket.
        step: The step.
        run: Its native run, which has succeeded, or was cached.

    Raises:
        ProviderError: The bucket cannot be read.
        ArtifactError: A manifest is none.
    """
    folder = service.outputs(run)
    names = [name for name, output in step.outputs.items() if not output.raw]
    sizes = dict(bucket.names(folder)) if names else {}
    return all(_has(bucket, f"{folder}{name}/", sizes) for name in names)


def _has(bucket: Bucket, folder: str, sizes: Mapping[str, int]) -> bool:
    name = f"{folder}{MANIFEST}"
    text = bucket.get(name) if name in sizes else None
    if text is None:
        return False
    files = Manifest.from_json(text).files
    return all(sizes.get(f"{folder}{file}") == entry.size for file, entry in files.items())
