"""What the cells of a notebook did: their statements in the order in which they ran."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.packing.statements import Effects, Function, effects, functions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRANSPARENT: Final = frozenset({"time", "capture", "prun", "timeit_once"})
"""Cell magics that run the cell's statements in the notebook's own names."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A statement that a cell ran.

    Attributes:
        cell: The cell's number, as in "In [3]".
        line: The statement's line in the cell, from 1.
        source: Its text.
        node: The statement.
        effects: What it does.
        shown: Whether it is an expression at the cell's end, whose value is displayed.
    """

    cell: int
    line: int
    source: str
    node: ast.stmt
    effects: Effects
    shown: bool

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"In [{self.cell}], line {self.line}"


def texts(names: Mapping[str, Any]) -> list[str]:
    """Return the cells of a session by their numbers; no cell has number 0."""
    cells = names.get("In")
    if not isinstance(cells, list):
        return []
    return [cell if isinstance(cell, str) else "" for cell in cast("list[object]", cells)]


def ran(names: Mapping[str, Any]) -> list[Ran]:
    """Return what the cells of a session ran so far, in order; of scripts nothing.

    A cell that failed counts as one that ran. What a magic such as `%matplotlib` does is the
    notebook's own affair, but `%env` sets a variable.
    """
    cells = [(number, *one) for number, text in enumerate(texts(names)) for one in _parsed(text)]
    functions: dict[str, Function] = functions_of([node for _, node, _, _ in cells])
    last, line_now = _now(names)
    statements: list[Ran] = []
    for number, node, source, shown in cells:
        if number == last and (node.end_lineno or node.lineno) >= line_now:
            continue  # the statement that submits, and those after it
        line = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        statements.append(Ran(number, line, source, node, effects(node, functions), shown))
    return statements


def origin(names: Mapping[str, Any], filename: str, line: int) -> tuple[str, int]:
    """Return the cell or file, and the line in it, of a line of compiled code."""
    source = "".join(linecache.getlines(filename))
    if source.strip():
        for number, text in reversed(list(enumerate(texts(names)))):
            if text.strip() == source.strip():
                return f"In [{number}]", line
    return filename, line


def _now(names: Mapping[str, Any]) -> tuple[int, int]:
    """Return the cell under way and the line that it is at; where none is, a cell after all."""
    frame = inspect.currentframe()
    while frame is not None:
        function = frame.f_code.co_flags & inspect.CO_NEWLOCALS
        if frame.f_globals is names and not function:
            name, _ = origin(names, frame.f_code.co_filename, 1)
            if name.startswith("In ["):
                return int(name[4:-1]), frame.f_lineno
        frame = frame.f_back
    return len(texts(names)), 0


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[tuple[ast.stmt, str, bool], ...]:
    """Return the statements of a cell, each with its text and whether its value is displayed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # a cell that never ran
        return ()
    statements: list[tuple[ast.stmt, str, bool]] = []
    for index, node in enumerate(tree.body):
        shown = index == len(tree.body) - 1 and isinstance(node, ast.Expr)
        magic = _magic(node)
        if magic is None:
            statements.append((node, _text(text, node), shown))
        else:
            statements.extend(_of_magic(*magic, node.lineno))
    return tuple(statements)


def _text(text: str, node: ast.stmt) -> str:
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    if first == node.lineno:
        return ast.get_source_segment(text, node) or ast.unparse(node)
    lines = text.splitlines(keepends=True)[first - 1 : node.end_lineno]
    return "".join(lines).rstrip()


def _magic(node: ast.stmt) -> tuple[str, str] | None:
    """Return the magic that a statement is, as IPython writes it, and the text that it is given."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr not in ("run_line_magic", "run_cell_magic"):
        return None
    words = [one.value for one in call.args if isinstance(one, ast.Constant)]
    plain = [one for one in words if isinstance(one, str)]
    return (plain[0], plain[-1]) if len(plain) > 1 else None


def _of_magic(name: str, text: str, line: int) -> Iterator[tuple[ast.stmt, str, bool]]:
    if name in _TRANSPARENT:
        for node, source, shown in _parsed(text):
            yield ast.increment_lineno(_copied(node), line), source, shown
    elif name in ("env", "set_env"):
        key, _, value = text.strip().replace("=", " ", 1).partition(" ")
        if key and value:
            source = f"__import__('os').environ[{key!r}] = {value.strip()!r}"
            yield ast.increment_lineno(ast.parse(source).body[0], line - 1), source, False


def _copied(node: ast.stmt) -> ast.stmt:
    import copy

    return copy.deepcopy(node)
