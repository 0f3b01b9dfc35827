"""A pipeline as it was compiled for Vertex AI: what its own parts read after compilation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from waterflow.cloud.document import CloudDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Document


@dataclass(frozen=True, kw_only=True)
class VertexDocument(CloudDocument):
    """A pipeline compiled for Vertex AI; `definition` is the PipelineJob that is created.

    Attributes:
        shown: Task -> the step of the spec that it runs.
        secrets: Secrets that its jobs read, sorted.
    """

    shown: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of the pipeline job as it is sent."""
        return len(json.dumps(self.definition, separators=(",", ":")).encode())


def own(document: Document) -> VertexDocument:
    """Return a document as the one that this provider compiled.

    Raises:
        TypeError: It is another provider's.
    """
    if not isinstance(document, VertexDocument):
        raise TypeError(f"A document of provider '{document.provider}' is none of Vertex AI's")
    return document
