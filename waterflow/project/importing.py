"""A profile that a stack exported: its form, and writing it into the project's configuration."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct, field

from waterflow.errors import ConfigurationError
from waterflow.project import leaks
from waterflow.project.profile import FILE, TRACKING, Profile, Table, closest, kind_of, read

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_HOW: Final = (
    "Next: pulumi stack output profile --json | waterflow profile import -, or "
    "terraform output -json profile | waterflow profile import -"
)
_OUTPUT: Final = "profile"
"""The stack's output that is taken from all of them."""
_VERSION: Final = 1
_PROJECT_OWN: Final = ("steps",)
"""What a project says of a profile by itself: a stack knows no pipeline's steps."""


class ExportedTracking(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Where runs are tracked."""

    uri: str | None = None
    experiment: str | None = None


class ExportedProfile(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A profile as stacks export it.

    Attributes:
        version: The form's version.
        name: The profile's name in the project.
        provider: The provider's name.
        settings: The provider's settings.
        tracking: Where runs are tracked.
    """

    version: Literal[1]
    name: Annotated[str, Meta(pattern=f"^{_NAME}$")]
    provider: Annotated[str, Meta(min_length=1)]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    tracking: ExportedTracking | None = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile as stacks export it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(ExportedProfile),
    }


@dataclass(frozen=True, slots=True)
class ProfileImport:
    """What importing a profile changes.

    Attributes:
        profile: The profile, as it will be.
        path: The file that it goes into: waterflow.toml, or pyproject.toml where the project keeps
            its configuration there.
        before: The file's text; empty where there is none.
        after: Its text afterwards.
    """

    profile: Profile
    path: Path
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return self.after != self.before

    @property
    def diff(self) -> str:
        """The change in the file, as `diff -u` shows it."""
        name = self.path.name
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, name, lineterm=""
        )
        return "\n".join(lines)

    def write(self) -> None:
        """Write the file, all of it or nothing.

        Raises:
            ConfigurationError: It cannot be written.
        """
        if self.changed:
            _replace(self.path, self.after)


def import_profile(root: Path, text: str, name: str | None = None) -> ProfileImport:
    """Return how a profile that a stack exported changes the project's configuration file.

    A profile of that name is replaced, but for the settings of single steps where the stack has
    none; comments and everything else in the file stay. Nothing is written yet.

    Args:
        root: The project's root.
        text: JSON: the object `{"version": 1, "name": ..., "provider": ..., "settings": {...},
            "tracking": {...}}`, or all outputs of a stack of Pulumi's or Terraform's, of which it
            is the output `profile`.
        name: The name to give it in place of the object's own.

    Raises:
        ConfigurationError: The text is no such object, or holds what looks like a secret.
    """
    chosen, table = _exported(text, name)
    config = read(root)
    path = config.path or root / FILE
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    for key in _PROJECT_OWN:
        if key not in table and key in config.profiles.get(chosen, {}):
            table[key] = config.profiles[chosen][key]
    try:
        before = path.read_bytes().decode() if path.exists() else ""
        document = tomlkit.parse(before)
        holder: Any = document
        if path.name != FILE:
            holder = holder["tool"]["waterflow"]
        if "profiles" not in holder:
            holder["profiles"] = tomlkit.table(is_super_table=True)
        profiles: Any = holder["profiles"]
        if chosen not in profiles:
            profiles[chosen] = tomlkit.table()
        _merge(profiles[chosen], table)
        after = tomlkit.dumps(document)
        tomllib.loads(after)
    except (TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}. Correct it first") from None
    tracking = config.tracking | cast("Table", table.get("tracking", {}))
    profile = Profile(
        name=chosen,
        provider=str(table["provider"]),
        settings={key: one for key, one in table.items() if key not in ("provider", "tracking")},
        tracking_uri=tracking.get("uri"),
        experiment=tracking.get("experiment"),
        source="The profile to import",
    )
    return ProfileImport(profile, path, before, after)


# --- what a stack exported ------------------------------------------------------------------------


def _exported(text: str, name: str | None) -> tuple[str, Table]:
    """Check what a stack exported; return the profile's name and table."""
    profile = _exported_object(text)
    chosen = name if name is not None else profile.get("name")
    if not isinstance(chosen, str) or not re.fullmatch(_NAME, chosen):
        raise ConfigurationError(
            f"{chosen!r} cannot name a profile: letters, digits, - and _ can. "
            "Give one: waterflow profile import - --name NAME"
        )
    provider = profile.get("provider")
    if not isinstance(provider, str) or not provider:
        raise ConfigurationError(f"The profile to import names no provider. {_HOW}")
    settings, tracking = _exported_table(profile, "settings"), _exported_table(profile, "tracking")
    for key, value in tracking.items():
        if key not in TRACKING or not isinstance(value, str):
            raise ConfigurationError(
                f"The profile to import: tracking.{key} is not known or no text. "
                f"Known: {', '.join(TRACKING)}"
            )
    for reserved in ("provider", "tracking"):
        if reserved in settings:
            raise ConfigurationError(
                f"The profile to import: '{reserved}' is no setting. Write it beside 'settings'"
            )
    table: Table = {"provider": provider, **settings}
    if tracking:
        table["tracking"] = tracking
    _refuse_secrets(table, "")
    return chosen, table


def _exported_object(text: str) -> Table:
    table = _object(_decoded(text))
    if table.get("version") != _VERSION or isinstance(table.get("version"), bool):
        raise ConfigurationError(
            f"The profile to import has version {table.get('version')!r}; this release reads "
            f"version {_VERSION}. Update the stack, or Waterflow"
        )
    known = ExportedProfile.__struct_fields__
    for key in table:
        if key not in known:
            raise ConfigurationError(
                f"The profile to import has an unknown key '{key}'.{closest(key, known)} "
                f"Known: {', '.join(known)}"
            )
    return table


def _decoded(text: str) -> object:
    if not text.strip():
        raise ConfigurationError(
            "The profile to import is empty: the stack exported nothing, or the command before the "
            f"pipe failed. {_HOW}"
        )
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"The profile to import is no JSON: {error}. {_HOW}") from None


def _object(raw: object) -> Table:
    """Return the profile of what a stack printed: its one output, or the one among all of them."""
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        return _object(_decoded(raw))  # the stack exported it as a text of JSON
    if not isinstance(raw, dict):
        _refuse_hidden(raw)
        raise ConfigurationError(f"The profile to import is {kind_of(raw)}, not an object. {_HOW}")
    table = cast("Table", raw)
    if "version" in table or "provider" in table:
        return table
    if _OUTPUT not in table:
        raise ConfigurationError(
            f"The profile to import has no version, and among outputs there is no '{_OUTPUT}': "
            f"{', '.join(sorted(table)[:10]) or 'none at all'}. {_HOW}"
        )
    inner: Any = table[_OUTPUT]
    if isinstance(inner, dict) and {"value", "sensitive"} <= inner.keys():  # terraform output -json
        described = cast("Table", inner)
        if described["sensitive"]:
            raise _hidden()
        inner = described["value"]
    _refuse_hidden(inner)
    return _object(inner)


def _refuse_hidden(value: object) -> None:
    if value == "[secret]":  # what Pulumi prints in a secret's place
        raise _hidden()


def _hidden() -> ConfigurationError:
    return ConfigurationError(
        f"The stack marks its output '{_OUTPUT}' as secret. A profile holds no secrets, and is to "
        "be read: take the mark away (Pulumi: no secret among its values; Terraform: no "
        "`sensitive = true`)"
    )


def _exported_table(profile: Table, key: str) -> Table:
    value = profile.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"The profile to import: '{key}' is {kind_of(value)}. {_HOW}")
    return _without_nulls(value)


def _refuse_secrets(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, inner in cast("Table", value).items():
            _refuse_secrets(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            _refuse_secrets(inner, where)
    elif (why := leaks.in_setting(where.rpartition(".")[2], value)) is not None:
        raise ConfigurationError(
            f"The profile to import: '{where}' looks like a secret: {why}. Profiles hold none: "
            "keep it in the cloud's secret store and name it in a step with wf.secret(...)"
        )


def _without_nulls(value: Any) -> Any:
    """TOML has no null: what is null is left out."""
    if isinstance(value, dict):
        pairs = cast("Table", value).items()
        return {key: _without_nulls(inner) for key, inner in pairs if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in cast("list[Any]", value) if inner is not None]
    return value


# --- the file -------------------------------------------------------------------------------------


def _merge(holder: Any, table: Table) -> None:
    """Make a TOML table say what `table` says, touching only what differs."""
    for key in [key for key in holder if key not in table]:
        del holder[key]
    for key, value in table.items():
        old = holder.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, cast("Table", value))
        elif old != value or type(old) is bool or isinstance(value, bool):
            holder[key] = value


def _replace(path: Path, text: str) -> None:
    try:
        handle, building = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
            Path(building).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(building).replace(path)
        finally:
            Path(building).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}. Make its folder writable"
        ) from None
