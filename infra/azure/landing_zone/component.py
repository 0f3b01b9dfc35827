"""What all components of the zone are made of: Azure's types."""

from __future__ import annotations

from typing import ClassVar

from waterflow_infra import component


class Component(component.Component):
    """A part of the landing zone on Azure."""

    CLOUD: ClassVar = "azure"
