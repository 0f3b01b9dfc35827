"""A resource as the rules see it: plain values, and what a preview cannot know marked as such."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy.proxy import UnknownValueError


class Unknown:
    """A value that is known only once the resource it comes from is made."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass
class Subject:
    """One resource.

    Attributes:
        props: Its properties; an unknown one is `UNKNOWN`.
        related: By property, the resources that the property's value comes from.
    """

    type: str
    name: str
    urn: str
    props: dict[str, Any]
    related: dict[str, list[Subject]] = field(default_factory=dict[str, "list[Subject]"])

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value at a path such as `settings.ipConfiguration`, or the default."""
        value: Any = self.props
        for name in path.split("."):
            if isinstance(value, list):
                value = value[0] if value else None  # a block of which there is at most one
            if isinstance(value, Unknown):
                return UNKNOWN
            if not isinstance(value, dict) or name not in value:
                return default
            value = value[name]
        return default if value is None else value

    def refers(self, name: str, other: Subject, *names: str) -> bool:
        """Whether a property holds another resource: it comes from there, or has its name."""
        if any(one.urn == other.urn for one in self.related.get(name, [])):
            return True
        value = self.get(name)
        return isinstance(value, str) and value in {other.get(one) for one in names}


Check = Callable[[Subject], Iterator[str]]
"""Yields what is wrong with a resource, each a sentence that says what to write instead."""

StackCheck = Callable[[Sequence[Subject]], Iterator[tuple[Subject, str]]]
"""Yields what is wrong with resources that need others beside them."""


def plain(value: Any) -> Any:
    """Return what the policy library hands over as plain lists and mappings."""
    if isinstance(value, Mapping):
        return {str(key): _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def known(value: Any) -> bool:
    """Whether a value can be judged now."""
    return not isinstance(value, Unknown)


def listed(value: Any) -> list[Any]:
    """Return a value as a list: nothing as an empty one, a single one as a list of it."""
    if value is None:
        return []
    return (
        list(value)
        if isinstance(value, Iterable) and not isinstance(value, (str, dict))
        else [value]
    )
