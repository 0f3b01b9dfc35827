"""The resources that are documents: kept by name, listed in pages, changed by masks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.paging import page
from waterflow_vertex.emulator import filters, sdk
from waterflow_vertex.emulator.errors import exists, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from waterflow.emulation.clock import Clock

USUAL_PAGE: Final = 50
LARGEST_PAGE: Final = 1000


class Documents:
    """The documents of all kinds.

    Args:
        clock: The time.
        kinds: Kind -> the class of its messages, when it is asked for.
    """

    def __init__(self, clock: Clock, kinds: Mapping[str, Callable[[], Any]]) -> None:
        self._clock, self._kinds = clock, dict(kinds)
        self._held: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
        self.lock = threading.RLock()
        self._last = 0.0

    def now(self) -> float:
        """Return the time, later than all it has returned before."""
        with self.lock:
            self._last = max(self._clock.now(), self._last + 1e-6)
            return self._last

    def add(self, kind: str, name: str, one: Any) -> Any:
        """Keep a new document.

        Raises:
            Refusal: There is one of that name.
        """
        with self.lock:
            if name in self._held[kind]:
                raise exists(f"The {kind} '{name}' already exists.")
            self._held[kind][name] = one
        return one

    def put(self, kind: str, name: str, one: Any) -> None:
        """Keep a document, new or not."""
        with self.lock:
            self._held[kind][name] = one

    def find(self, kind: str, name: str) -> Any:
        """Return a document; None where there is none."""
        return self._held[kind].get(name)

    def get(self, kind: str, name: str) -> Any:
        """Return a document.

        Raises:
            Refusal: There is none.
        """
        one = self._held[kind].get(name)
        if one is None:
            raise missing(f"The {kind} '{name}' is not found.")
        return one

    def remove(self, kind: str, name: str) -> None:
        """Forget a document."""
        with self.lock:
            self._held[kind].pop(name, None)

    def below(self, kind: str, parent: str) -> list[Any]:
        """Return the documents below a parent, the first first.

        Args:
            kind: Their kind.
            parent: The parent's name: `projects/1/locations/us-central1`; "" for all.
        """
        with self.lock:
            held = list(self._held[kind].items())
        return [one for name, one in held if not parent or name.startswith(f"{parent}/")]

    def snapshot(self) -> dict[str, Any]:
        """Return all documents as JSON."""
        return {
            kind: {name: sdk.written(one) for name, one in held.items()}
            for kind, held in self._held.items()
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take the documents of a snapshot."""
        for kind, held in saved.items():
            make = self._kinds[kind]()
            self._held[kind] = {name: sdk.parse(make, one) for name, one in held.items()}


def listed(
    request: Any,
    answer: Any,
    member: str,
    entries: Iterable[Any],
    *,
    usual: int = USUAL_PAGE,
    newest: bool = True,
) -> Any:
    """Return the answer to a list: filtered, in order, one page of it.

    Args:
        request: The request: with `filter`, `order_by`, `page_size`, `page_token`, `read_mask`,
            as far as its message has them.
        answer: The class of the answer.
        member: The answer's member that has the entries.
        entries: All of them, the first first.
        usual: The entries of a page where the request does not say.
        newest: Whether the latest comes first where the request does not say.

    Raises:
        Refusal: The request is wrong.
    """
    test = filters.compiled(getattr(request, "filter", ""))
    pairs = [(one, sdk.written(one, own_names=True)) for one in entries]
    pairs = [(one, plain) for one, plain in pairs if test(plain)]
    order = getattr(request, "order_by", "")
    if order:
        pairs = filters.ordered(pairs, order, lambda pair, name: _key(pair[1], name))
    elif newest:
        pairs.reverse()
    size = getattr(request, "page_size", 0)
    if size < 0:
        raise invalid("page_size must not be negative", page_size="must not be negative")
    part, token = cut([one for one, _ in pairs], min(size or usual, LARGEST_PAGE), request)
    reply = answer(next_page_token=token)
    if hasattr(request, "read_mask"):
        part = [sdk.selected(one, request.read_mask) for one in part]
    getattr(reply, member).extend(part)
    return reply


def cut(entries: list[Any], size: int, request: Any) -> tuple[list[Any], str]:
    """Return one page of a list, and the token of the next one; "" where there is none.

    Raises:
        Refusal: The request's token is none.
    """
    try:
        part, token = page(entries, size, request.page_token or None)
    except ValueError as error:
        raise invalid(str(error), page_token=str(error)) from None
    return list(part), token or ""


def _key(plain: dict[str, Any], name: str) -> tuple[bool, Any]:
    value = filters.member(plain, name.split("."))
    return value is not None, value if isinstance(value, str) else str(value or "")
