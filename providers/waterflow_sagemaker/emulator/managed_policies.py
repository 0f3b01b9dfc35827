"""AWS's managed policies as moto keeps them, read when they are first looked at."""

from __future__ import annotations

from collections import UserDict, UserList
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class LazyList(UserList[Any]):
    """A list that is made when it is first looked at.

    Args:
        make: Returns what is in it.
    """

    def __init__(self, make: Callable[[], list[Any]]) -> None:
        self._make = make

    @cached_property
    def data(self) -> list[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is in it."""
        return self._make()


class LazyMapping(UserDict[str, Any]):
    """A mapping that is made when it is first looked at.

    Args:
        make: Returns what is in it.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make

    @cached_property
    def data(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is in it."""
        return self._make()
