"""Reads a resource type's inputs and outputs out of the installed SDK; runs in the stack's Python.

A line on standard input names a resource type, a line on standard output answers with its schema
as JSON: `{"inputs": {...}, "outputs": {...}, "types": {...}, ...}`, or `{"error": "..."}`. Started
once for many types: to import an SDK takes longest. Needs `pulumi` and the standard library only.
"""

from __future__ import annotations

import collections.abc
import enum
import importlib
import inspect
import json
import re
import sys
import typing
import warnings
from typing import Any

import pulumi
from pulumi import _types  # pyright: ignore[reportPrivateUsage] # the SDK's own reading of its classes: there is no public door to it
from pulumi.runtime import rpc

PLUMBING = (collections.abc.Awaitable, pulumi.Output)
SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
# How the SDKs' texts say that a change makes a new resource.
REPLACES = re.compile(
    r"forces (?:the creation of )?(?:a )?(?:new resource|replacement|recreation)"
    r"|changing (?:this|it) (?:forces|creates|will create)",
    re.IGNORECASE,
)
VALUES = re.compile(
    r"(?:valid|allowed|possible|supported|accepted) values?(?: are| include|:| is)?:?\s*"
    r"((?:(?:and |or |, |and/or )*`[^`\s]+`(?:,| and| or|\s)*){2,})(?=[.;]|$|\s*[A-Z(])"
    r"|must be (?:one of|either):?\s*((?:(?:and |or |, )*`[^`\s]+`(?:,| and| or|\s)*){2,})",
    re.IGNORECASE,
)


class Reader:
    """The schema of one resource type, its nested types collected while reading."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}

    def kind(self, annotation: Any) -> Any:
        """Return an annotation as a kind: a scalar's name, or one of array, map, object, enum."""
        members = self._members(annotation)
        if len(members) > 1:
            return {"union": [self.kind(member) for member in members]}
        if not members:
            return "any"
        plain = members[0]
        if plain in SCALARS:
            return SCALARS[plain]
        origin, arguments = typing.get_origin(plain), typing.get_args(plain)
        if origin in {list, collections.abc.Sequence}:
            return {"array": self.kind(arguments[0]) if arguments else "any"}
        if origin in {dict, collections.abc.Mapping}:
            return {"map": self.kind(arguments[1]) if arguments else "any"}
        return self._class(plain)

    def _class(self, plain: Any) -> Any:
        if not inspect.isclass(plain):
            return "any"
        if issubclass(plain, enum.Enum):
            return {"enum": [member.value for member in plain]}
        if issubclass(plain, (pulumi.Asset, pulumi.Archive)):
            return "asset"
        if _types.is_input_type(plain) or _types.is_output_type(plain):
            name = f"{plain.__module__}.{plain.__qualname__}"
            if name not in self.types:
                self.types[name] = {}  # a type may hold itself
                self.types[name] = self.inputs(plain) if _types.is_input_type(plain) else {}
            return {"object": name}
        return "any"

    def _members(self, annotation: Any) -> list[Any]:
        """Return what a union holds without `None`, awaitables, outputs and typed dictionaries."""
        if annotation is Any or annotation is None:
            return []
        origin = typing.get_origin(annotation)
        if origin is typing.Union or type(annotation).__name__ == "UnionType":
            members: list[Any] = []
            for each in typing.get_args(annotation):
                members += [one for one in self._members(each) if one not in members]
            return members
        if (
            annotation is type(None)
            or (origin or annotation) in PLUMBING
            or typing.is_typeddict(annotation)
        ):
            return []
        return [annotation]

    def inputs(self, arguments: type) -> dict[str, Any]:
        """Return the properties of a class of arguments, by their names on the wire."""
        names = _types.input_type_py_to_pulumi_names(arguments)
        kinds = _types.input_type_types(arguments)
        signature = inspect.signature(arguments.__init__)
        texts = _texts(arguments)
        properties: dict[str, Any] = {}
        for python, wire in names.items():
            parameter = signature.parameters.get(python)
            required = parameter is not None and parameter.default is inspect.Parameter.empty
            text = texts.get(python, "")
            entry = {"python": python, "kind": self.kind(kinds.get(wire)), "required": required}
            if REPLACES.search(text):
                entry["replaces"] = True
            if entry["kind"] == "string" and (values := _values(text)):
                entry["values"] = values
            properties[wire] = entry
        return properties


def _texts(arguments: type) -> dict[str, str]:
    """Return what the docstring says of each argument, by its Python name."""
    documentation = inspect.getdoc(arguments.__init__) or ""
    texts: dict[str, str] = {}
    for part in re.split(r"^\s*:param ", documentation, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition(": ")
        texts[heading.split(" ")[-1]] = text
    return texts


def _values(text: str) -> list[str]:
    """Return the values that a text calls the only valid ones: the words between its backquotes."""
    match = VALUES.search(text)
    if re.search(r"\balso (?:valid|supported|accepted|allowed|possible)", text):
        return []  # the list is not the whole of it
    words = re.findall(r"`([^`]+)`", match.group(1) or match.group(2)) if match else []
    return [word.strip('"') for word in words]


def _resource(token: str) -> Any:
    """Return the class of a resource type, or None."""
    package = token.split(":", 1)[0]
    if package == "pulumi" and token.startswith("pulumi:providers:"):
        module = importlib.import_module("pulumi_" + token.rsplit(":", 1)[1].replace("-", "_"))
        return getattr(module, "Provider", None)
    importlib.import_module("pulumi_" + package.replace("-", "_"))
    for module in rpc._RESOURCE_MODULES.get(token.rsplit(":", 1)[0], []):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        information: Any = getattr(module, "mod_info")  # noqa: B009 each SDK's own class has it
        name = information["classes"].get(token)
        if name:
            return getattr(importlib.import_module(information["fqn"]), name, None)
    return None


def _package(resource: Any) -> dict[str, Any]:
    """Return the plugin's name and version, which the SDK's package states."""
    module = importlib.import_module(resource.__module__.split(".")[0])
    version = importlib.import_module(module.__name__ + "._utilities").get_version()
    return {"module": module.__name__, "version": str(version)}


def schema(token: str) -> dict[str, Any]:
    """Return the schema of a resource type.

    Raises:
        LookupError: The installed SDKs have no such type.
    """
    try:
        resource = _resource(token)
    except ModuleNotFoundError as error:
        raise LookupError(f"no SDK is installed for {token}: {error.name} is missing") from error
    if resource is None:
        raise LookupError(f"the installed SDK has no resource type {token}")
    reader = Reader()
    name = resource.__name__
    home = importlib.import_module(resource.__module__)
    arguments = getattr(home, f"{name}InitArgs", None) or getattr(home, f"{name}Args")
    inputs = reader.inputs(arguments)
    outputs = {wire: reader.kind(kind) for wire, kind in _types.resource_types(resource).items()}
    source = inspect.getsource(resource._internal_init)  # noqa: SLF001
    secret = re.search(r"additional_secret_outputs=\[([^\]]*)\]", source)
    return {
        "token": token,
        "package": _package(resource),
        "inputs": inputs,
        "outputs": outputs,
        "secrets": re.findall(r"\"(\w+)\"", secret.group(1)) if secret else [],
        "types": reader.types,
    }


def main() -> None:
    """Answer line by line until standard input ends."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    sys.stdout = sys.stderr  # what an SDK prints while it is imported is no answer
    for line in sys.stdin:
        try:
            answer = schema(line.strip())
        except (LookupError, ImportError, AttributeError, TypeError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
