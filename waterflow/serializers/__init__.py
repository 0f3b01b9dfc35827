"""Artifact types and their files: which serializer takes which annotation, and what each writes.

Standard library only until a value of another library is written or read.
"""

from waterflow.serializers.base import Context, Serializer
from waterflow.serializers.estimators import dump_estimator, load_estimator
from waterflow.serializers.registry import (
    by_name,
    compatible,
    extensions,
    infer,
    is_plain,
    type_name,
)

__all__ = [
    "Context",
    "Serializer",
    "by_name",
    "compatible",
    "dump_estimator",
    "extensions",
    "infer",
    "is_plain",
    "load_estimator",
    "type_name",
]
