"""What all components of the zone are made of: a parent, one type's name, and policies as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping


class Component(pulumi.ComponentResource):
    """A part of the landing zone; its resources are its children.

    Args:
        noun: What it is, such as "Storage": the end of its type's name.
        name: Its name.
        opts: Its parent and provider.
    """

    def __init__(self, noun: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(f"waterflow:aws:{noun}", name, None, opts)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a resource of this component."""
        return pulumi.ResourceOptions(parent=self, **options)


def text(document: Mapping[str, Any]) -> str:
    """Return a document as AWS takes it: JSON, always in the same order."""
    return json.dumps(document, separators=(",", ":"))
