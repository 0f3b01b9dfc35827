"""What a registration asks for, before it is carried out: helpers that change no state."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pulumi.runtime.proto import resource_pb2

from standin.values import Properties, Secret

if TYPE_CHECKING:
    from standin.provider import Difference, Provider
    from standin.result import Layer
    from standin.state import Resource

PROVIDERS = "pulumi:providers:"
Goal = resource_pb2.RegisterResourceRequest
# What the SDK's outputs give as their text.
STRINGED = "Calling __str__ on an Output[T] is not supported"
NO_TEXT = "an output stands in a text: use pulumi.Output.concat, format or apply"


class RefusalError(Exception):
    """A resource cannot be registered; the message says why, the layer who says so."""

    def __init__(self, layer: Layer, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.layer: Layer = layer
        self.messages = messages


PROTECTED = (
    "resource {0!r} cannot be deleted because it is protected. To unprotect the resource, remove "
    "the `protect` flag in the program and run `pulumi up`, or run `pulumi state unprotect '{0}'`"
)


def forced(goal: Goal, difference: Difference) -> tuple[str, ...]:
    """Return the changed paths that need a new resource, as the provider or the program says."""
    stated = set(goal.replaceOnChanges)
    chosen = [
        path
        for path in difference.changes
        if "*" in stated
        or any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in stated)
    ]
    return tuple(dict.fromkeys([*difference.replaces, *chosen]))


def keeping(news: Properties, old: Resource | None, ignored: list[str]) -> Properties:
    """Return inputs in which what the program ignores changes of is as it was before."""
    if old is None:
        return news
    kept = dict(news)
    for path in ignored:
        name, _, rest = path.partition(".")
        inner = old.inputs.get(name)
        if rest and isinstance(inner, dict) and isinstance(kept.get(name), dict):
            kept[name] = keeping(kept[name], replace(old, inputs=inner), [rest])
        elif name in old.inputs:
            kept[name] = inner
        else:
            kept.pop(name, None)
    return kept


def decoded(provider: Provider, inputs: Properties) -> Properties:
    """Return a provider's inputs: on the wire all that is no text is JSON in one."""
    kinds = provider.schemas(PROVIDERS + provider.package)["inputs"]
    result: Properties = {}
    for name, value in inputs.items():
        plain = value.value if isinstance(value, Secret) else value
        if isinstance(plain, str) and name in kinds and kinds[name]["kind"] != "string":
            with contextlib.suppress(ValueError):
                plain = json.loads(plain)
        result[name] = Secret(plain) if isinstance(value, Secret) else plain
    result.pop("version", None)
    return result
