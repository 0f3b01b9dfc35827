"""Lists as a cloud's API answers them: filtered by time, and cut into pages with tokens."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Item = TypeVar("Item")


def page(
    items: Sequence[Item], size: int, token: str | None = None
) -> tuple[Sequence[Item], str | None]:
    """Return one page of a list, and the token of the next one; None when there is none.

    Args:
        items: The whole list, in its order.
        size: The most items of a page.
        token: What an earlier page gave; None for the first page.

    Raises:
        ValueError: The token is none that a list has given.
    """
    start = 0
    if token is not None:
        try:
            start = int(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error):
            raise ValueError(f"'{token}' is no token of a list") from None
    stop = start + size
    following = base64.urlsafe_b64encode(str(stop).encode()).decode()
    return items[start:stop], following if stop < len(items) else None


def within(
    items: Iterable[Item],
    time: Callable[[Item], float],
    after: float | None,
    before: float | None,
) -> list[Item]:
    """Return the items whose time is between two moments, the moments themselves left out.

    Args:
        items: All of them.
        time: An item's time, in seconds since the epoch.
        after: The lower bound; None for none.
        before: The upper bound; None for none.
    """
    return [
        item
        for item in items
        if (after is None or time(item) > after) and (before is None or time(item) < before)
    ]
