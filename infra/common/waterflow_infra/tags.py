"""Tags on everything that bears them, set in one place for all resources of a stack."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi.runtime.stack import register_resource_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BEARERS: Final = {"gcp": ("user_labels", "labels")}
"""What the vendors call tags, where they call them otherwise; the first that a type has is meant.

Google's `tags` give access, and where a type has `user_labels` its `labels` are settings.
"""
TAGS: Final = ("tags", "labels")


def tag_everything(tags: Mapping[str, str]) -> None:
    """Give every resource that is made from now on these tags, beside those that it has.

    Args:
        tags: Tags; a resource's own come first.
    """

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        bearer = _bearer(args.type_) if args.custom else None
        if bearer is None:
            return None
        own: Any = args.props.get(bearer) or {}
        merged = pulumi.Output.from_input(own).apply(lambda mine: {**tags, **(mine or {})})
        props = {**args.props, bearer: {**tags, **own} if isinstance(own, dict) else merged}
        return pulumi.ResourceTransformResult(props=props, opts=args.opts)

    register_resource_transform(transform)


def _bearer(token: str) -> str | None:
    """Return the property that holds the tags of a resource's type; None where it has none."""
    for kind in _types(pulumi.CustomResource):
        if getattr(kind, "pulumi_type", None) == token:
            inputs = inspect.signature(getattr(kind, "_internal_init", kind.__init__)).parameters
            names = BEARERS.get(token.partition(":")[0], TAGS)
            name = next((one for one in names if one in inputs and _is_map(kind, one)), None)
            return None if name is None else _on_the_wire(name)
    return None


def _on_the_wire(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _is_map(kind: type, name: str) -> bool:
    """Say whether tags are a map there: a few types of old have lists of their own form."""
    getter = getattr(getattr(kind, name, None), "fget", None)
    return "Mapping[" in str(getattr(getter, "__annotations__", {}).get("return", ""))


def _types(base: type) -> Iterator[type]:
    # SDKs load a class when it is first used, so what is being made is among these.
    for kind in base.__subclasses__():
        yield kind
        yield from _types(kind)
