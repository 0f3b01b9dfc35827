"""The source of a script as its jobs run it: without the statements that are not for them."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import logging
import tokenize
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import DefinitionError
from waterflow.packing.statements import Effects, effects, functions_of, is_guard, may_change
from waterflow.packing.submits import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOGGER: Final = logging.getLogger("waterflow.packing")
"""Tells what of a script or a notebook does not reach its jobs, and is no mistake for sure."""

_GUARD: Final = 'under `if __name__ == "__main__":`, which a job does not run'


@dataclass(slots=True)
class _Statement:
    """A statement of the script's top.

    Attributes:
        node: The statement.
        effects: What it does when it runs.
        why: Why no job runs it; empty where jobs do.
    """

    node: ast.stmt
    effects: Effects
    why: str = ""


@dataclass(slots=True)
class Cut:
    """One script, and what is left out of it."""

    path: Path
    source: bytes
    scope: Mapping[str, Any]
    statements: list[_Statement] = field(default_factory=list[_Statement])
    first: int | None = None  # the statement that submits, if one of the top does

    def text(self, steps: frozenset[str]) -> str | None:
        """Return the source that jobs run, its lines where they were; None for the whole file.

        Args:
            steps: The functions that are submitted.

        Raises:
            DefinitionError: A step reaches what is left out.
        """
        try:
            tree = ast.parse(self.source)
        except (SyntaxError, ValueError):
            return None  # was changed since it was started: the bundle names the line
        self._read(tree)
        reached = self._reached(steps)
        self._check(steps, reached)
        left = [one for one in self.statements if one.why and not is_guard(one.node)]
        if not left:
            return None
        return self._without(left, reached)

    def rest(self) -> list[ast.stmt]:
        """Return the definitions after the statement that submits."""
        self._read(ast.parse(self.source))
        after = [] if self.first is None else self.statements[self.first + 1 :]
        return [one.node for one in after if not one.why]

    # --- what is left out ---------------------------------------------------------------------

    def _read(self, tree: ast.Module) -> None:
        functions = functions_of(tree.body)
        self.statements = [_Statement(node, effects(node, functions)) for node in tree.body]
        self._find_submit()
        self._leave_out()

    def _find_submit(self) -> None:
        place = self.scope.get(PLACE)
        if place is None:
            return
        for index, one in enumerate(self.statements):
            node = one.node
            start = (_first_line(node), node.col_offset)
            end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
            if start <= place <= end and not is_guard(node):
                self.first = index

    def _leave_out(self) -> None:
        lacking: dict[str, str] = {}
        present: set[str] = set()
        for index, one in enumerate(self.statements):
            one.why = self._reason(index, one, lacking, present)
            if is_guard(one.node):
                lacking |= dict.fromkeys(one.effects.binds - present, one.why)
            elif one.why:
                lacking |= dict.fromkeys(one.effects.binds, one.why)
                present -= one.effects.binds
            else:
                present |= one.effects.binds
                for name in one.effects.binds:
                    lacking.pop(name, None)

    def _reason(
        self, index: int, one: _Statement, lacking: Mapping[str, str], present: set[str]
    ) -> str:
        if is_guard(one.node):
            return f"is {_GUARD}"
        if index == self.first:
            return "is the statement that submits"
        below = self.first is not None and index > self.first
        again = not isinstance(one.node, (*_DEFINITIONS, ast.Import, ast.ImportFrom)) and (
            one.effects.binds & present
        )
        if below and (again or not _is_definition(one.node)):
            assert self.first is not None  # noqa: S101 - for the type checker
            return f"comes after the submit in line {self.statements[self.first].node.lineno}"
        if one.effects.command_line is not None:
            read = ast.unparse(one.effects.command_line)
            return f"reads the command line (`{read:.60}`), which a job does not have"
        for name in sorted(one.effects.uses & lacking.keys()):
            return f"uses '{name}', whose statement {lacking[name]}"
        return ""

    def _reached(self, steps: frozenset[str]) -> dict[str, int]:
        """Return the names of the module that the steps use, directly or in turn, in that order."""
        from waterflow.packing.free_names import free_names

        bound: dict[str, list[_Statement]] = {}
        for one in self.statements:
            if is_guard(one.node) or isinstance(one.node, (ast.Import, ast.ImportFrom)):
                continue
            for name in one.effects.binds:
                bound.setdefault(name, []).append(one)
        reached: dict[str, int] = {}
        waiting = deque(sorted(steps))
        while waiting:
            name = waiting.popleft()
            if name in reached:
                continue
            reached[name] = len(reached)
            for one in bound.get(name, ()):
                tree = ast.Module([one.node], [])
                code, _ = free_names(ast.unparse(tree), tree)
                waiting.extend(sorted(code))
        return reached

    # --- what is told -------------------------------------------------------------------------

    def _check(self, steps: frozenset[str], reached: Mapping[str, int]) -> None:
        whose = (
            f"Step '{min(steps)}'" if len(steps) == 1 else f"A step of {', '.join(sorted(steps))}"
        )
        later = self._is_later(steps)
        problems: list[tuple[int, DefinitionError]] = []
        kept: dict[str, int] = {}
        for index, one in enumerate(self.statements):
            if not one.why:
                kept |= dict.fromkeys(one.effects.binds, index)
        for index, one in enumerate(self.statements):
            after = self.first is not None and index > self.first
            if not one.why:
                if after:
                    self._check_twice(one, reached)
                continue
            if not steps or (after and not is_guard(one.node) and not later):
                continue
            problems += self._problems(index, one, reached, kept, whose)
            if is_guard(one.node) or after:
                self._tell_settings(one, reached)
            elif index != self.first:
                self._check_settings(one)
        if problems:
            # What the step itself names tells its author more than what that is made of.
            raise min(problems, key=lambda problem: problem[0])[1]
        if steps:
            self._check_literals(reached, whose)

    def _is_later(self, steps: frozenset[str]) -> bool:
        """Say whether a step is defined after the first submit."""
        if self.first is None:
            return False
        above = {name for one in self.statements[: self.first] for name in one.effects.binds}
        return not steps <= above

    def _problems(
        self,
        index: int,
        one: _Statement,
        reached: Mapping[str, int],
        kept: Mapping[str, int],
        whose: str,
    ) -> Iterator[tuple[int, DefinitionError]]:
        """Yield what a statement that is left out makes or changes of what the steps use."""
        for name in sorted(reached.keys() & one.effects.binds):
            if kept.get(name, -1) > index:
                continue  # it is bound again
            if name in kept and isinstance(self.scope.get(name), ModuleType):
                continue  # imported twice
            if one.effects.within[name] <= reached.keys():
                continue  # the steps' own functions do it, and in a job they do it again
            yield (
                reached[name],
                DefinitionError(
                    f"{whose} uses '{name}', but the statement that makes it {one.why}. "
                    + self._advice(one, name),
                    self._place(one.node),
                ),
            )
        for name, node in sorted(one.effects.settings.items()):
            value = self.scope.get(name)
            if name not in reached or name in one.effects.binds or is_foreign(value, self.scope):
                continue
            if one.effects.within[name] <= reached.keys() or isinstance(value, logging.Logger):
                continue
            yield (
                reached[name],
                DefinitionError(
                    f"{whose} uses '{name}', and `{_shown(node)}` changes it in a statement that "
                    f"{one.why}. {self._advice(one, name)}",
                    self._place(node),
                ),
            )

    def _check_settings(self, one: _Statement) -> None:
        for name, node in one.effects.settings.items():
            if name in _OF_COMMAND_LINES or not is_foreign(self.scope.get(name), self.scope):
                continue
            raise DefinitionError(
                f"`{_shown(node)}` sets something for all that follows, but its statement "
                f"{one.why}: the steps' jobs would run without it. {self._advice(one, '')}",
                self._place(node),
            )

    def _tell_settings(self, one: _Statement, reached: Mapping[str, int]) -> None:
        for name, node in one.effects.settings.items():
            value = self.scope.get(name)
            if name in reached and is_foreign(value, self.scope) and self._top(value) not in _QUIET:
                LOGGER.warning(
                    "waterflow: %s: `%s` %s. Put it above, or into the step that needs it",
                    self._place(node),
                    _shown(node),
                    one.why,
                )

    @staticmethod
    def _top(value: object) -> str:
        """Return the top-level package of a library's value."""
        own = value.__name__ if isinstance(value, ModuleType) else str(value.__module__)
        return own.partition(".")[0]

    def _check_twice(self, one: _Statement, reached: Mapping[str, int]) -> None:
        assert self.first is not None  # noqa: S101 - the caller's condition, for the type checker
        above = {
            name
            for other in self.statements[: self.first]
            if not is_guard(other.node) and not isinstance(other.node, (ast.Import, ast.ImportFrom))
            for name in other.effects.binds
        }
        if isinstance(one.node, (ast.Import, ast.ImportFrom)):
            return
        for name in sorted(reached.keys() & above & one.effects.binds):
            raise DefinitionError(
                f"'{name}' is defined a second time after the first submit, in line "
                f"{self.statements[self.first].node.lineno}: a job could not tell which one is "
                "meant. Give one of them another name",
                self._place(one.node),
            )

    def _check_literals(self, reached: Mapping[str, int], whose: str) -> None:
        """Refuse constants which something that no job runs, such as `main()`, has changed."""
        for name in sorted(reached):
            binding = [one for one in self.statements if name in one.effects.binds]
            seen = any(
                name in one.effects.uses | one.effects.changes.keys()
                or (not one.effects.binds.isdisjoint(reached) and may_change(one.node, name))
                for one in self.statements
                if not one.why
            )
            if len(binding) != 1 or seen or name not in self.scope:
                continue
            node = binding[0].node
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name):
                continue
            try:
                written = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            live = self.scope[name]
            if type(live) is type(written) and (live == written or live != live):
                continue
            raise DefinitionError(
                f"{whose} uses '{name}', which is {written!r:.60} here and was changed to "
                f"{live!r:.60} by a function that no job calls. Set it where it is made, or hand "
                "it to the step as a parameter",
                self._place(node),
            )

    def _advice(self, one: _Statement, name: str) -> str:
        if one.effects.command_line is not None or "command line" in one.why:
            return (
                "Hand the value to the step as a parameter of the pipeline, and read the command "
                'line under `if __name__ == "__main__":`'
            )
        if is_guard(one.node):
            return f"Move it to the top of the script{', or make it a parameter' if name else ''}"
        return "Move it above the submit, or make it a parameter of the step"

    def _place(self, node: ast.AST) -> str:
        path = self.path
        with contextlib.suppress(ValueError, OSError):
            path = path.relative_to(Path.cwd())
        return f"{path}:{getattr(node, 'lineno', 1)}"

    # --- the text -----------------------------------------------------------------------------

    def _without(self, left: list[_Statement], reached: Mapping[str, int]) -> str:
        lines = [f"{line}\n" for line in source_text(self.source).split("\n")]
        gone = list(left)
        if self.first is not None:
            gone += [
                one
                for one in self.statements[self.first :]
                if is_guard(one.node) or not (one.effects.binds & reached.keys())
            ]
        for one in reversed(self.statements):
            if any(one is other for other in gone):
                _blank(lines, one.node)
        if self.first is not None:
            below = self.statements[self.first :]
            kept = [one for one in below if not any(one is other for other in gone)]
            _drop_comments(lines, kept, (below[0].node.end_lineno or below[0].node.lineno))
        return "".join(lines).rstrip() + "\n"


_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OF_COMMAND_LINES: Final = frozenset({"argparse", "sys"})
_QUIET: Final = frozenset({"logging", "mlflow", "waterflow", "sys", "os", "multiprocessing"})


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, (*_DEFINITIONS, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        try:
            ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return False
        return True
    return False


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _blank(lines: list[str], node: ast.stmt) -> None:
    """Take a statement out of the lines, and leave those after it where they were."""
    first, last = _first_line(node) - 1, (node.end_lineno or node.lineno) - 1
    start = len(lines[first].encode()[: node.col_offset].decode())
    end = len(lines[last].encode()[: node.end_col_offset].decode())
    before, after = lines[first][:start] if first == node.lineno - 1 else "", lines[last][end:]
    before = before.rstrip().rstrip(";")
    after = after.lstrip().removeprefix(";").lstrip()
    ending = "\n"
    for index in range(first, last + 1):
        lines[index] = ending
    if before.strip():
        lines[first] = before + ending
    if after.strip() and not after.startswith("#"):
        kept = lines[last].rstrip("\n")
        lines[last] = f"{kept}; {after}" if kept.strip() else after
        if not lines[last].endswith("\n"):
            lines[last] += ending


def _drop_comments(lines: list[str], kept: list[_Statement], start: int) -> None:
    """Take out what is written between the definitions that stay below the submit."""
    inside: set[int] = set()
    for one in kept:
        inside |= set(range(_first_line(one.node) - 1, one.node.end_lineno or one.node.lineno))
    for index in range(start, len(lines)):
        if index not in inside:
            lines[index] = "\n"


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node).splitlines()[0]
    return text if len(text) <= 70 else f"{text[:67]}..."


def is_foreign(value: object, scope: Mapping[str, Any]) -> bool:
    """Say whether a name's value is a library's: a module, or a function or class of another."""
    if isinstance(value, ModuleType):
        return True
    own = (None, "__main__", "builtins", scope.get("__name__"))
    return callable(value) and getattr(value, "__module__", None) not in own


def source_text(source: bytes) -> str:
    """Return a source file's text as Python reads it, for a file in UTF-8."""
    text = importlib.util.decode_source(source)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    if encoding in ("utf-8", "utf-8-sig"):
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines[:2]):
        if line.lstrip().startswith("#") and "coding" in line:
            lines[index] = "#"
    return "\n".join(lines)


def line_note(line: int, name: str, origin: int) -> str:
    """Return the comment at a module's end which says where its lines from `line` on come from.

    waterflow/runtime/lines.py reads it.
    """
    return f"# waterflow-lines: {line} {origin} {name}"
