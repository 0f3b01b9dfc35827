"""The grammar of CEL: whether a condition can be read at all, and which parameters it names.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"""\s+|(?P<number>(?:0x[0-9a-fA-F]+|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)u?)
    |(?P<text>[rRbB]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
        |\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE,
)
_PARAMETER: Final = re.compile(r"inputs\.parameter_values\[(['\"])(.*?)\1\]")
_BINARY: Final = (
    {"||"}, {"&&"}, {"==", "!=", "<", "<=", ">", ">=", "in"}, {"+", "-"}, {"*", "/", "%"},
)  # fmt: skip
"""Operators, those that bind least first."""
_RESERVED: Final = frozenset(
    {
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
        "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip


class CelError(ValueError):
    """A text is no expression of CEL."""


def check(text: str) -> None:
    """Check that a text is an expression of CEL.

    Raises:
        CelError: It is none.
    """
    _Parser(list(_tokens(text))).whole()


def parameters(text: str) -> set[str]:
    """Return the input parameters that an expression names."""
    return {match[2] for match in _PARAMETER.finditer(text)}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise CelError(f"{text[position : position + 20]!r} is nothing of CEL's")
        position = match.end()
        if match.lastgroup is not None:
            yield match.lastgroup, match[0]


class _Parser:
    """A parser by recursive descent."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._position = tokens, 0

    def whole(self) -> None:
        self._expression()
        if self._position < len(self._tokens):
            raise CelError(f"{self._next!r} is left over")

    @property
    def _next(self) -> str:
        return self._tokens[self._position][1] if self._position < len(self._tokens) else "the end"

    @property
    def _kind(self) -> str:
        return self._tokens[self._position][0] if self._position < len(self._tokens) else ""

    def _take(self, sign: str) -> bool:
        if self._next == sign and self._kind in ("sign", "name"):
            self._position += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise CelError(f"{sign!r} is missing before {self._next!r}")

    def _expression(self) -> None:
        self._binary(0)
        if self._take("?"):
            self._binary(0)
            self._expect(":")
            self._expression()

    def _binary(self, level: int) -> None:
        if level == len(_BINARY):
            self._unary()
            return
        self._binary(level + 1)
        while self._kind in ("sign", "name") and self._next in _BINARY[level]:
            self._position += 1
            self._binary(level + 1)

    def _unary(self) -> None:
        while self._take("!") or self._take("-"):
            pass
        self._primary()
        while True:
            if self._take("."):
                self._name()
                self._call()
            elif self._take("["):
                self._expression()
                self._expect("]")
            else:
                return

    def _primary(self) -> None:
        if self._take("("):
            self._expression()
            self._expect(")")
        elif self._take("["):
            self._several("]")
        elif self._take("{"):
            self._entries()
        elif self._kind in ("number", "text"):
            self._position += 1
        else:
            self._take(".")
            self._name()
            self._call()

    def _name(self) -> None:
        if self._kind != "name" or self._next in _RESERVED:
            raise CelError(f"a name is missing before {self._next!r}")
        self._position += 1

    def _call(self) -> None:
        if self._take("("):
            self._several(")")

    def _several(self, end: str) -> None:
        while not self._take(end):
            self._expression()
            if not self._take(","):
                self._expect(end)
                return

    def _entries(self) -> None:
        while not self._take("}"):
            self._expression()
            self._expect(":")
            self._expression()
            if not self._take(","):
                self._expect("}")
                return
