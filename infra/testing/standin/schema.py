"""Checks a resource's inputs against the types of the SDK that is installed beside the program."""

from __future__ import annotations

import atexit
import difflib
import functools
import json
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin.values import ASSETS, MARK, Reference, Secret, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping


@functools.cache
def schemas_of(python: Path) -> Schemas:
    """Return the schemas of an environment, the same ones for all who ask in this process."""
    schemas = Schemas(python)
    atexit.register(schemas.close)
    return schemas


class Schemas:
    """The schemas of an environment's SDKs, each read once by a process of that environment."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._known: dict[str, dict[str, Any]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __call__(self, token: str) -> dict[str, Any]:
        """Return a resource type's schema.

        Raises:
            LookupError: The installed SDKs have no such type.
        """
        with self._lock:
            if token not in self._known:
                self._known[token] = self._ask(token)
        schema = self._known[token]
        if "error" in schema:
            raise LookupError(schema["error"])
        return schema

    def _ask(self, token: str) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                [str(self._python), str(Path(__file__).with_name("introspection.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(token + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._python} ended while it read the schema of {token}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process; what it answered stays known."""
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None


def failures(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong with a resource's inputs, as pairs of a path and a reason."""
    return _object(schema["inputs"], schema["types"], inputs, "")


def _object(
    properties: Mapping[str, Any], types: Mapping[str, Any], value: Mapping[str, Any], path: str
) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    for name, one in value.items():
        here = f"{path}.{name}" if path else name
        if name.startswith("__"):
            continue  # what the SDK adds for itself, `__defaults` for one
        if name not in properties:
            wrong.append((here, "there is no such property" + _nearest(name, properties)))
        elif one is not None:
            wrong += _value(properties[name]["kind"], types, one, here)
            wrong += _documented(properties[name].get("values"), one, here)
    for name, entry in properties.items():
        if entry["required"] and value.get(name) is None:
            wrong.append((f"{path}.{name}" if path else name, "this property is required"))
    return wrong


def _nearest(name: str, properties: Mapping[str, Any]) -> str:
    snake = {entry["python"]: wire for wire, entry in properties.items()}
    if name in snake:
        return f"; on the wire it is {snake[name]}: use the class of arguments, or camel case"
    near = difflib.get_close_matches(name, properties, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(properties))}"


def _documented(values: list[str] | None, value: Any, path: str) -> list[tuple[str, str]]:
    plain = value.value if isinstance(value, Secret) else value
    if not values or not isinstance(plain, str) or plain in values:
        return []
    return [(path, f"{plain!r} is none of the documented values: {', '.join(values)}")]


def _value(kind: Any, types: Mapping[str, Any], value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Secret):
        return _value(kind, types, value.value, path)
    if kind == "any" or isinstance(value, (Unknown, Reference)):
        return []
    if isinstance(kind, str):
        return _scalar(kind, value, path)
    ((form, inner),) = kind.items()
    if form == "union":
        return _union(inner, types, value, path)
    if form == "enum":
        return (
            [] if value in inner else [(path, f"{value!r} is none of {', '.join(map(str, inner))}")]
        )
    if form == "array":
        if not isinstance(value, list):
            return [(path, f"expected a list, not {_named(value)}")]
        items = enumerate(value)
        return [
            one for index, item in items for one in _value(inner, types, item, f"{path}[{index}]")
        ]
    if not isinstance(value, dict):
        return [(path, f"expected a mapping, not {_named(value)}")]
    if form == "map":
        pairs = value.items()
        return [one for key, item in pairs for one in _value(inner, types, item, f"{path}.{key}")]
    return _object(types[inner], types, value, path)


def _union(
    kinds: list[Any], types: Mapping[str, Any], value: Any, path: str
) -> list[tuple[str, str]]:
    # A string beside an enum is the SDK's way to take a value that is newer than itself, and takes
    # every misspelling with it: here a value has to be one that the installed SDK knows.
    # Save where the enum only lists the vendor's own ARNs, as of managed policies.
    text = value.value if isinstance(value, Secret) else value
    foreign = isinstance(text, str) and text.startswith("arn:")
    enums = [] if foreign else [one for one in kinds if isinstance(one, dict) and "enum" in one]
    others = [kind for kind in kinds if kind != "string"] if enums else kinds
    results = [_value(kind, types, value, path) for kind in others]
    return min(results, key=len)


def _scalar(kind: str, value: Any, path: str) -> list[tuple[str, str]]:
    if kind == "asset":
        right = isinstance(value, dict) and value.get(MARK) in ASSETS
    elif kind == "boolean":
        right = isinstance(value, bool)
    elif kind in {"integer", "number"}:
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        right = right and (kind == "number" or float(value).is_integer())
    else:
        right = isinstance(value, str)
    return [] if right else [(path, f"expected a value of type {kind}, not {_named(value)}")]


def _named(value: Any) -> str:
    names = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "a list",
        dict: "a mapping",
    }
    name = names.get(type(value), type(value).__name__)
    return f"{name} {value!r}" if isinstance(value, (bool, int, float, str)) else name
