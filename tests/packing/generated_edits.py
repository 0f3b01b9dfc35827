"""Edits of a project that need no imagination: every constant, every statement, every comment."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.packing.edits_by_hand import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def generated(files: Mapping[str, str]) -> Iterator[tuple[Edit, str]]:
    """Yield edits of Python files, each with the file's text after it."""
    for file, text in files.items():
        if file.endswith(".py") and file not in ("pipeline.py", "unused.py"):
            yield from _constants(file, text)
            yield from _statements(file, text)


def _constants(file: str, text: str) -> Iterator[tuple[Edit, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr) or not isinstance(node, ast.Constant):
            continue
        if not isinstance(node.value, (int, str)) or isinstance(node.value, bool):
            continue
        if node.lineno != node.end_lineno:
            continue
        lines = text.splitlines(keepends=True)
        line = lines[node.lineno - 1]
        written = line[node.col_offset : node.end_col_offset]
        if isinstance(node.value, str):
            if written[:1] not in "'\"":  # within an f-string
                continue
            other = repr(node.value + "q")
        else:
            other = str(node.value + 1)
        lines[node.lineno - 1] = line[: node.col_offset] + other + line[node.end_col_offset :]
        edit = Edit(f"{file}:{node.lineno}: {written} becomes {other}", file, written, other)
        yield edit, "".join(lines)


def _statements(file: str, text: str) -> Iterator[tuple[Edit, str]]:
    lines = text.splitlines(keepends=True)
    body = ast.parse(text).body
    spans = [(_first(one), one.end_lineno or one.lineno) for one in body]
    for (first, last), following in zip(spans, [*spans[1:], None], strict=True):
        name = f"{file}:{first}"
        gone = [*lines[: first - 1], *lines[last:]]
        yield Edit(f"{name}: the statement goes", file, "", ""), "".join(gone)
        noted = [*lines[:last], "# A note.\n", *lines[last:]]
        yield Edit(f"{name}: a comment follows", file, "", ""), "".join(noted)
        if following is not None:
            start, end = following
            swapped = [
                *lines[: first - 1], *lines[start - 1 : end], *lines[last : start - 1],
                *lines[first - 1 : last], *lines[end:],
            ]  # fmt: skip
            yield Edit(f"{name}: changes places with the next", file, "", ""), "".join(swapped)


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])
