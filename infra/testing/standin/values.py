"""Property values as program, engine and provider exchange them: secrets, unknowns, references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, struct_pb2

# The marks are Pulumi's wire format: sdk/go/common/resource/properties.go in pulumi/pulumi.
MARK = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 a mark, no secret itself
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
ASSETS = frozenset({"c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"})
UNKNOWN_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# The six other marks that stand for an unknown value of another type.
UNKNOWN_MARKS = frozenset(
    {
        UNKNOWN_MARK,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """A value that a preview cannot know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that no plain output, message or state may show."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True)
class Reference:
    """A resource that is itself a property's value."""

    urn: str
    id: Any = None
    version: str = ""


Properties = dict[str, Any]


def read(value: Any) -> Any:
    """Return a value of the wire, as JSON, in this module's terms."""
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, dict):
        return _read_mapping(value)
    if isinstance(value, str) and value in UNKNOWN_MARKS:
        return UNKNOWN
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _read_mapping(value: dict[str, Any]) -> Any:
    mark = value.get(MARK)
    if mark == SECRET:
        return Secret(bare(read(value.get("value"))))
    if mark == OUTPUT:
        inner = read(value["value"]) if "value" in value else UNKNOWN
        return Secret(bare(inner)) if value.get("secret") else inner
    if mark == REFERENCE:
        return Reference(value["urn"], read(value.get("id")), value.get("packageVersion", ""))
    if mark in ASSETS:
        return value
    return {key: read(one) for key, one in value.items() if one is not None}


def properties(struct: struct_pb2.Struct) -> Properties:
    """Return a message's properties in this module's terms."""
    return {
        key: read(value)
        for key, value in json_format.MessageToDict(struct).items()
        if value is not None
    }


def wire(value: Any) -> Any:
    """Return a value as JSON of the wire."""
    if isinstance(value, Unknown):
        return UNKNOWN_MARK
    if isinstance(value, Secret):
        return {MARK: SECRET, "value": wire(value.value)}
    if isinstance(value, Reference):
        return {
            MARK: REFERENCE,
            "urn": value.urn,
            "packageVersion": value.version,
            **({} if value.id is None else {"id": wire(value.id)}),
        }
    if isinstance(value, Mapping):
        return {key: wire(one) for key, one in value.items()}
    if isinstance(value, list):
        return [wire(one) for one in value]
    return value


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return properties as the message's own structure."""
    message = struct_pb2.Struct()
    json_format.ParseDict(wire(values), message)
    return message


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with each secret, unknown, reference and scalar in it changed."""
    if isinstance(value, Mapping):
        return {key: mapped(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [mapped(one, change) for one in value]
    return change(value)


def bare(value: Any) -> Any:
    """Return a value without its secrets' wrappings."""
    return mapped(value, lambda one: bare(one.value) if isinstance(one, Secret) else one)


def masked(value: Any) -> Any:
    """Return a value in which a secret and an unknown are only named: what a person is shown."""

    def shown(one: Any) -> Any:
        if isinstance(one, Secret):
            return "[secret]"
        if isinstance(one, Unknown):
            return "[unknown]"
        return one.urn if isinstance(one, Reference) else one

    return mapped(value, shown)


def unknown(value: Any) -> bool:
    """Whether a value is unknown, or holds one that is."""
    return any(isinstance(one, Unknown) for _, one in leaves(bare(value)))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each scalar, secret and reference with its path, such as `rules[0].status`."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")
    else:
        yield path, value


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths at which two values differ; an unknown differs from all."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        paths: list[str] = []
        for key in [*before, *(key for key in after if key not in before)]:
            here = f"{path}.{key}" if path else str(key)
            if key in before and key in after:
                paths += differences(before[key], after[key], here)
            else:
                paths.append(here)
        return paths
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [
            one for index, (old, new) in pairs for one in differences(old, new, f"{path}[{index}]")
        ]
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return [path]
    return [] if before == after else [path]
