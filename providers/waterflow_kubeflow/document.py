"""A pipeline as it was compiled for Kubeflow Pipelines: what its own parts read afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.cloud.document import CloudDocument

if TYPE_CHECKING:
    from waterflow.provider import Document


@dataclass(frozen=True, kw_only=True)
class KubeflowDocument(CloudDocument):
    """A pipeline compiled for Kubeflow Pipelines.

    `definition` has the pipeline spec, and beside it what Kubernetes is told of the pods.
    """


def own(document: Document) -> KubeflowDocument:
    """Return a document as the one that this provider compiled.

    Raises:
        TypeError: It is another provider's.
    """
    if not isinstance(document, KubeflowDocument):
        raise TypeError(f"A document of provider '{document.provider}' is none of Kubeflow's")
    return document
