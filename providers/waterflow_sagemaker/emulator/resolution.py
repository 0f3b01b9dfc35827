"""A definition's values while it runs: Get, Std:Join and Std:JsonGet become what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from waterflow_sagemaker.definition.document import is_expression, property_file, step_path
from waterflow_sagemaker.definition.parameters import text

_PART = re.compile(
    r"""\.?(?P<name>[^.\[\]]+)|\[(?P<index>-?\d+)\]|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""",
    re.DOTALL,
)
_KEYS: Final = ("OutputName", "MetricName", "ChannelName", "InputName", "VariantName", "Name")
"""What names a member of a list in the service's answers: `Outputs['data']`."""


class ResolutionError(Exception):
    """A value cannot be had; the step that asks for it fails with this as its reason."""


@dataclass(frozen=True)
class Resolver:
    """Computes expressions from what they can see.

    Attributes:
        parameters: The execution's parameters, typed.
        execution: The execution variables.
        outputs: Step that has succeeded -> what Describe answers for it.
        file: Reads a step's property file: (step, file name) -> its bytes.
        uri: Reads an object of S3.
    """

    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    outputs: Mapping[str, Mapping[str, Any]]
    file: Callable[[str, str], bytes]
    uri: Callable[[str], bytes]

    def resolve(self, value: Any) -> Any:
        """Return a value of the document with every expression in it computed.

        Raises:
            ResolutionError: One of them cannot be.
        """
        if isinstance(value, list):
            return [self.resolve(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        members = cast("dict[str, Any]", value)
        if not is_expression(members):
            return {key: self.resolve(part) for key, part in members.items()}
        [(kind, argument)] = members.items()
        if kind == "Get":
            return self._get(argument)
        if kind == "Std:Join":
            return self._join(argument)
        return self._json(argument)

    def _get(self, path: Any) -> Any:
        head, _, rest = str(path).partition(".")
        if head == "Parameters" and rest in self.parameters:
            return self.parameters[rest]
        if head == "Execution" and rest in self.execution:
            return self.execution[rest]
        named = step_path(str(path))
        if named is None:
            raise ResolutionError(f"'{path}' cannot be resolved")
        step, rest = named
        if step not in self.outputs:
            raise ResolutionError(f"'{path}' cannot be resolved: step '{step}' has no properties")
        value = walk(self.outputs[step], rest, f"Steps.{step}")
        return value.isoformat() if isinstance(value, datetime) else value

    def _join(self, argument: dict[str, Any]) -> str:
        values: list[Any] = argument.get("Values") or []
        parts: list[str] = []
        for value in values:
            resolved = self.resolve(value)
            if isinstance(resolved, (dict, list)):
                raise ResolutionError(f"Std:Join cannot take {json.dumps(value)}: it is no text")
            parts.append(text(resolved))
        return str(argument.get("On", "")).join(parts)

    def _json(self, argument: dict[str, Any]) -> Any:
        path = str(argument.get("Path"))
        reference = argument.get("PropertyFile")
        if reference is not None:
            where = str(reference["Get"])
            file = property_file(where)
            if file is None:
                raise ResolutionError(f"'{where}' is no property file")
            raw = self.file(*file)
        else:
            where = str(self.resolve(argument.get("S3Uri")))
            raw = self.uri(where)
        try:
            document = json.loads(raw)
        except ValueError as error:
            raise ResolutionError(f"{where} is no JSON: {error}") from None
        value = walk(document, path.removeprefix("$"), where)
        if isinstance(value, (dict, list)) or value is None:
            raise ResolutionError(f"'{path}' of {where} is no number, text or boolean")
        return value


def walk(document: Any, path: str, where: str) -> Any:
    """Follow a definite path (`.a.b`, `[0]`, `['a key']`) into a document.

    Args:
        document: Objects and lists.
        path: The path.
        where: What the document is, for the error.

    Raises:
        ResolutionError: The path is none, or leads nowhere.
    """
    at, position = document, 0
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise ResolutionError(f"'{path}' is no path to one value of {where}")
        at, position = _step(at, part, f"'{path}' of {where}"), part.end()
    return at


def _step(at: Any, part: re.Match[str], what: str) -> Any:
    missing = ResolutionError(f"{what} does not exist: there is no {part[0].lstrip('.')}")
    index = part["index"]
    if index is not None:
        if not isinstance(at, list) or not -len(at) <= int(index) < len(at):
            raise missing
        return cast("list[Any]", at)[int(index)]
    name = part["key"] if part["key"] is not None else part["name"]
    if isinstance(at, Mapping) and name in at:
        return cast("Mapping[str, Any]", at)[name]
    if isinstance(at, list) and part["key"] is not None:
        for item in cast("list[Any]", at):
            if isinstance(item, Mapping) and name in [item.get(key) for key in _KEYS]:
                return cast("Any", item)
    raise missing
