"""A stack's settings as a typed dataclass, every mistake told at once with the way to mend it."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import pulumi
from pulumi.runtime import config as runtime_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_NOUNS: Final = {str: "a text", int: "a whole number", bool: "true or false"}


class SettingsError(pulumi.RunError):
    """Settings that cannot be: Pulumi prints its message alone, without a traceback."""


def read_settings(kind: type[T], config: pulumi.Config) -> T:
    """Return a stack's settings as a dataclass.

    Pulumi.yaml declares each setting with its type and default. A field's type says how it is read:
    `str`, `int`, `bool`, `Literal[...]`, `tuple[str, ...]` for lists; `str | None` for a text that
    may be left empty.

    Args:
        kind: A dataclass with a field for each setting. `__post_init__` may raise a ValueError.
        config: The project's configuration.

    Raises:
        SettingsError: A setting is unknown, missing, of another type, or cannot be.
    """
    types = typing.get_type_hints(kind)
    fields = [one.name for one in dataclasses.fields(typing.cast("Any", kind))]
    values: dict[str, Any] = {}
    mistakes = [*_unknown(config.name, fields)]
    for name in fields:
        try:
            values[name] = _value(config.get(name), types[name], name, config.name)
        except ValueError as error:
            mistakes.append(str(error))
    if not mistakes:
        try:
            return kind(**values)
        except ValueError as error:
            mistakes.append(str(error))
    stack = pulumi.get_stack()
    raise SettingsError(
        f"The settings of stack '{stack}' cannot be used. In Pulumi.{stack}.yaml:\n"
        + "\n".join(f"- {line}" for mistake in mistakes for line in mistake.splitlines())
    )


def mapping(entries: Iterable[str]) -> Mapping[str, str]:
    """Return entries `KEY=VALUE` as a mapping; a project's configuration has no type for maps.

    Raises:
        ValueError: An entry has no `=`, or nothing before it.
    """
    pairs = [entry.partition("=") for entry in entries]
    for (key, sign, _), entry in zip(pairs, entries, strict=True):
        if not key or not sign:
            raise ValueError(f'"{entry}" is no KEY=VALUE')
    return {key: value for key, _, value in pairs}


def matching(name: str, value: str, pattern: str, example: str) -> None:
    """Check a text's form.

    Raises:
        ValueError: It has another.
    """
    if not re.fullmatch(pattern, value):
        raise ValueError(f'{name}: "{value}" cannot be; write it as {example}')


def within(name: str, value: int, least: int, most: int) -> None:
    """Check a number's bounds.

    Raises:
        ValueError: It is outside of them.
    """
    if not least <= value <= most:
        raise ValueError(f"{name}: {value} is outside {least} to {most}")


def together(*checks: typing.Callable[[], None]) -> None:
    """Make all checks, so that a reader sees every mistake at once.

    Raises:
        ValueError: Some failed: one line for each.
    """
    mistakes: list[str] = []
    for check in checks:
        try:
            check()
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ValueError("\n".join(mistakes))


def _unknown(namespace: str, known: Iterable[str]) -> Iterable[str]:
    start = f"{namespace}:"
    every = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    for key in sorted(key for key in every if key.startswith(start)):
        name = key.removeprefix(start)
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            advice = f" Did you mean {near[0]}?" if near else ""
            yield f"{name} is no setting.{advice} Pulumi.yaml lists them all"


def _value(text: str | None, kind: Any, name: str, namespace: str) -> Any:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, UnionType) and NoneType in arguments:
        inner = next(one for one in arguments if one is not NoneType)
        return _value(text, inner, name, namespace) if text else None
    if text is None:
        raise ValueError(f"{name} is missing: pulumi config set {namespace}:{name} ...")
    if typing.get_origin(kind) is Literal:
        if text not in arguments:
            raise ValueError(f'{name}: "{text}" is none of: {", ".join(arguments)}')
        return text
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind is int and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind is str:
        return text
    if typing.get_origin(kind) is tuple:
        return _texts(text, name)
    raise ValueError(f'{name}: "{text}" is not {_NOUNS[kind]}')


def _texts(text: str, name: str) -> tuple[str, ...]:
    import json

    try:
        items: Any = json.loads(text)
    except ValueError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f'{name}: write a list of texts, such as ["one", "two"]')
    return tuple(items)
