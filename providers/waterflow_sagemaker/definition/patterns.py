"""The service model's patterns, written for Java, as Python's regular expressions."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from typing import Final

_TEXT: Final = r".*(?:[ \r\n\t].*)*"
"""Matches every text; on a text of megabytes a failing match would not come back."""
_LINE: Final = r"[^\n\r\x85\u2028\u2029]"
"""What Java's `.` matches: https://docs.oracle.com/javase/8/docs/api/java/util/regex/Pattern.html"""
_CLASSES: Final = {"Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z", "Digit": "0-9"}
_ASTRAL: Final = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
_ASCII: Final = 128


def matches(pattern: str, text: str) -> bool:
    """Return whether the whole text is of a pattern; true where the pattern itself is broken."""
    compiled = _compiled(pattern, text.isascii())
    return compiled is None or compiled.fullmatch(text) is not None


@lru_cache(maxsize=2048)
def _compiled(pattern: str, ascii_only: bool) -> re.Pattern[str] | None:
    if pattern == _TEXT:
        return None
    try:
        return re.compile(_translated(pattern, _ASCII if ascii_only else sys.maxunicode + 1))
    except re.error:  # some patterns of the model are none, such as `(...)${1,128}`
        return None


def _translated(pattern: str, limit: int) -> str:
    pattern = pattern.replace(*_ASTRAL)
    translated: list[str] = []
    in_class, at = False, 0
    while at < len(pattern):
        sign = pattern[at]
        if pattern.startswith(r"\p{", at):
            end = pattern.index("}", at)
            members = _members(pattern[at + 3 : end], limit)
            translated.append(members if in_class else f"[{members}]")
            at = end + 1
            continue
        if sign == "\\":
            translated.append(pattern[at : at + 2])
            at += 2
            continue
        if sign in "[]":
            in_class = sign == "["
        translated.append(_LINE if sign == "." and not in_class else sign)
        at += 1
    return "".join(translated)


@lru_cache(maxsize=32)
def _members(name: str, limit: int) -> str:
    """Return the characters of a Unicode category below a limit, as a class's inside."""
    if name in _CLASSES:
        return _CLASSES[name]
    ranges: list[list[int]] = []
    for code in range(limit):
        if unicodedata.category(chr(code)).startswith(name):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
