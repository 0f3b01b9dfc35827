"""A compiled pipeline against Kubeflow Pipelines' limits, the protos and our own validator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow_kfp.validate import errors

from waterflow_kubeflow import limits

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument


def document_errors(document: CloudDocument) -> list[str]:
    """Return every rule that a document breaks.

    Args:
        document: The compiled pipeline.
    """
    problems = errors(document.definition["pipeline_spec"])
    most, size = limits.MANIFEST.most, limits.size(document)
    if size > most:
        problems.append(f"The pipeline spec has {size} bytes; a cluster takes {most} at most")
    return problems
