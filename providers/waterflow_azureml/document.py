"""A pipeline as it was compiled for Azure ML: what its own parts read after compilation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waterflow.cloud.document import CloudDocument

if TYPE_CHECKING:
    from waterflow.provider import Document


@dataclass(frozen=True, kw_only=True)
class AzureMLDocument(CloudDocument):
    """A pipeline compiled for Azure ML; `definition` is what `az ml job create --file` takes.

    Attributes:
        spot: Native steps that may run on spot machines.
        secrets: Secrets that its jobs read, sorted.
        identities: Client ids of the identities that its jobs run as, sorted.
    """

    spot: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of the pipeline job as it is sent, in which components are named only."""
        jobs = {
            key: {name: part for name, part in job.items() if name != "component"}
            for key, job in self.definition["jobs"].items()
        }
        return len(json.dumps({**self.definition, "jobs": jobs}, separators=(",", ":")).encode())


def own(document: Document) -> AzureMLDocument:
    """Return a document as the one that this provider compiled.

    Raises:
        TypeError: It is another provider's.
    """
    if not isinstance(document, AzureMLDocument):
        raise TypeError(f"A document of provider '{document.provider}' is none of Azure ML's")
    return document
