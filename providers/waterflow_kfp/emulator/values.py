"""Parameters' values: checked against their types, written as text, read from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_kfp.emulator.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEGACY: Final = {"INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE", "STRING": "STRING"}
_WORDS: Final = {
    "NUMBER_INTEGER": "an integer",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "a boolean",
    "LIST": "a list",
    "STRUCT": "a struct",
}


def kind(spec: Mapping[str, Any]) -> str:
    """Return the type that a parameter declares; STRING for one that says none."""
    return str(spec.get("parameterType") or _LEGACY.get(str(spec.get("type")), "STRING"))


def text(value: Any) -> str:
    """Return a value as it stands in an argument: JSON, but for a text itself."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value))


def plain(value: Any) -> Any:
    """Return a value as a document of JSON holds it: 1.0 is 1, everywhere in it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in cast("list[Any]", value)]
    return value


def checked(name: str, value: Any, of: str) -> Any:
    """Return a value as a parameter of a type takes it.

    What is no text becomes one for a parameter that is; nothing else is converted:
    https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/driver/resolve.go

    Args:
        name: The parameter.
        value: What it is given.
        of: Its type.

    Raises:
        TaskError: The value is of another type.
    """
    value = plain(value)
    if of == "STRING":
        return text(value)
    if of in _WORDS and not _is(value, of):
        given = "null" if value is None else f"{json.dumps(value)[:200]}"
        raise TaskError(
            f"input parameter {name} type mismatch: expect {_WORDS[of]} ({of}), got {given}"
        )
    return value


def read(name: str, written: str, of: str) -> Any:
    """Return what a job has written as an output parameter.

    Args:
        name: The parameter.
        written: The file's text.
        of: Its type.

    Raises:
        TaskError: The text is no value of the type.
    """
    if of == "STRING":
        return written
    try:
        value = json.loads(written)
    except ValueError:
        value = {"true": True, "false": False}.get(written.strip().lower())
    if of == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if of in _WORDS and not _is(value, of):
        raise TaskError(
            f"failed to read output parameter name={name!r} type={of!r}: "
            f"{written[:200]!r} is not {_WORDS[of]}"
        )
    return plain(value)


def _is(value: Any, of: str) -> bool:
    if of in ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (of == "NUMBER_DOUBLE" or isinstance(value, int))
    kinds: dict[str, type] = {"BOOLEAN": bool, "LIST": list, "STRUCT": dict}
    return isinstance(value, kinds[of])
