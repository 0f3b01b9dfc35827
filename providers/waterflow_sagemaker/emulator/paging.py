"""SageMaker's lists: MaxResults and NextToken, bounds of times, the order they come in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from waterflow.emulation import paging
from waterflow_sagemaker.emulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    size = int(request.get("MaxResults", DEFAULT_PAGE))
    try:
        part, token = paging.page(items, size, request.get("NextToken"))
    except ValueError:
        raise invalid("Invalid pagination token.") from None
    return part, {} if token is None else {"NextToken": token}


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
    return paging.within(items, time, after, before)


def descending(request: dict[str, Any]) -> bool:
    """Return whether a list goes from last to first, as it does when nothing is said."""
    return request.get("SortOrder", "Descending") in ("Descending", "Desc")


def seconds(value: datetime | float | str | None) -> float | None:
    """Return a timestamp of a request, which may come parsed or as on the wire.

    Args:
        value: A moment, or seconds since the epoch.

    Raises:
        ServiceError: It is a text that says neither.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    try:
        return None if value is None else float(value)
    except ValueError:
        raise invalid(f"'{value}' is no time: write seconds since the epoch.") from None
