"""Request bodies held against the generated models inside azure-ai-ml: what the service's are."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
import re
import sys
import threading
import types
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from waterflow_azureml.emulator.errors import invalid

_ALIAS: Final = "_waterflow_azureml_wire"
"""The name under which the models are loaded: the SDK's own would load all of it, for seconds."""

_DURATION: Final = re.compile(
    r"-?P(?=.)(\d+(\.\d+)?W|(\d+Y)?(\d+M)?(\d+(\.\d+)?D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)"
)
_LONGEST: Final = 60
_LOADING: Final = threading.Lock()

_KINDS: Final = ("CustomModel", "MLFlowModel", "MLTable", "TritonModel", "UriFile", "UriFolder")
MORE: Final[dict[str, frozenset[str]]] = {
    f"{kind}JobOutput": frozenset({"assetVersion", "pathOnCompute", "autoDeleteSetting"})
    for kind in _KINDS
} | {
    f"{kind}JobInput": frozenset({"pathOnCompute"}) for kind in _KINDS
}  # fmt: skip
"""Model -> members of older API versions that the SDK still sends; they are kept unread."""


def check(model: str, body: Any, prefix: str = "") -> None:
    """Refuse a body that the service's model does not allow.

    Args:
        model: The model's name: `WorkspaceData`.
        body: The body.
        prefix: What its members' paths begin with.

    Raises:
        Refusal: 400, with all that is wrong.
    """
    texts = violations(model, body, prefix)
    if texts:
        raise invalid("The request is invalid. " + " ".join(texts), *texts)


def violations(model: str, body: Any, prefix: str = "") -> list[str]:
    """Return what a body has that a model does not allow, one text each.

    Args:
        model: The model's name.
        body: The body.
        prefix: What its members' paths begin with.
    """
    texts: list[str] = []
    _model(getattr(models(), model), body, prefix, texts)
    return texts


def models() -> types.ModuleType:
    """Return the module of the models, loaded by whoever asks first."""
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> types.ModuleType:
    spec = importlib.util.find_spec("azure.ai.ml")
    assert spec is not None  # noqa: S101 - the emulator's LIBRARIES name it
    assert spec.submodule_search_locations is not None  # noqa: S101 - it is a package
    folder = Path(next(iter(spec.submodule_search_locations))) / "_restclient" / "arm_ml_service"
    package = types.ModuleType(_ALIAS)
    package.__path__ = [str(folder)]
    sys.modules[_ALIAS] = package
    return importlib.import_module(f"{_ALIAS}.models._models")


@cache
def members(kind: type) -> dict[str, tuple[Any, bool, bool]]:
    """Return a model's members: name on the wire -> (type, whether it must be, whether it is read).

    Args:
        kind: The model.
    """
    names = {**vars(models()), "_models": importlib.import_module(f"{_ALIAS}.models")}
    held: dict[str, tuple[Any, bool, bool]] = {}
    for base in reversed(kind.__mro__):
        for name, hint in vars(base).get("__annotations__", {}).items():
            field = vars(base).get(name)
            if not hasattr(field, "_rest_name_input"):
                continue
            if isinstance(hint, str):
                hint = eval(hint, names)  # noqa: S307, PLW2901 - the SDK's own annotations
            hint = _resolved(hint, names)  # noqa: PLW2901
            optional = hint is Any or type(None) in get_args(hint)
            read = getattr(field, "_visibility", None) == ["read"]
            held[_wire(field, name)] = (hint, not optional and not read, read)
    return held


@cache
def discriminator(kind: type) -> str | None:
    """Return the member that says which of its subclasses a model is; None where none does."""
    for base in kind.__mro__:
        for name, field in vars(base).items():
            if getattr(field, "_is_discriminator", False):
                return _wire(field, name)
    return None


def _wire(field: Any, name: str) -> str:
    """Return what a member is called on the wire: the SDK notes it where it is not its name."""
    return str(getattr(field, "_rest_name_input", None) or name)


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """Return an annotation with what it only names looked up."""
    if isinstance(hint, str):
        return _resolved(eval(hint, names), names)  # noqa: S307 - the SDK's own annotations
    forward = getattr(hint, "__forward_arg__", None)
    if forward is not None:
        return _resolved(eval(forward, names), names)  # noqa: S307 - as above
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Union or origin is types.UnionType:
        return Union[tuple(_resolved(one, names) for one in arguments)]  # noqa: UP007 - dynamic
    if origin is list:
        return list[_resolved(arguments[0], names)]
    if origin is dict:
        return dict[str, _resolved(arguments[1], names)]
    return hint


def _model(kind: Any, value: Any, path: str, texts: list[str]) -> None:
    if not isinstance(value, dict):
        texts.append(f"{_said(path)} must be an object, not {_shown(value)}.")
        return
    name = discriminator(kind)
    mapping: dict[str, Any] = getattr(kind, "__mapping__", {})
    if name is not None and name in value and mapping:
        chosen = _variant(mapping, value[name])
        if chosen is None:
            known = ", ".join(sorted(key for key in mapping if key))
            texts.append(f"{_at(path, name)} must be one of {known}, not {_shown(value[name])}.")
            return
        if chosen is not kind:
            _model(chosen, value, path, texts)
            return
    held = members(kind)
    more = MORE.get(kind.__name__, frozenset())
    for member, one in value.items():
        if member not in held:
            if member not in more:
                texts.append(f"{_at(path, member)} is no member of {kind.__name__}.")
        elif one is not None and not held[member][2]:
            _value(held[member][0], one, _at(path, member), texts)
    for member, (_, needed, _read) in held.items():
        if needed and value.get(member) is None:
            texts.append(f"{_at(path, member)} is required.")


def _variant(mapping: dict[str, Any], wish: Any) -> Any:
    """Return the model that a discriminator means, down to the last subclass; None for none."""
    if not isinstance(wish, str):
        return None
    return next((one for key, one in mapping.items() if _plain(key) == wish.lower()), None)


def _plain(key: Any) -> str:
    return str(key.value if isinstance(key, Enum) else key).lower()


def _value(hint: Any, value: Any, path: str, texts: list[str]) -> None:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return
    if origin is Union or origin is types.UnionType:
        _union([one for one in arguments if one is not type(None)], value, path, texts)
    elif origin is list:
        if not isinstance(value, list):
            texts.append(f"{path} must be a list, not {_shown(value)}.")
            return
        for number, one in enumerate(value):
            _value(arguments[0], one, f"{path}[{number}]", texts)
    elif origin is dict:
        if not isinstance(value, dict):
            texts.append(f"{path} must be an object, not {_shown(value)}.")
            return
        for name, one in value.items():
            # A number among texts is read as the text that it is.
            text = arguments[1] is str and isinstance(one, int | float)
            if one is not None and not text:
                _value(arguments[1], one, _at(path, name), texts)
    elif origin is Literal:
        known = [_plain(one) for one in arguments]
        if not isinstance(value, str) or value.lower() not in known:
            texts.append(f"{path} must be {' or '.join(known)}, not {_shown(value)}.")
    else:
        _scalar(hint, value, path, texts)


def _union(options: list[Any], value: Any, path: str, texts: list[str]) -> None:
    # An enum stands beside the text that it is on the wire: its values are what is meant.
    enums = [one for one in options if isinstance(one, type) and issubclass(one, Enum)]
    if enums:
        known = [str(one.value) for kind in enums for one in kind]
        if not isinstance(value, str) or value.lower() not in (one.lower() for one in known):
            texts.append(f"{path} must be one of {', '.join(known)}, not {_shown(value)}.")
        return
    trials: list[list[str]] = []
    for one in options:
        trial: list[str] = []
        _value(one, value, path, trial)
        trials.append(trial)
    if trials and all(trials):
        texts += min(trials, key=len)


def _scalar(hint: Any, value: Any, path: str, texts: list[str]) -> None:
    right, what = True, ""
    if hint is bool:
        right, what = isinstance(value, bool), "true or false"
    elif hint is int:
        right = isinstance(value, int) and not isinstance(value, bool)
        what = "a whole number"
    elif hint is float:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        what = "a number"
    elif hint is str:
        right, what = isinstance(value, str), "a string"
    elif hint is dt.timedelta:
        right = isinstance(value, str) and bool(_DURATION.fullmatch(value))
        what = "a duration of ISO 8601"
    elif hint is dt.datetime:
        right, what = isinstance(value, str) and _is_time(value), "a time of ISO 8601"
    elif isinstance(hint, type) and issubclass(hint, Enum):
        known = [str(one.value) for one in hint]
        right = isinstance(value, str) and value.lower() in (one.lower() for one in known)
        what = f"one of {', '.join(known)}"
    elif isinstance(hint, type) and hasattr(hint, "__mro__"):
        _model(hint, value, path, texts)
        return
    if not right:
        texts.append(f"{path} must be {what}, not {_shown(value)}.")


def _is_time(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _at(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _said(path: str) -> str:
    return path or "The request's body"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
