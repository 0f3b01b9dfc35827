"""What a stack has: its resources, and the document that would keep them, secrets ciphered."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from standin.values import MARK, SECRET, Properties, Secret, bare, mapped, masked, wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STACK_TYPE = "pulumi:pulumi:Stack"


@dataclass
class Resource:
    """One resource of a stack, as last registered and made."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str = ""
    id: Any = None
    inputs: Properties = field(default_factory=dict[str, Any])
    outputs: Properties = field(default_factory=dict[str, Any])
    protect: bool = False
    provider: str = ""
    dependencies: list[str] = field(default_factory=list[str])
    property_dependencies: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    retain: bool = False
    deleted_with: str = ""
    delete_before_replace: bool = False
    external: bool = False
    source: str = ""
    sequence: int = 0

    def __getitem__(self, name: str) -> Any:
        """Return an output by its name on the wire, a secret as `[secret]`."""
        return masked(self.outputs[name])

    @property
    def package(self) -> str:
        """The package that the type belongs to, such as `aws`."""
        return self.type.split(":", 1)[0]


class State:
    """The resources of a stack in the order in which they were made."""

    def __init__(self, resources: Mapping[str, Resource] | None = None) -> None:
        self.resources: dict[str, Resource] = dict(resources or {})
        self._ciphers: dict[str, str] = {}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources.values())

    def __len__(self) -> int:
        return len(self.resources)

    def get(self, urn: str) -> Resource | None:
        """Return a resource, or None."""
        return self.resources.get(urn)

    def copy(self) -> State:
        """Return a state that changes on its own."""
        return State(self.resources)

    def document(self) -> str:
        """Return the state as `pulumi stack export` writes it; a secret is a cipher's handle.

        The handle stands for what Pulumi's secrets provider encrypts with a key that is outside
        of the state: here the plain text stays in this process, and no file ever holds it.
        """
        resources = [
            {
                "urn": one.urn,
                "custom": one.custom,
                "type": one.type,
                **({"id": bare(one.id)} if one.custom else {}),
                "inputs": self._sealed(one.inputs),
                "outputs": self._sealed(one.outputs),
                "parent": one.parent,
                "protect": one.protect,
                "provider": one.provider,
                "dependencies": one.dependencies,
                "propertyDependencies": one.property_dependencies,
            }
            for one in self
        ]
        kept = [
            {key: value for key, value in one.items() if value not in ("", [], {})}
            for one in resources
        ]
        return json.dumps({"version": 3, "deployment": {"resources": kept}}, indent=2)

    def _sealed(self, values: Any) -> Any:
        def sealed(one: Any) -> Any:
            if not isinstance(one, Secret):
                return one
            plain = json.dumps(wire(one.value), sort_keys=True)
            handle = self._ciphers.setdefault(plain, secrets.token_hex(16))
            return {MARK: SECRET, "ciphertext": handle}

        return mapped(values, sealed)
