"""What all components of the zone are made of: Google Cloud's types."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from waterflow_infra import component

A = TypeVar("A")


class Component(component.Component[A]):
    """A part of the landing zone on Google Cloud."""

    CLOUD: ClassVar = "gcp"
