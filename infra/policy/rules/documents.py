"""AWS policy documents, read from what a property holds: JSON as text, or its structure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rules.subject import listed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Statement:
    """One statement that allows."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    conditioned: bool
    negated: bool

    @property
    def label(self) -> str:
        """How to find it in the document."""
        return (
            f"statement {self.sid!r}" if self.sid else f"the statement of {', '.join(self.actions)}"
        )

    @property
    def anybody(self) -> bool:
        """Whether everybody is among the principals."""
        return any(name == "*" for _, name in self.principals)


def allowing(document: Any) -> Iterator[Statement]:
    """Yield the statements of a document that allow; none of one that is not known yet."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if not isinstance(document, dict):
        return
    for one in listed(document.get("Statement")):
        if isinstance(one, dict) and one.get("Effect") == "Allow":
            yield _statement(one)


def denying(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the statements of a document that deny, as they are written."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if isinstance(document, dict):
        for one in listed(document.get("Statement")):
            if isinstance(one, dict) and one.get("Effect") == "Deny":
                yield one


def _statement(one: dict[str, Any]) -> Statement:
    principal = one.get("Principal")
    pairs: list[tuple[str, str]] = []
    if isinstance(principal, str):
        pairs.append(("AWS", principal))
    elif isinstance(principal, dict):
        pairs += [(kind, str(name)) for kind, names in principal.items() for name in listed(names)]
    return Statement(
        sid=str(one.get("Sid", "")),
        actions=tuple(str(action) for action in listed(one.get("Action"))),
        resources=tuple(str(resource) for resource in listed(one.get("Resource"))),
        principals=tuple(pairs),
        conditioned=bool(one.get("Condition")),
        negated="NotAction" in one or "NotResource" in one or "NotPrincipal" in one,
    )
