"""Google's filters: the language in which lists and log queries say which entries they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from waterflow_vertex.emulator.errors import invalid, unanswered
from waterflow_vertex.emulator.sdk import snake

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<operator>!=|>=|<=|=~|!~|=|<|>|:)|(?P<mark>[()])
    |(?P<word>[^\s"'()=<>!~:]+))""",
    re.VERBOSE,
)
_COMMENT: Final = re.compile(r"--[^\n]*")
_SEVERITIES: Final = (
    "DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY",
)  # fmt: skip

Test = Callable[[dict[str, Any]], bool]
Token = tuple[str, str]


def compiled(text: str) -> Test:
    """Return what a filter means: a test of entries as JSON.

    https://google.aip.dev/160 and https://cloud.google.com/logging/docs/view/logging-query-language

    Args:
        text: The filter; "" for all entries.

    Raises:
        Refusal: It cannot be read.
    """
    tokens = _tokens(_COMMENT.sub("", text))
    if not tokens:
        return lambda _: True
    reader = _Reader(tokens, text)
    test = reader.all()
    reader.end()
    return test


def ordered(entries: list[Any], order: str, value: Callable[[Any, str], Any]) -> list[Any]:
    """Return entries in an order as lists take it: `create_time desc, display_name`.

    Args:
        entries: The entries.
        order: The order; "" to leave them as they are.
        value: Returns an entry's member by its path.

    Raises:
        Refusal: The order cannot be read.
    """
    for part in reversed([one.strip() for one in order.split(",") if one.strip()]):
        name, _, direction = part.partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise invalid(f"Invalid order_by: '{order}'")
        down = direction.strip().lower() == "desc"
        entries = sorted(entries, key=lambda one: value(one, snake(name)), reverse=down)
    return entries


def member(entry: Any, path: list[str]) -> Any:
    """Return a member of JSON by its path; None where there is none."""
    if not path:
        return entry
    if isinstance(entry, list):
        return [one for one in (member(each, path) for each in entry) if one is not None]
    if not isinstance(entry, dict):
        return None
    for length in range(len(path), 0, -1):  # a label's key may have dots
        key = ".".join(path[:length])
        for name in dict.fromkeys((key, snake(key))):
            if name in entry:
                return member(entry[name], path[length:])
    return None


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    end = 0
    text = text.rstrip()
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None or match.end() == end:
            raise invalid(f"Unparseable filter: syntax error at column {end + 1}: {text[end:]!r}")
        kind = str(match.lastgroup)
        tokens.append((kind, match[kind]))
        end = match.end()
    return tokens


class _Reader:
    """Reads a filter by its grammar."""

    def __init__(self, tokens: list[Token], text: str) -> None:
        self._tokens, self._at, self._text = tokens, 0, text

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong()

    def all(self) -> Test:
        """Terms joined by AND or by nothing."""
        tests = [self._any()]
        while self._at < len(self._tokens) and self._peek() != ("mark", ")"):
            if self._is("AND"):
                self._at += 1
            tests.append(self._any())
        return lambda entry: all(test(entry) for test in tests)

    def _any(self) -> Test:
        tests = [self._one()]
        while self._is("OR"):
            self._at += 1
            tests.append(self._one())
        return lambda entry: any(test(entry) for test in tests)

    def _one(self) -> Test:
        if self._is("NOT"):
            self._at += 1
            inner = self._one()
            return lambda entry: not inner(entry)
        kind, text = self._take()
        if (kind, text) == ("mark", "("):
            inner = self.all()
            if self._take() != ("mark", ")"):
                raise self._wrong()
            return inner
        if kind == "word" and text.startswith("-") and len(text) > 1:
            self._tokens[self._at - 1] = (kind, text[1:])
            self._at -= 1
            inner = self._one()
            return lambda entry: not inner(entry)
        if kind not in ("word", "string"):
            raise self._wrong()
        quoted = kind == "word" and text.endswith(".") and self._at < len(self._tokens)
        if quoted and self._peek()[0] == "string":  # labels."a/b"
            path = [*text.strip(".").split("."), _unquoted(*self._take())]
            return self._comparison(path)
        if self._at < len(self._tokens) and self._peek()[0] == "operator":
            path = [_unquoted(kind, text)] if kind == "string" else text.split(".")
            return self._comparison(path)
        if self._at < len(self._tokens) and self._peek() == ("mark", "(") and kind == "word":
            raise unanswered(f"the filter function {text}()", "compare fields instead")
        return _anywhere(_unquoted(kind, text))

    def _comparison(self, path: list[str]) -> Test:
        kind, operator = self._take()
        if kind != "operator":
            raise self._wrong()
        if self._at >= len(self._tokens):
            raise self._wrong()
        kind, text = self._take()
        if (kind, text) == ("mark", "("):
            return self._several(path, operator)
        if kind not in ("word", "string"):
            raise self._wrong()
        return self._test(path, operator, self._value(kind, text))

    def _value(self, kind: str, text: str) -> str:
        if kind == "word" and text in ("AND", "OR", "NOT"):
            raise self._wrong()
        # A bare time has colons, which are operators elsewhere.
        while kind == "word" and re.fullmatch(r"[\d\-]+T[\d:]*", text) and self._is(":"):
            self._at += 1
            text += ":" + self._take()[1]
        return _unquoted(kind, text)

    def _several(self, path: list[str], operator: str) -> Test:
        tests: list[Test] = []
        joined = "OR"
        while True:
            kind, text = self._take()
            tests.append(self._test(path, operator, self._value(kind, text)))
            kind, text = self._take()
            if (kind, text) == ("mark", ")"):
                break
            if text not in ("OR", "AND"):
                raise self._wrong()
            joined = text
        several = any if joined == "OR" else all
        return lambda entry: several(test(entry) for test in tests)

    def _test(self, path: list[str], operator: str, value: str) -> Test:
        if operator in ("=~", "!~"):
            try:
                pattern = re.compile(value)
            except re.error as error:
                raise invalid(f"Unparseable filter: invalid regular expression: {error}") from None
            wish = operator == "=~"
            return lambda entry: bool(pattern.search(_shown(member(entry, path)))) is wish
        return lambda entry: _compares(member(entry, path), operator, value, path[-1])

    def _is(self, text: str) -> bool:
        return self._at < len(self._tokens) and self._peek() in (("word", text), ("operator", text))

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        if self._at >= len(self._tokens):
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1]

    def _wrong(self) -> Exception:
        return invalid(f"Unparseable filter: syntax error: {self._text!r}")


def _unquoted(kind: str, text: str) -> str:
    if kind != "string":
        return text
    inner = text[1:-1]
    return re.sub(r"\\(.)", r"\1", inner)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _anywhere(text: str) -> Test:
    wish = text.lower()

    def holds(value: Any) -> bool:
        if isinstance(value, dict):
            return any(holds(one) for one in value.values())
        if isinstance(value, list):
            return any(holds(one) for one in value)
        return wish in _shown(value).lower()

    return holds


def _compares(held: Any, operator: str, value: str, name: str) -> bool:
    if isinstance(held, list):
        return any(_compares(one, operator, value, name) for one in held)
    if operator == ":":
        return _has(held, value)
    if operator == "!=":
        return not _compares(held, "=", value, name)
    if held is None:
        return operator == "=" and value in ("", '""', "null")
    first, second = _comparable(held, value, name)
    if operator == "=":
        if isinstance(first, str) and "*" in value:
            return re.fullmatch(re.escape(value).replace(r"\*", ".*"), first) is not None
        return first == second
    try:
        return {
            ">": first > second, "<": first < second, ">=": first >= second, "<=": first <= second,
        }[operator]  # fmt: skip
    except TypeError:
        return False


def _has(held: Any, value: str) -> bool:
    if held is None:
        return False
    if value == "*":
        return True
    if isinstance(held, dict):
        return value in held
    return value.lower() in _shown(held).lower()


def _comparable(held: Any, value: str, name: str) -> tuple[Any, Any]:
    if name == "severity" and value.upper() in _SEVERITIES and held in _SEVERITIES:
        return _SEVERITIES.index(held), _SEVERITIES.index(value.upper())
    if isinstance(held, bool):
        return held, value.lower() == "true"
    if isinstance(held, int | float):
        try:
            return held, float(value)
        except ValueError:
            return _shown(held), value
    if name.endswith(("time", "timestamp")):
        first, second = _moment(str(held)), _moment(value)
        if first is not None and second is not None:
            return first, second
    return str(held), value


def _moment(text: str) -> datetime | None:
    # More than six digits of a second are cut.
    short = re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(short)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
