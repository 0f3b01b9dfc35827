"""Lists as the service answers them: filtered by time, in their order, and cut into pages."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, TypeVar

from waterflow_sagemaker.emulator.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

DEFAULT_PAGE: Final = 10
"""Items of a page when the request does not say."""

Item = TypeVar("Item")


def page(items: Sequence[Item], request: dict[str, Any]) -> tuple[Sequence[Item], dict[str, str]]:
    """Return one page of a list, and the `NextToken` member if there are more.

    Args:
        items: The whole list, in its order.
        request: May hold `MaxResults` and `NextToken`.

    Raises:
        ServiceError: The token is none that a list has given.
    """
    start = 0
    if "NextToken" in request:
        try:
            start = int(base64.urlsafe_b64decode(request["NextToken"]))
        except (ValueError, binascii.Error):
            raise ServiceError("ValidationException", "Invalid pagination token.") from None
    stop = start + int(request.get("MaxResults", DEFAULT_PAGE))
    more = stop < len(items)
    token = {"NextToken": base64.urlsafe_b64encode(str(stop).encode()).decode()} if more else {}
    return items[start:stop], token


def within(
    items: Iterable[Item],
    request: dict[str, Any],
    time: Callable[[Item], float],
    names: tuple[str, str] = ("CreatedAfter", "CreatedBefore"),
) -> list[Item]:
    """Return the items whose time is between two members of the request.

    Args:
        items: All of them.
        request: The request.
        time: An item's time, in seconds since the epoch.
        names: The members with the bounds.
    """
    after, before = (seconds(request.get(name)) for name in names)
    return [
        item
        for item in items
        if (after is None or time(item) > after) and (before is None or time(item) < before)
    ]


def descending(request: dict[str, Any]) -> bool:
    """Say whether a list is asked for from last to first, as it is when nothing is said."""
    return request.get("SortOrder", "Descending") in ("Descending", "Desc")


def seconds(value: datetime | float | str | None) -> float | None:
    """Return a timestamp of a request, which may come parsed or as on the wire.

    Args:
        value: A moment, or seconds since the epoch.
    """
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        return float(value)
    return value.timestamp()
