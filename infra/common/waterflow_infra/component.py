"""What every part of a landing zone is made of: a parent, a type, its children's options."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import pulumi

A = TypeVar("A")


class Component(pulumi.ComponentResource, Generic[A]):
    """A part of the landing zone; its resources are its children. Each cloud derives its own.

    The class's name is the end of its type's name, such as "waterflow:aws:Storage".

    Attributes:
        CLOUD: The cloud, in the types' names.

    Args:
        name: Its name.
        args: What it is made of.
        opts: Its parent and provider.
    """

    CLOUD: ClassVar[str]

    def __init__(self, name: str, args: A, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"waterflow:{self.CLOUD}:{type(self).__name__}", name, None, opts)
        self._make(name, args)

    @abstractmethod
    def _make(self, name: str, args: A) -> None:
        """Make its resources, and register what it hands out.

        Args:
            name: What their names begin with.
            args: What it is made of.
        """

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a resource of this component."""
        return pulumi.ResourceOptions(parent=self, **options)
