"""What an operation on a stack came to: changes, resources, outputs, and what was said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from standin.state import STACK_TYPE, Resource
from standin.values import Properties, bare, masked

if TYPE_CHECKING:
    from collections.abc import Iterator

Layer = Literal["sdk", "schema", "engine", "policy", "provider", "program"]
Change = Literal["create", "update", "replace", "delete", "same", "read"]


@dataclass(frozen=True)
class Diagnostic:
    """One message, with the layer that it comes from.

    Attributes:
        layer: `sdk` (the program raised), `schema` (inputs against the SDK's types), `engine`,
            `provider`, `policy`, or `program` for what the program itself logged.
    """

    severity: Literal["info", "warning", "error"]
    layer: Layer
    message: str
    urn: str = ""

    def __str__(self) -> str:
        where = f"{self.urn.rsplit('::', 1)[-1]}: " if self.urn else ""
        return f"{self.severity} ({self.layer}): {where}{self.message}"


class StackError(Exception):
    """An operation failed; the message holds every error's text."""


@dataclass
class Result:
    """One operation's outcome.

    Attributes:
        changes: What happened, or would happen, to each resource, by URN; components included,
            the stack itself and providers that nobody declared left out.
        details: The property paths that differ, by URN, for each update and replacement.
        resources: The stack's resources after the operation.
        diagnostics: Everything that was said.
    """

    operation: str
    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    details: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    resources: list[Resource] = field(default_factory=list[Resource])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that make the operation a failure."""
        return [one for one in self.diagnostics if one.severity == "error"]

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.errors

    def require(self) -> Result:
        """Return the result itself.

        Raises:
            StackError: The operation failed.
        """
        if self.errors:
            raise StackError(f"{self.operation} failed:\n" + "\n".join(map(str, self.errors)))
        return self

    @property
    def counts(self) -> dict[str, int]:
        """How many resources met each change."""
        return dict(Counter(self.changes.values()))

    @property
    def changed(self) -> dict[str, Change]:
        """What is not the same, by the resources' logical names."""
        return {urn.rsplit("::", 1)[1]: one for urn, one in self.changes.items() if one != "same"}

    @property
    def outputs(self) -> Properties:
        """The stack's outputs as a person is shown them: a secret as `[secret]`."""
        return masked(self._root.outputs) if self._root else {}

    def reveal(self, name: str) -> Any:
        """Return one output with its secrets in plain text."""
        if self._root is None:
            raise KeyError(name)
        return bare(self._root.outputs[name])

    @property
    def _root(self) -> Resource | None:
        return next((one for one in self.resources if one.type == STACK_TYPE), None)

    def of(self, token: str) -> list[Resource]:
        """Return the resources of a type, named whole or by its end, such as `Bucket`."""
        return [
            one for one in self.resources if one.type == token or one.type.endswith(f":{token}")
        ]

    def resource(self, name: str, token: str = "") -> Resource:
        """Return the one resource of a logical name, and of a type where the name is not enough.

        Raises:
            KeyError: There is none, or more than one.
        """
        candidates = [
            one for one in (self.of(token) if token else self.resources) if one.name == name
        ]
        if len(candidates) != 1:
            names = ", ".join(f"{one.type} {one.name}" for one in candidates or self.resources)
            raise KeyError(f"{len(candidates)} resources are called {name!r}; there are: {names}")
        return candidates[0]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)
