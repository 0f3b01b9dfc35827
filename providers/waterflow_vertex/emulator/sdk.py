"""Google's own definitions: its messages, and which requests over HTTP mean which method.

Only the modules of the services that are answered are loaded, past the packages that would load
all of Google's clients, for seconds.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from waterflow_vertex.emulator.errors import invalid

VERTEX: Final = "google.cloud.aiplatform_v1"
MANAGER: Final = "google.cloud.resourcemanager_v3"
SECRETS: Final = "google.cloud.secretmanager_v1"
LOGGING: Final = "google.cloud.logging_v2"
IAM: Final = "google.iam.v1"
LONGRUNNING: Final = "google.longrunning"
LOCATIONS: Final = "google.cloud.location"

_SERVICES: Final = {
    VERTEX: (
        "pipeline_service", "job_service", "schedule_service", "model_service", "endpoint_service",
        "metadata_service", "prediction_service", "tensorboard_service",
        "persistent_resource_service",
    ),
    MANAGER: ("projects",),
    SECRETS: ("secret_manager_service",),
    LOGGING: ("logging_service_v2",),
}  # fmt: skip
_CAMEL: Final = re.compile(r"(?<!^)([A-Z])")


def light() -> None:
    """Let packages of Google's be found without what they would load; for a process of its own."""
    for package, services in _SERVICES.items():
        names = [package, f"{package}.types", f"{package}.services"]
        names += [f"{package}.services.{one}{more}" for one in services
                  for more in ("", ".transports")]  # fmt: skip
        for name in names:
            if name not in sys.modules:
                stand_in(name)
        for one in services:
            # What a service's requests are rests on what sends them, of which nothing is used.
            base = f"{package}.services.{one}.transports.base"
            if base not in sys.modules:
                module = types.ModuleType(base)
                setattr(module, "__getattr__", _unused)  # noqa: B010 - of a module
                sys.modules[base] = module


def _unused(_name: str) -> type[object]:
    """Return what stands for all that a module has."""
    return object


def stand_in(name: str) -> None:
    """Let a package be found without what it would load.

    Args:
        name: The package.
    """
    head, _, tail = name.rpartition(".")
    parent = importlib.import_module(head)
    module = types.ModuleType(name)
    folders = [str(Path(place) / tail) for place in parent.__path__]
    module.__path__ = [folder for folder in folders if Path(folder).is_dir()]
    sys.modules[name] = module
    setattr(parent, tail, module)


@cache
def message(module: str, name: str) -> Any:
    """Return the class of a message, as protobuf has it.

    Args:
        module: Its module: `google.cloud.aiplatform_v1.types.pipeline_job`.
        name: Its name: `PipelineJob`.
    """
    kind = getattr(importlib.import_module(module), name)
    return kind.pb() if hasattr(kind, "pb") else kind


def vertex(module: str, name: str) -> Any:
    """Return the class of a message of Vertex AI."""
    return message(f"{VERTEX}.types.{module}", name)


def rules(package: str, module: str) -> dict[str, list[dict[str, str]]]:
    """Return method -> the requests over HTTP that mean it, for a service.

    Args:
        package: The service's package.
        module: The service's module in it: `pipeline_service`.
    """
    base = importlib.import_module(f"{package}.services.{module}.transports.rest_base")
    held: dict[str, list[dict[str, str]]] = {}
    for name, transport in vars(base).items():
        if not (name.startswith("_Base") and name.endswith("RestTransport")):
            continue
        for inner, method in vars(transport).items():
            if inner.startswith("_Base") and hasattr(method, "_get_http_options"):
                held[inner.removeprefix("_Base")] = method._get_http_options()  # noqa: SLF001
    return held


def parse(kind: Any, value: Any) -> Any:
    """Return a JSON object as a message.

    Args:
        kind: The message's class.
        value: The object.

    Raises:
        Refusal: It is none: a member is unknown, or of another type.
    """
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(value, kind())
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None


def written(one: Any, *, numbers: bool = False, own_names: bool = False) -> dict[str, Any]:
    """Return a message as a JSON object.

    Args:
        one: The message.
        numbers: Whether enums are numbers.
        own_names: Whether members have the names of the definition, not those of JSON.
    """
    from google.protobuf import json_format

    return json_format.MessageToDict(
        one, use_integers_for_enums=numbers, preserving_proto_field_name=own_names
    )


def copied(one: Any) -> Any:
    """Return a copy of a message."""
    other = type(one)()
    other.CopyFrom(one)
    return other


def snake(name: str) -> str:
    """Return a member's name in JSON as the definition has it."""
    return _CAMEL.sub(r"_\1", name).lower()


def stamp(field: Any, seconds: float) -> None:
    """Set a field that is a timestamp.

    Args:
        field: The field.
        seconds: Since the epoch.
    """
    field.FromMicroseconds(int(seconds * 1e6))


def seconds(field: Any) -> float:
    """Return a timestamp or duration in seconds."""
    return field.seconds + field.nanos / 1e9


def set_path(target: dict[str, Any], path: str, value: Any) -> None:
    """Set a member of a JSON object by its path, with objects made on the way.

    Args:
        target: The object.
        path: The path: `secret.name`.
        value: The value.
    """
    *heads, last = path.split(".")
    for head in heads:
        inner = target.setdefault(head, {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid JSON payload received. '{head}' must be an object.")
        target = cast("dict[str, Any]", inner)
    target[last] = value


def repeated(kind: Any, path: str) -> bool:
    """Return whether a member of a message, by its path, is a list."""
    descriptor = kind.DESCRIPTOR
    field: Any = None
    for part in path.split("."):
        if descriptor is None:
            return False
        field = descriptor.fields_by_name.get(
            snake(part)
        ) or descriptor.fields_by_camelcase_name.get(part)
        if field is None:
            return False
        descriptor = field.message_type
    return bool(field is not None and getattr(field, "is_repeated", False))


def masked(target: Any, source: Any, mask: Any) -> None:
    """Take the members of a message that a mask names into another.

    Args:
        target: The message that is changed.
        source: The message with the new values.
        mask: A FieldMask.

    Raises:
        Refusal: The mask names a member that there is not.
    """
    paths = [".".join(snake(part) for part in path.split(".")) for path in mask.paths]
    descriptor = target.DESCRIPTOR
    for path in paths:
        head, _, rest = path.partition(".")
        field = descriptor.fields_by_name.get(head)
        if field is None:
            raise invalid(f"Invalid field mask: there is no field '{path}' in {descriptor.name}.")
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        if rest and entry:
            held, new = getattr(target, head), getattr(source, head)
            if rest in new:
                held[rest] = new[rest]
            else:
                held.pop(rest, None)
        elif rest and field.message_type is not None and not getattr(field, "is_repeated", False):
            inner = type("Mask", (), {"paths": [rest]})()
            masked(getattr(target, head), getattr(source, head), inner)
        else:
            target.ClearField(head)
            one = type(target)()
            one.CopyFrom(source)
            for other in one.DESCRIPTOR.fields:
                if other.name != head:
                    one.ClearField(other.name)
            target.MergeFrom(one)


def selected(one: Any, mask: Any) -> Any:
    """Return a message with only the members that a mask names; all of them for an empty mask."""
    if not mask.paths or "*" in mask.paths:
        return one
    heads = {snake(path.split(".")[0]) for path in mask.paths}
    other = copied(one)
    for field in other.DESCRIPTOR.fields:
        if field.name not in heads:
            other.ClearField(field.name)
    return other
