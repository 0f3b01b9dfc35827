"""Named provider settings: reading them, and choosing one."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from waterflow.errors import ConfigurationError, Gathering

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from msgspec.structs import FieldInfo

FILE: Final = "waterflow.toml"
LOCAL: Final = "local"
"""The profile, and its provider, that is always there."""

_TOP: Final = ("default_profile", "tracking", "profiles")
TRACKING: Final = ("uri", "experiment")
"""What `tracking` holds."""

_PREFIX: Final = "WATERFLOW_"
_PLACE: Final = re.compile(r" - at `([^`]+)`")
_ENTRY: Final = re.compile(r" - at `(\w+)\[\.\.\.\]")

Table = dict[str, Any]
T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named provider configuration.

    Attributes:
        name: Its name.
        provider: The provider's name.
        settings: The provider's settings, as written; `convert` gives them typed.
        tracking_uri: MLflow's address; None for Waterflow's own choice.
        experiment: MLflow's experiment; None for the pipeline's name.
        source: Where it was read: a file, with the table where it is no file of its own, or
            "built in".
        environment: The `WATERFLOW_...` variables that may stand for settings.
    """

    name: str
    provider: str
    settings: Table
    tracking_uri: str | None
    experiment: str | None
    source: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def convert(self, struct_type: type[T]) -> T:
        """Return the settings as the provider's own type.

        Args:
            struct_type: The msgspec Struct that declares the provider's settings. Each of its
                fields may also be given by an environment variable, `WATERFLOW_<FIELD>`.

        Raises:
            ConfigurationError: A setting is unknown, missing, of the wrong type, or has a value
                that the type refuses.
        """
        fields = {one.encode_name: one for one in msgspec.structs.fields(struct_type)}
        errors = Gathering()
        for key in (key for key in self.settings if key not in fields):
            errors.add(
                ConfigurationError(
                    f"{self._place()}: provider '{self.provider}' has no setting '{key}'."
                    f"{closest(key, fields)} It has: {', '.join(fields) or 'none'}"
                )
            )
        settings = {key: value for key, value in self.settings.items() if key in fields}
        variables: list[str] = []
        for key, one in fields.items():
            variable = _PREFIX + key.upper()
            if variable in self.environment:
                with errors:
                    settings[key] = _from_text(self.environment[variable], one.type, variable)
                    variables.append(variable)
        missing = [key for key, one in fields.items() if one.required and key not in settings]
        if missing:
            errors.add(
                ConfigurationError(
                    f"{self._place()}: provider '{self.provider}' needs {', '.join(missing)}. "
                    f'Write under [profiles.{self.name}]: {missing[0]} = "..."; or take what a '
                    "stack exports: waterflow profile import"
                )
            )
            raise errors.together()
        beside = f", with {', '.join(variables)} of the environment" if variables else ""
        while True:
            try:
                converted = msgspec.convert(settings, struct_type)
            except msgspec.ValidationError as error:
                message = _located(_readable(str(error)), settings, fields)
                errors.add(
                    ConfigurationError(
                        f"{self._place()}{beside}: {message}. Correct it, then: "
                        f"waterflow profile show {self.name}"
                    )
                )
                # One mistake hides the next: look again without the setting that it is in.
                wrong = _named_in(message, settings)
                if wrong is None or fields[wrong].required:
                    raise errors.together() from None
                del settings[wrong]
            else:
                errors.check()
                return converted

    def _place(self) -> str:
        return f"{self.source}, profile '{self.name}'"


@dataclass(frozen=True, slots=True)
class Config:
    """A project's configuration file, checked.

    Attributes:
        source: Where it was read, for messages.
        path: The file; None where there is none yet.
        default: The name of its default profile.
        tracking: What all profiles say of MLflow.
        profiles: Each profile's table by name.
    """

    source: str
    path: Path | None
    default: str | None
    tracking: Table
    profiles: dict[str, Table]


def load(root: Path, name: str | None = None, environ: Mapping[str, str] | None = None) -> Profile:
    """Return a profile.

    Args:
        root: The project's root.
        name: The profile's name; by default `WATERFLOW_PROFILE`, else the file's
            `default_profile`, else "local".
        environ: The environment; by default this process's. `WATERFLOW_TRACKING_URI`,
            `WATERFLOW_EXPERIMENT` and `WATERFLOW_<SETTING>` override what the file says.

    Raises:
        ConfigurationError: The file is not valid, or no profile has that name.
    """
    environment = os.environ if environ is None else environ
    config = read(root)
    chosen = name or environment.get("WATERFLOW_PROFILE") or config.default or LOCAL
    if chosen != LOCAL and chosen not in config.profiles:
        origin = ""
        if not name:
            origin = (
                " (from WATERFLOW_PROFILE)"
                if environment.get("WATERFLOW_PROFILE")
                else " (default_profile)"
            )
        known = sorted({LOCAL, *config.profiles})
        raise ConfigurationError(
            f"There is no profile '{chosen}'{origin} in {config.path or root / FILE}."
            f"{closest(chosen, known)} There are: {', '.join(known)}. "
            "Next: waterflow profile import"
        )
    ours = {key: value for key, value in environment.items() if key.startswith(_PREFIX)}
    return _profile(config, chosen, ours)


def list_profiles(root: Path) -> list[Profile]:
    """Return all profiles of a project by name, as written: no environment variable is looked at.

    Raises:
        ConfigurationError: The file is not valid.
    """
    config = read(root)
    return [_profile(config, name, {}) for name in sorted({LOCAL, *config.profiles})]


# --- reading --------------------------------------------------------------------------------------


def read(root: Path) -> Config:
    """Return a project's configuration; an empty one where it has none.

    Raises:
        ConfigurationError: The file is not valid.
    """
    own, project = root / FILE, root / "pyproject.toml"
    table = _toml(own) if own.is_file() else None
    tool: Any = _toml(project).get("tool", {}) if project.is_file() else {}
    inside = tool.get("waterflow") if isinstance(tool, dict) else None
    if table is not None and inside is not None:
        raise ConfigurationError(
            f"Both {own} and [tool.waterflow] in {project} configure Waterflow. Keep one of them"
        )
    if table is not None:
        return _checked(table, FILE, own)
    if inside is not None:
        return _checked(inside, "pyproject.toml [tool.waterflow]", project)
    return Config("built in", None, None, {}, {})


def _toml(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Correct it first") from None


def _checked(raw: object, source: str, path: Path) -> Config:
    table = _table(raw, path, "it")
    _known(table, _TOP, path, "")
    default = _text(table, "default_profile", path, "default_profile")
    tracking = _tracking(table, path, "tracking")
    profiles: dict[str, Table] = {}
    for name, one in _table(table.get("profiles", {}), path, "profiles").items():
        where = f"profiles.{name}"
        profile = _table(one, path, where)
        provider = _text(profile, "provider", path, f"{where}.provider")
        if provider is None and name != LOCAL:
            raise ConfigurationError(
                f'{path}: [{where}] names no provider. Add a line: provider = "{LOCAL}"'
            )
        _tracking(profile, path, f"{where}.tracking")
        profiles[name] = profile
    return Config(source, path, default, tracking, profiles)


def _tracking(table: Table, path: Path, where: str) -> Table:
    tracking = _table(table.get("tracking", {}), path, where)
    _known(tracking, TRACKING, path, f"{where}.")
    for key in TRACKING:
        _text(tracking, key, path, f"{where}.{key}")
    return tracking


def _profile(config: Config, name: str, environment: Mapping[str, str]) -> Profile:
    table = config.profiles.get(name)
    settings = dict(table or {})
    provider = str(settings.pop("provider", LOCAL))
    tracking = config.tracking | cast("Table", settings.pop("tracking", {}))
    for key, value in settings.items():
        variable = _PREFIX + key.upper()
        if variable in environment:
            settings[key] = _from_text(environment[variable], type(value), variable)
    uri = environment.get("WATERFLOW_TRACKING_URI") or tracking.get("uri")
    experiment = (
        environment.get("WATERFLOW_EXPERIMENT")
        or environment.get("WATERFLOW_TRACKING_EXPERIMENT")
        or tracking.get("experiment")
    )
    source = config.source if table is not None else "built in"
    return Profile(name, provider, settings, uri, experiment, source, environment)


def _table(value: object, path: Path, where: str) -> Table:
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{path}: {where} must be a table, not {kind_of(value)}. Write it as [{where}]"
        )
    return cast("Table", value)


def _text(table: Table, key: str, path: Path, where: str) -> str | None:
    value = table.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigurationError(
        f'{path}: {where} must be a text, not {kind_of(value)}. Write it in quotes: {key} = "..."'
    )


def _known(table: Table, known: Iterable[str], path: Path, where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigurationError(
                f"{path}: unknown key '{where}{key}'.{closest(key, known)} "
                f"Known here: {', '.join(known)}"
            )


def closest(word: str, known: Iterable[str]) -> str:
    """Return a question after the known word that is most like another, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def kind_of(value: object) -> str:
    """Return what kind of value this is, in a user's words."""
    if value == "":
        return "an empty text"
    for kinds, name in (
        (str, "a text"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (list, "a list"),
        (dict, "a table"),
    ):
        if isinstance(value, kinds):
            return name
    return "null" if value is None else type(value).__name__


def _from_text(text: str, kind: Any, variable: str) -> Any:
    """Read an environment variable as a setting's type: plain text first, then JSON."""
    try:
        return msgspec.to_builtins(msgspec.convert(text, kind, strict=False))
    except msgspec.ValidationError as plain:
        try:
            return msgspec.to_builtins(msgspec.json.decode(text, type=kind))
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise ConfigurationError(
                f"The environment variable {variable}={text!r} does not fit: "
                f"{_readable(str(plain))}. Correct it, or: unset {variable}"
            ) from None


def _named_in(message: str, settings: Table) -> str | None:
    """Return the setting that a message is about: named by its place, or by how it is written."""
    place = _PLACE.search(message)
    key = re.split(r"[.\[]", place[1])[0] if place else re.split(r"[^A-Za-z0-9_]", message)[0]
    return key if key in settings else None


def _located(message: str, settings: Table, fields: Mapping[str, FieldInfo]) -> str:
    """Return a message with the name of the table that it is about: msgspec says `steps[...]`."""
    place = _ENTRY.search(message)
    table = settings.get(place[1]) if place else None
    if place is None or not isinstance(table, dict):
        return message
    for name, value in cast("Table", table).items():
        try:
            msgspec.convert({name: value}, fields[place[1]].type)
        except msgspec.ValidationError:
            return message.replace(f"{place[1]}[...]", f"{place[1]}.{name}", 1)
    return message


def _readable(message: str) -> str:
    # msgspec names a place as `$.a.b`: the setting, as the file writes it, is `a.b`.
    for theirs, ours in (
        ("Object contains unknown field `", "there is no setting `"),
        ("Object missing required field `", "it lacks the setting `"),
    ):
        message = message.replace(theirs, ours)
    return message.replace("`$.", "`").replace(" - at `$`", "").replace(" `$`", "")
