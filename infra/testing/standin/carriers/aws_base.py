"""What a type of AWS resource has to answer, and AWS's way to write blocks, tags and documents."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from standin.values import Properties

Client = Any


class Kind(ABC):
    """A type of resource, and what is done with one."""

    service = ""

    @abstractmethod
    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        """Make it and return what AWS says of it."""

    @abstractmethod
    def read(self, client: Client, outputs: Properties) -> Properties:
        """Return what AWS has now of its properties; AWS's own error where it is gone."""

    @abstractmethod
    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        """Change it."""

    @abstractmethod
    def delete(self, client: Client, outputs: Properties) -> None:
        """Remove it."""


# Names in AWS's wire that are not the SDK's with a capital letter.
WORDS = {"id": "ID", "sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}


def pascal(value: Any) -> Any:
    """Return a block with its names as AWS's wire writes them."""
    if isinstance(value, dict):
        return {
            WORDS.get(name, name[0].upper() + name[1:]): (
                tag_list(one) if name == "tags" else pascal(one)
            )
            for name, one in value.items()
        }
    return [pascal(one) for one in value] if isinstance(value, list) else value


def tag_list(tags: Any) -> list[dict[str, str]]:
    """Return tags as most services want them: a list of keys and values."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def text(document: Any) -> str:
    """Return a document as text, whether it is one already or a structure."""
    return document if isinstance(document, str) else json.dumps(document)
