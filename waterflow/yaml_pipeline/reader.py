"""YAML text as plain data, with the line on which each part stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from waterflow.errors import DefinitionError
from waterflow.language.places import short_path

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str | int, ...]
"""Where something stands in a document: keys and indexes from the root."""

_MOST: Final = 100_000
_TAG: Final = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: `on`, `yes`, `12:30` and dates are text, `1e3` is a number."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - as the base class has it


for _kind, _form, _starts in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        (
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_form})$"), list(_starts))


class Source:
    """A YAML file: its content as plain data, and the line of each part.

    Args:
        path: The file.

    Raises:
        DefinitionError: It cannot be read, is no YAML, holds a key twice, or a tag such as
            `!!python/object`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        self._count = 0
        self._open: set[int] = set()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise self.error(f"The file cannot be read: {error.strerror}.", 1) from None
        except UnicodeDecodeError as error:
            raise self.error(f"This is no YAML: not UTF-8 text ({error.reason}).", 1) from None
        try:
            root = yaml.compose(text, _Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.error(_problem(error), mark.line + 1 if mark else 1) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise self.error(f"This is no YAML: {str(error).splitlines()[0]}.", 1) from None
        self.content: Any = None if root is None else self._plain(root, ())

    def error(self, message: str, at: Place | int) -> DefinitionError:
        """Return an error that names the line of a place."""
        return DefinitionError(message, self.location(at))

    def location(self, at: Place | int) -> str:
        """Return `file:line` of a place, or of the nearest thing around it."""
        if isinstance(at, int):
            return f"{short_path(str(self.path))}:{at}"
        while at and at not in self.lines:
            at = at[:-1]
        return f"{short_path(str(self.path))}:{self.lines.get(at, 1)}"

    def _plain(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._count += 1
        if self._count > _MOST or id(node) in self._open:
            raise self.error("An alias (*name) repeats itself without end. Write it out.", line)
        if not isinstance(node, yaml.ScalarNode):
            self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, place)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self._plain(item, (*place, at)) for at, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise self.error("A key must be text.", line)
            # A key is text whatever it looks like: `on:` and `1:` are the names "on" and "1".
            name = str(key.value)
            if name in entries:
                first = self.lines[(*place, name)]
                raise self.error(
                    f"The key '{name}' stands here twice; first on line {first}.", line
                )
            self.lines[(*place, name)] = line
            entries[name] = self._plain(value, (*place, name))
        return entries

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        text, kind = str(node.value), node.tag.removeprefix(_TAG)
        if kind == "str" and isinstance(node, yaml.ScalarNode):
            return text
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                bases = {"0o": 8, "0x": 16}
                return int(text, bases.get(text[:2].lower(), 10))
            if kind == "float":
                return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
        except (KeyError, ValueError):
            raise self.error(f"{text!r} is no {kind}.", line) from None
        raise self.error(
            f"The tag {node.tag.replace(_TAG, '!!')} is not understood here: a pipeline holds "
            "plain text, numbers, lists and mappings.",
            line,
        )


def _problem(error: yaml.MarkedYAMLError) -> str:
    what = ", ".join(part for part in (error.context, error.problem) if part)
    if "\\t" in what:
        what += ". YAML is indented with spaces, not with tabs"
    elif "single document" in what:
        what += ". Write one pipeline a file"
    elif "%" in what or "`" in what or "'@'" in what:
        what += ". Put text that begins with a special character in quotes"
    return f"This is no YAML: {what}."
