"""Bodies of requests, held against the client's own models: unknown members are refused."""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

from waterflow_kubeflow.emulator.errors import invalid

_LIST: Final = re.compile(r"list\[(.+)\]")
_MAP: Final = re.compile(r"dict\(str, (.+)\)")
_PLAIN: Final[dict[str, tuple[type, ...]]] = {
    "str": (str, int),  # long numbers travel as text, and may as numbers
    "int": (int,),
    "bool": (bool,),
    "datetime": (str,),
}


def read(body: bytes, model: str) -> dict[str, Any]:
    """Return a body, members by their names in the API; null is left out.

    Args:
        body: The body.
        model: The class of kfp_server_api that it is of, such as "V2beta1Run".

    Raises:
        ApiError: It is none.
    """
    try:
        document: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise invalid(f"the body is no JSON: {error}") from None
    return cast("dict[str, Any]", _checked(document, model, model))


def _checked(value: Any, kind: str, where: str) -> Any:
    import kfp_server_api

    if match := _LIST.fullmatch(kind):
        _expect(value, list, where)
        return [_checked(item, match[1], where) for item in value]
    if match := _MAP.fullmatch(kind):
        _expect(value, dict, where)
        return {key: _checked(item, match[1], f"{where}.{key}") for key, item in value.items()}
    if kind == "object":
        return value
    if kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise invalid(f"proto: (line 1:1): invalid value for {where}: {json.dumps(value)}")
        return value
    model: Any = getattr(kfp_server_api, kind)
    if not model.openapi_types:  # an enumeration
        if value not in model.allowable_values:
            raise invalid(f'proto: (line 1:1): invalid value for enum field {where}: "{value}"')
        return value
    _expect(value, dict, where)
    names = {wire: own for own, wire in model.attribute_map.items()} | {
        own: own for own in model.openapi_types
    }
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = names.get(key) or names.get(_snake(key))
        if name is None:
            raise invalid(f'proto: (line 1:1): unknown field "{key}" in {where}')
        if item is not None:
            result[name] = _checked(item, model.openapi_types[name], f"{where}.{name}")
    return result


def _expect(value: Any, kind: type, where: str) -> None:
    if not isinstance(value, kind):
        raise invalid(f"proto: (line 1:1): invalid value for {where}: {json.dumps(value)[:80]}")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda match: f"_{match[1].lower()}", name)


def plain(body: bytes) -> dict[str, Any]:
    """Return a body of which no model is known.

    Raises:
        ApiError: It is no object in JSON.
    """
    try:
        document: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise invalid(f"the body is no JSON: {error}") from None
    _expect(document, dict, "the body")
    return cast("dict[str, Any]", document)
