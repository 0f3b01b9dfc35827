"""A Pulumi project's files: its name, its typed config, and the config of one of its stacks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from standin.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "array": list,
    "object": dict,
}


class ProjectError(Exception):
    """A project's file is not as Pulumi reads it; the message names file and key."""


@dataclass(frozen=True)
class Project:
    """A project and the config of one stack, as the program gets them."""

    folder: Path
    name: str
    stack: str
    config: dict[str, str]
    secret_keys: tuple[str, ...]


def read(folder: Path, stack: str, overrides: Mapping[str, Any]) -> Project:
    """Return a project with the config of a stack.

    Args:
        folder: Where `Pulumi.yaml` is.
        stack: The stack's name; its `Pulumi.STACK.yaml` need not be there.
        overrides: Config that stands above the files': a key without a colon is the project's own,
            a `Secret` makes the key a secret one, None takes the key away.

    Raises:
        ProjectError: A value is not of the type that `Pulumi.yaml` declares, or is missing.
    """
    file = folder / "Pulumi.yaml"
    if not file.is_file():
        raise ProjectError(f"{file} is missing: a Pulumi project has one")
    document = yaml.safe_load(file.read_text()) or {}
    name = document["name"]
    declared = document.get("config") or {}
    values: dict[str, Any] = {}
    for key, one in declared.items():
        plain = one if isinstance(one, dict) else {"value": one}
        default = plain.get("default", plain.get("value"))
        if default is not None:
            values[_whole(name, key)] = Secret(default) if plain.get("secret") else default
    stack_file = folder / f"Pulumi.{stack}.yaml"
    if stack_file.is_file():
        for key, one in (
            (yaml.safe_load(stack_file.read_text()) or {}).get("config") or {}
        ).items():
            values[_whole(name, key)] = one
    for key, one in overrides.items():
        values[_whole(name, key)] = one
    values = {key: one for key, one in values.items() if one is not None}
    _check(file, name, declared, values)
    config: dict[str, str] = {}
    for key, one in values.items():
        plain = one.value if isinstance(one, Secret) else one
        if isinstance(plain, dict) and "secure" in plain:
            raise ProjectError(f"{stack_file}: {key} is under cipher: give a value for the test")
        config[key] = plain if isinstance(plain, str) else json.dumps(plain)
    secret = tuple(key for key, one in values.items() if isinstance(one, Secret))
    return Project(folder, name, stack, config, secret)


def _whole(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _check(
    file: Path, project: str, declared: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    for key, one in declared.items():
        kind = one.get("type") if isinstance(one, dict) else None
        if kind is None:
            continue
        if kind not in KINDS:
            raise ProjectError(
                f"{file}: config {key} has type {kind!r}; there are {', '.join(KINDS)}"
            )
        whole = _whole(project, key)
        if whole not in values:
            raise ProjectError(f"{file}: config {key} has no default and no value")
        value = values[whole].value if isinstance(values[whole], Secret) else values[whole]
        if not _is(kind, value):
            raise ProjectError(f"config {whole} is declared as {kind}, and is {value!r}")


def _is(kind: str, value: Any) -> bool:
    """Whether a value is of a declared kind, also where `pulumi config set` wrote it as text."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, KINDS[kind]):
        return True
    if isinstance(value, str) and kind == "integer":
        return value.lstrip("-").isdigit()
    return isinstance(value, str) and kind == "boolean" and value in {"true", "false"}
