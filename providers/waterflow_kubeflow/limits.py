"""Kubeflow Pipelines' limits: the one table that compiling, checks and plans read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from waterflow.cloud.limits import Bound

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument
    from waterflow.provider import Limit

IMAGE: Final = Bound(
    what="an image's name",
    most=255,
    unit="character",
    source="https://github.com/distribution/reference/blob/main/reference.go",
)
PARAMETER: Final = Bound(
    what="characters of a parameter",
    most=10_000,
    unit="character",
    source="https://github.com/kubeflow/pipelines/blob/master/backend/src/apiserver/model/run.go "
    "(RuntimeParameters, a column of 65,535 bytes that all parameters share)",
)
MANIFEST: Final = Bound(
    what="bytes of the pipeline spec",
    most=1_572_864,
    unit="byte",
    source="https://etcd.io/docs/v3.5/dev-guide/limit/ (a request of 1.5 MiB, which the workflow "
    "with the spec in it must fit into)",
)


def used(document: CloudDocument) -> list[Limit]:
    """Return the limits that grow with a pipeline.

    Args:
        document: The compiled pipeline.
    """
    return [MANIFEST.used(size(document))]


def size(document: CloudDocument) -> int:
    """Return the bytes of a document as it is sent."""
    return len(json.dumps(document.definition, separators=(",", ":")).encode())
