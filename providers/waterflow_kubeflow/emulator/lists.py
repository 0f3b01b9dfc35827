"""Lists as the API server answers them: filtered, sorted, in pages.

https://github.com/kubeflow/pipelines/blob/master/backend/api/v2beta1/filter.proto
"""

from __future__ import annotations

import json
import operator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from waterflow.emulation.paging import page
from waterflow_kubeflow.emulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Entry = Mapping[str, Any]

_OPERATIONS: Final = (
    "OPERATION_UNSPECIFIED", "EQUALS", "NOT_EQUALS", "GREATER_THAN", "GREATER_THAN_EQUALS",
    "LESS_THAN", "LESS_THAN_EQUALS", "IN", "IS_SUBSTRING",
)  # fmt: skip
_VALUES: Final = (
    "int_value", "long_value", "string_value", "timestamp_value", "int_values", "long_values",
    "string_values",
)  # fmt: skip
_CAMEL: Final = {
    "".join([first, *(word.capitalize() for word in rest)]): name
    for name in _VALUES
    for first, *rest in [name.split("_")]
}
_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "EQUALS": operator.eq,
    "NOT_EQUALS": operator.ne,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_EQUALS": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_EQUALS": operator.le,
    "IN": lambda own, values: own in values,
    "IS_SUBSTRING": lambda own, part: part in own,
}
KEYS: Final = {
    "id": "",
    "name": "display_name",
    "display_name": "display_name",
    "description": "description",
    "created_at": "created_at",
    "finished_at": "finished_at",
    "status": "state",
    "state": "state",
    "storage_state": "storage_state",
    "namespace": "namespace",
}
"""What lists may be filtered and sorted by -> the member that it stands for; "" for the id."""
_SIZE: Final = 20
_MOST: Final = 200


def answer(
    entries: Sequence[Entry], kind: str, identifier: str, query: Mapping[str, str]
) -> dict[str, Any]:
    """Return one page of a list.

    Args:
        entries: All of them.
        kind: The member of the answer that holds them.
        identifier: The member of an entry that is its id.
        query: What is asked for: `filter`, `sort_by`, `page_size`, `page_token`.

    Raises:
        ApiError: The query is wrong.
    """
    keep = _predicates(query.get("filter", ""), identifier)
    kept = [one for one in entries if all(predicate(one) for predicate in keep)]
    ordered = _sorted(kept, query.get("sort_by", ""), identifier)
    try:
        size = int(query.get("page_size") or 0) or _SIZE
        part, token = page(ordered, max(1, min(size, _MOST)), query.get("page_token") or None)
    except ValueError as error:
        raise invalid(str(error)) from None
    result: dict[str, Any] = {"total_size": len(kept)} if kept else {}
    if part:
        result[kind] = list(part)
    if token:
        result["next_page_token"] = token
    return result


def _sorted(entries: list[Entry], wish: str, identifier: str) -> list[Entry]:
    words = wish.split()
    if not words:
        return sorted(entries, key=lambda one: str(one.get("created_at", "")))
    name, direction = words[0], (words[1:] or ["asc"])[0]
    if len(words) > 2 or direction not in ("asc", "desc") or name not in KEYS:
        raise invalid(f"Failed to parse sort_by string: '{wish}'")
    member = KEYS[name] or identifier
    return sorted(entries, key=lambda one: str(one.get(member, "")), reverse=direction == "desc")


def _predicates(text: str, identifier: str) -> list[Callable[[Entry], bool]]:
    if not text:
        return []
    try:
        wish = json.loads(unquote(text) if "%7B" in text[:3].upper() else text)
        listed = wish.get("predicates") or []
        return [_predicate(one, identifier) for one in listed]
    except (ValueError, AttributeError, TypeError) as error:
        raise invalid(f"failed to parse valid filter from '{text}': {error}") from None


def _predicate(one: Mapping[str, Any], identifier: str) -> Callable[[Entry], bool]:
    named: Any = one.get("operation", "")
    operation = _OPERATIONS[named] if isinstance(named, int) else str(named)
    key = str(one.get("key", ""))
    values = {
        _CAMEL.get(name, name): value
        for name, value in one.items()
        if name not in ("operation", "key")
    }
    if operation not in _TESTS:
        raise invalid(f"'{operation}' is no operation of a filter")
    if key not in KEYS:
        raise invalid(f"key '{key}' is none that lists are filtered by")
    if len(values) != 1 or next(iter(values)) not in _VALUES:
        raise invalid("a predicate of a filter has one value")
    (name, value), member = next(iter(values.items())), KEYS[key] or identifier
    if name.endswith("_values") is not (operation == "IN"):
        raise invalid(f"{operation} of a filter does not take {name}")
    test, wish = _TESTS[operation], _wish(name, value)
    return lambda entry: test(_own(name, entry.get(member, "")), wish)


def _wish(name: str, value: Any) -> Any:
    if name.endswith("_values"):
        return [str(item) for item in (value.get("values") or ())]
    return _own(name, value)


def _own(name: str, value: Any) -> str:
    text = str(value)
    return datetime.fromisoformat(text).isoformat() if name == "timestamp_value" and text else text
