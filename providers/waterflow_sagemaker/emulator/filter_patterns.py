"""The filter patterns of CloudWatch Logs: which lines they take.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Test = Callable[[Any], bool]

_TERM: Final = re.compile(
    r"""(?P<sign>[?-]?)
    (?:"(?P<text>(?:[^"\\]|\\.)*)" | %(?P<regex>[^%]+)% | (?P<word>[^\s"]+))
    (?=\s|$)""",
    re.VERBOSE,
)
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<path>\$(?:\.[\w-]+|\[(?:\d+|\*|"[^"]+"|'[^']+')\])+)
    | (?P<sign>&&|\|\||!=|<=|>=|[=<>(){}])
    | "(?P<text>(?:[^"\\]|\\.)*)"
    | %(?P<regex>[^%]+)%
    | (?P<word>[^\s&|=<>(){}",]+)
    )""",
    re.VERBOSE,
)
_KEY: Final = re.compile(r"\.([\w-]+)|\[(\d+|\*)\]|\[[\"']([^\"']+)[\"']\]")
_FIELD: Final = re.compile(
    r"""^\s*(?P<name>\.\.\.|[\w.-]*)\s*(?:(?P<sign>!=|<=|>=|=|<|>)\s*(?P<value>.+?))?\s*$""",
    re.DOTALL,
)
_COLUMN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)')
_ABSENT: Final = object()
_ALPHABET: Final = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+")
_EXPRESSIONS: Final = 2
"""Regular expressions of a pattern over JSON or columns."""


class PatternError(ValueError):
    """A filter pattern is not written as CloudWatch Logs wants it."""


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a line is as a filter pattern wants it.

    Args:
        pattern: Terms (`ERROR "exact words" ?either ?or -not %regex%`), an expression over a JSON
            line (`{ $.level = "ERROR" && $.code >= 500 }`) or over the columns of one
            (`[ip, user, status = 4*, ...]`); an empty one takes all lines.

    Raises:
        PatternError: It is none of them.
    """
    text = pattern.strip()
    if text.startswith(("{", "[")) and len(re.findall(r"%[^%]+%", text)) > _EXPRESSIONS:
        raise PatternError("Invalid filter pattern: too many regular expressions")
    if text.startswith("{"):
        return _json(text)
    if text.startswith("["):
        return _columns(text)
    return _terms(text)


# --- terms ----------------------------------------------------------------------------------------


def _terms(text: str) -> Callable[[str], bool]:
    """Read terms: all must be in a line, in the case they are written in, and no excluded one.

    Of optional terms one must be; beside required ones they are of no account.
    """
    signed: dict[str, list[Test]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise PatternError("Invalid filter pattern")
        signed[match["sign"]].append(_contains(match))
        at = match.end()
        while at < len(text) and text[at].isspace():
            at += 1
    required, optional, excluded = signed[""], signed["?"], signed["-"]

    def takes(line: str) -> bool:
        return (
            all(test(line) for test in required)
            and (bool(required) or not optional or any(test(line) for test in optional))
            and not any(test(line) for test in excluded)
        )

    return takes


def _contains(match: re.Match[str]) -> Test:
    if match["regex"] is not None:
        return _regex(match["regex"])
    term = match["word"] if match["text"] is None else _unquoted(match["text"])
    return lambda line: term in line


def _regex(text: str) -> Test:
    """Read a regular expression: of letters and digits, some signs, and no parentheses."""
    try:
        expression = re.compile(text)
    except re.error:
        expression = None
    if expression is None or not _ALPHABET.fullmatch(text):
        raise PatternError("Invalid regular expression in filter pattern")
    return lambda value: expression.search(str(value)) is not None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# --- JSON -----------------------------------------------------------------------------------------


def _json(text: str) -> Callable[[str], bool]:
    test = _Reader(text).whole()

    def takes(line: str) -> bool:
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return isinstance(document, (dict, list)) and test(document)

    return takes


class _Reader:
    """Reads `{ ... }`: comparisons joined by && and ||, of which && binds closer."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise PatternError("Invalid filter pattern")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._at = 0

    def whole(self) -> Test:
        self._take("sign", "{")
        test = self._either()
        self._take("sign", "}")
        if self._at < len(self._tokens):
            raise PatternError("Invalid filter pattern")
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._next() == ("sign", "||"):
            self._at += 1
            tests.append(self._both())
        return lambda document: any(test(document) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._next() == ("sign", "&&"):
            self._at += 1
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Test:
        if self._next() == ("sign", "("):
            self._at += 1
            test = self._either()
            self._take("sign", ")")
            return test
        path = self._take("path")
        kind, word = self._next()
        if kind == "word":
            self._at += 1
            return self._stated(path, word.upper())
        sign = self._take("sign")
        kind, value = self._next()
        if kind not in ("text", "regex", "word") or sign not in _SIGNS:
            raise PatternError("Invalid filter pattern")
        self._at += 1
        return _compared(path, sign, kind, value)

    def _stated(self, path: str, word: str) -> Test:
        """Read IS TRUE, IS FALSE, IS NULL, EXISTS and NOT EXISTS."""
        if word == "EXISTS":
            return lambda document: bool(_values(document, path))
        second = self._take("word").upper()
        if (word, second) == ("NOT", "EXISTS"):
            return lambda document: not _values(document, path)
        constant: Any = {"TRUE": True, "FALSE": False, "NULL": None}.get(second, _ABSENT)
        if word != "IS" or constant is _ABSENT:
            raise PatternError("Invalid filter pattern")
        return lambda document: any(value is constant for value in _values(document, path))

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, kind: str, text: str | None = None) -> str:
        token = self._next()
        if token[0] != kind or text not in (None, token[1]):
            raise PatternError("Invalid filter pattern")
        self._at += 1
        return token[1]


def _values(document: Any, path: str) -> list[Any]:
    """Return what a path leads to; several values where it has [*]."""
    values = [document]
    for key, index, quoted in _KEY.findall(path):
        values = [inner for value in values for inner in _inside(value, key or quoted, index)]
    return values


def _inside(value: Any, key: str, index: str) -> list[Any]:
    if isinstance(value, dict) and key:
        members = cast("dict[str, Any]", value)
        return [members[key]] if key in members else []
    if isinstance(value, list) and index:
        items = cast("list[Any]", value)
        if index == "*":
            return items
        return items[int(index) : int(index) + 1]
    return []


def _compared(path: str, sign: str, kind: str, text: str) -> Test:
    agrees = _regex(text) if kind == "regex" else _comparison(sign, _unquoted(text))
    if kind == "regex" and sign not in ("=", "!="):
        raise PatternError("Invalid filter pattern")

    def test(document: Any) -> bool:
        values = [one for one in _values(document, path) if not isinstance(one, (dict, list))]
        if kind == "regex" and sign == "!=":
            return bool(values) and not any(agrees(_shown(one)) for one in values)
        return any(agrees(_shown(one)) for one in values)

    return test


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# --- columns --------------------------------------------------------------------------------------


def _columns(text: str) -> Callable[[str], bool]:
    if not text.endswith("]"):
        raise PatternError("Invalid filter pattern")
    fields = [_field(part) for part in _split(text[1:-1])]
    names = [name for name, _ in fields]
    if names.count("...") > 1:
        raise PatternError("Invalid filter pattern")

    def takes(line: str) -> bool:
        columns = [next(filter(None, one), "") for one in _COLUMN.findall(line)]
        if "..." in names:
            gap = names.index("...")
            after = len(fields) - gap - 1
            if len(columns) < gap + after:
                return False
            columns = [*columns[:gap], "", *columns[len(columns) - after :]]
        return len(columns) == len(fields) and all(
            test(column) for (_, test), column in zip(fields, columns, strict=True)
        )

    return takes


def _split(text: str) -> Sequence[str]:
    """Return the parts between commas, those in quotes apart."""
    return [part for part in re.findall(r'((?:"(?:[^"\\]|\\.)*"|%[^%]*%|[^,])+)', text) if part]


def _field(text: str) -> tuple[str, Test]:
    """Return a column's name and what must hold for it: `status = 4* || status = 5*`."""
    ways = [[_condition(one) for one in re.split(r"&&", way)] for way in re.split(r"\|\|", text)]
    name = ways[0][0][0]
    return name, lambda value: any(all(test(value) for _, test in way) for way in ways)


def _condition(text: str) -> tuple[str, Test]:
    match = _FIELD.match(text)
    if match is None:
        raise PatternError("Invalid filter pattern")
    sign, value = match["sign"], match["value"]
    if sign is None:
        return match["name"], lambda _: True
    if value.startswith("%") and value.endswith("%") and sign in ("=", "!="):
        agrees = _regex(value[1:-1])
        return match["name"], lambda column: agrees(column) is (sign == "=")
    return match["name"], _comparison(sign, _unquoted(value.strip('"')))


# --- comparing ------------------------------------------------------------------------------------


_SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


def _comparison(sign: str, text: str) -> Test:
    """Return a comparison with a text of a pattern, as numbers where both are such."""
    number = _number(text)
    glob = re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
    if number is None and sign not in ("=", "!="):
        raise PatternError("Invalid filter pattern")

    def test(value: str) -> bool:
        other = _number(value)
        if number is not None and other is not None:
            return _SIGNS[sign](other, number)
        if sign in ("=", "!="):
            return (glob.fullmatch(value) is not None) is (sign == "=")
        return False

    return test


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text) else None
