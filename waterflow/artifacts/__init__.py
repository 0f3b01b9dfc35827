"""Artifacts: a folder with its manifest, and which serializer writes and reads which type.

Standard library only until a value of another library is written or read.
"""

from waterflow.artifacts.base import Context, Serializer
from waterflow.artifacts.estimators import dump_estimator, load_estimator
from waterflow.artifacts.folder import (
    MANIFEST,
    FileEntry,
    Manifest,
    canonical,
    complete,
    digest,
    entry,
    publish,
    read,
    seal,
    seal_raw,
    seal_skipped,
    verify,
)
from waterflow.artifacts.models import load_model, save_model
from waterflow.artifacts.registry import (
    by_name,
    compatible,
    extensions,
    infer,
    is_plain,
    takes,
    type_name,
)

__all__ = [
    "MANIFEST",
    "Context",
    "FileEntry",
    "Manifest",
    "Serializer",
    "by_name",
    "canonical",
    "compatible",
    "complete",
    "digest",
    "dump_estimator",
    "entry",
    "extensions",
    "infer",
    "is_plain",
    "load_estimator",
    "load_model",
    "publish",
    "read",
    "save_model",
    "seal",
    "seal_raw",
    "seal_skipped",
    "takes",
    "type_name",
    "verify",
]
