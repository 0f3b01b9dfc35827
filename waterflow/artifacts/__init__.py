"""Artifacts: a folder with its manifest, and which serializer writes and reads which type.

Standard library only until a value of another library is written or read. Each name is imported
when it is first used: what runs beside a step reads manifests alone, and every job waits for it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    **dict.fromkeys(("Context", "Serializer"), "base"),
    **dict.fromkeys(("dump_estimator", "load_estimator"), "estimators"),
    **dict.fromkeys(("load_model", "save_model"), "models"),
    **dict.fromkeys(
        ("by_name", "compatible", "extensions", "infer", "is_plain", "takes", "type_name"),
        "registry",
    ),
}
"""Name -> the module that has it; `folder` has the others."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'waterflow.artifacts' has no attribute {name!r}")
    home = importlib.import_module(f"waterflow.artifacts.{_HOMES.get(name, 'folder')}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return __all__
