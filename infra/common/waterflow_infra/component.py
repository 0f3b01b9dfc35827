"""What every part of a landing zone is made of: a parent, a type, its children's options."""

from __future__ import annotations

from typing import Any, ClassVar

import pulumi


class Component(pulumi.ComponentResource):
    """A part of the landing zone; its resources are its children. Each cloud derives its own.

    Attributes:
        CLOUD: The cloud, in the types' names.

    Args:
        noun: What it is, such as "Storage": the end of its type's name.
        name: Its name.
        opts: Its parent and provider.
    """

    CLOUD: ClassVar[str]

    def __init__(self, noun: str, name: str, opts: pulumi.ResourceOptions | None) -> None:
        super().__init__(f"waterflow:{self.CLOUD}:{noun}", name, None, opts)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a resource of this component."""
        return pulumi.ResourceOptions(parent=self, **options)
