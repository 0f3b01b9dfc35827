"""What all components of the zone are made of: AWS's types, and policies as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from waterflow_infra import component

if TYPE_CHECKING:
    from collections.abc import Mapping


A = TypeVar("A")


class Component(component.Component[A]):
    """A part of the landing zone on AWS."""

    CLOUD: ClassVar = "aws"


def text(document: Mapping[str, Any]) -> str:
    """Return a document as AWS takes it: JSON, always in the same order."""
    return json.dumps(document, separators=(",", ":"))
