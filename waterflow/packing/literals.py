"""Expressions that make a plain value anew, for the source of an exported module."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import cast


def literal(value: object, above: tuple[int, ...] = ()) -> str | None:
    """Return an expression that makes the value anew, or None."""
    if id(value) in above:
        return None
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return repr(value)
    if isinstance(value, float) and kind is float:
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    if isinstance(value, Path):
        return f"__import__('pathlib').Path({str(value)!r})"
    if isinstance(value, re.Pattern):
        return f"__import__('re').compile({value.pattern!r}, {value.flags})"
    if kind is logging.Logger:
        return f"__import__('logging').getLogger({cast('logging.Logger', value).name!r})"
    if kind is dict:
        return _dict_literal(cast("dict[object, object]", value), (*above, id(value)))
    if kind in (tuple, list, set, frozenset):
        held = list(cast("list[object]", value))
        return _series_literal(kind, held, (*above, id(value)))
    return None


def _dict_literal(value: dict[object, object], above: tuple[int, ...]) -> str | None:
    pairs: list[str] = []
    for key, item in value.items():
        left, right = literal(key, above), literal(item, above)
        if left is None or right is None:
            return None
        pairs.append(f"{left}: {right}")
    return "{" + ", ".join(pairs) + "}"


def _series_literal(kind: type, held: list[object], above: tuple[int, ...]) -> str | None:
    literals = [literal(item, above) for item in held]
    texts = [text for text in literals if text is not None]
    if len(texts) != len(literals):
        return None
    if kind is list:
        return f"[{', '.join(texts)}]"
    if kind is tuple:
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
    # A set has no order of its own, and each process gives it another one.
    inner = f"{{{', '.join(sorted(texts))}}}" if texts else ""
    if kind is set:
        return inner or "set()"
    return f"frozenset({inner})"
