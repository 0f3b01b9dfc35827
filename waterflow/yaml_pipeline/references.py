"""What `$name` stands for, in values and in conditions."""

from __future__ import annotations

import ast
import difflib
import functools
import operator
import re
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.language.places import located
from waterflow.language.step import ContainerOutputs
from waterflow.language.types import Data
from waterflow.language.values import (
    DoneSymbol,
    Expression,
    GroupSymbol,
    Symbol,
    as_expression,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from waterflow.yaml_pipeline.reader import Place, Source

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
_KEY: Final = r"\[\s*(?:\"([^\"]*)\"|'([^']*)')\s*\]"
_REFERENCE: Final = re.compile(rf"\$({_NAME})(?:\.({_NAME}))?(?:{_KEY})?")
_TOKEN: Final = re.compile(rf"(\"[^\"]*\"|'[^']*')|({_REFERENCE.pattern})")
_HOW: Final = (
    "A condition has references, plain values, comparisons, `and`, `or`, `not`, parentheses"
)

_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


class Scope:
    """The names that stand for something at one point of a pipeline.

    Args:
        source: The file, for the lines of errors.
        bindings: The parameters' symbols, and the values of static ones.
        later: All names that steps of the file bear.
    """

    def __init__(
        self, source: Source, bindings: Mapping[str, object], later: Iterable[str]
    ) -> None:
        self._source = source
        self._parameters = frozenset(bindings)
        self._names: dict[str, object] = dict(bindings)
        self._groups: dict[str, GroupSymbol] = {}
        self._later = frozenset(later)

    def add(
        self, name: str, result: object, place: Place, group: GroupSymbol | None = None
    ) -> None:
        """Make a step's result known under its name.

        Args:
            name: The step's name, or the group's.
            result: What calling it gave.
            place: Where the call stands.
            group: All of the group's steps, for what is to wait for them.

        Raises:
            DefinitionError: A parameter has that name.
        """
        if name in self._parameters:
            thing = "step" if group is None else "group"
            raise self._source.error(
                f"'{name}' names both a parameter and a {thing}, so ${name} could mean either. "
                f"Give the {thing} another name: `{thing}: NAME`.",
                place,
            )
        self._names[name] = result
        if group is not None:
            self._groups[name] = group

    # --- values ----------------------------------------------------------------------------------

    def value(self, raw: object, place: Place, kind: str = "any") -> object:
        """Return what a value of the YAML stands for.

        Args:
            raw: Plain data; text that is `$name` is a reference, `$$` a dollar sign.
            place: Where it stands.
            kind: The type of the argument that it is for.

        Raises:
            DefinitionError: A reference to nothing, or one inside other text.
        """
        if isinstance(raw, str):
            return self._text(raw, place)
        if isinstance(raw, list):
            items = cast("list[object]", raw)
            return [self.value(item, (*place, at)) for at, item in enumerate(items)]
        if isinstance(raw, dict):
            entries = cast("dict[str, object]", raw)
            if list(entries) == ["first"] and _references(entries["first"]):
                return self._first(cast("list[str]", entries["first"]), (*place, "first"))
            outside = entries.get("data") if len(entries) == 1 else None
            if isinstance(outside, str) and kind in ("data", "path", "any"):
                with located(self._source.location(place)):
                    return Data(outside)
            return {key: self.value(item, (*place, key)) for key, item in entries.items()}
        return raw

    def reference(self, text: str, place: Place) -> Any:
        """Return what a reference alone stands for.

        Raises:
            DefinitionError: The text is no reference, or one to nothing.
        """
        match = _REFERENCE.fullmatch(text.strip())
        if match is None:
            raise self._source.error(
                f'{text!r} is no reference. Write $step, $step.output, $step["key"] or $parameter.',
                place,
            )
        return self._resolve(match, place)

    def _text(self, text: str, place: Place) -> object:
        if _REFERENCE.fullmatch(text.strip()):
            return self.reference(text, place)
        if "$" in text.replace("$$", ""):
            raise self._source.error(
                f"{text!r}: a reference stands alone, because its value is not known while the "
                "pipeline is defined. For a dollar sign, write $$; put texts together inside a "
                "step.",
                place,
            )
        return text.replace("$$", "$")

    def _first(self, options: list[str], place: Place) -> object:
        from waterflow.language.inside import first

        values = [self.reference(option, (*place, at)) for at, option in enumerate(options)]
        with located(self._source.location(place)):
            return first(*values)

    def _resolve(self, match: re.Match[str], place: Place) -> Any:
        name, output = match[1], match[2]
        key = match[3] if match[3] is not None else match[4]
        if name not in self._names:
            raise self._source.error(self._unknown(name), place)
        result = self._output(name, output, self._names[name], place)
        if key is None:
            return result
        if not isinstance(result, Symbol):
            raise self._source.error(f"${name} is {result!r}: it has no key '{key}'.", place)
        with located(self._source.location(place)):
            return result[key]

    def _unknown(self, name: str) -> str:
        if name in self._later:
            return (
                f"${name} names a step that comes later. Steps stand in the order in which they "
                "depend on each other, without cycles: move this one behind it."
            )
        known = [*self._names, *self._later]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean ${near[0]}?" if near else ""
        return (
            f"${name} names no step or parameter.{hint} "
            f"There are: {', '.join(f'${one}' for one in self._names) or 'none yet'}."
        )

    def _output(self, name: str, output: str | None, result: object, place: Place) -> object:
        outputs = None if name in self._parameters else _outputs(result)
        if outputs is None:
            if output is not None:
                maker = "group" if name in self._groups else "step"
                what = "a parameter" if name in self._parameters else f"a {maker} with one result"
                raise self._source.error(
                    f"${name}.{output}: '{name}' is {what}, which has no outputs to name. "
                    f"Write ${name}.",
                    place,
                )
            return result
        names = ", ".join(f"${name}.{one}" for one in outputs) or "none"
        if output is None:
            raise self._source.error(
                f"${name} has several outputs. Name the one that is meant: {names}.", place
            )
        if output not in outputs:
            near = difflib.get_close_matches(output, outputs, n=1)
            hint = f" Did you mean ${name}.{near[0]}?" if near else ""
            owner = "Group" if name in self._groups else "Step"
            raise self._source.error(
                f"{owner} '{name}' has no output '{output}'.{hint} It has: {names}.",
                place,
            )
        return outputs[output]

    # --- steps to wait for -----------------------------------------------------------------------

    def step(self, text: str, place: Place) -> Symbol:
        """Return any symbol of the step that a reference names: for `after`.

        Raises:
            DefinitionError: It names no step.
        """
        match = _REFERENCE.fullmatch(text.strip())
        if match is None or match[1] in self._parameters:
            raise self._source.error(f"{text!r} names no step. Write for example $train.", place)
        if match[1] not in self._names:
            raise self._source.error(self._unknown(match[1]), place)
        result = self._groups.get(match[1], self._names[match[1]])
        if isinstance(result, Symbol):
            return result
        outputs = _outputs(result) or {}
        if not outputs:
            raise self._source.error(f"{text} has no output, so nothing can wait for it.", place)
        return cast("Symbol", next(iter(outputs.values())))

    # --- conditions ------------------------------------------------------------------------------

    def condition(self, text: str, place: Place) -> Expression:
        """Return the condition that a text means.

        Raises:
            DefinitionError: It is not understood, or compares what cannot be compared.
        """
        references: dict[str, re.Match[str]] = {}

        def stand_in(match: re.Match[str]) -> str:
            if match[1] is not None:
                return match[0]
            name = f"__reference_{len(references)}__"
            reference = _REFERENCE.fullmatch(match[2])
            assert reference is not None  # noqa: S101 - the token is one
            references[name] = reference
            return name

        plain = _TOKEN.sub(stand_in, text)
        try:
            tree = ast.parse(plain.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._source.error(
                f"The condition {text!r} is not understood. {_HOW}.", place
            ) from None
        symbols = {name: self._resolve(match, place) for name, match in references.items()}
        with located(self._source.location(place)):
            return _Condition(self._source, text, place, symbols).truth(tree)


def _references(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    items = cast("list[object]", value)
    return all(isinstance(item, str) and _REFERENCE.fullmatch(item.strip()) for item in items)


def _outputs(result: object) -> dict[str, object] | None:
    """Return a result's outputs by name, or None where the result itself is the value."""
    if isinstance(result, ContainerOutputs):
        return {name: result[name] for name in result}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return dict(cast("Any", result)._asdict())
    if isinstance(result, dict):
        return cast("dict[str, object]", result)
    return None


class _Condition:
    """Reads one condition's syntax tree."""

    def __init__(self, source: Source, text: str, place: Place, symbols: dict[str, Any]) -> None:
        self.source, self.text, self.place, self.symbols = source, text, place, symbols

    def refuse(self, why: str) -> Exception:
        return self.source.error(f"The condition {self.text!r}: {why}.", self.place)

    def truth(self, tree: ast.expr) -> Expression:
        if isinstance(tree, ast.BoolOp):
            parts = [self.truth(part) for part in tree.values]
            joined = operator.and_ if isinstance(tree.op, ast.And) else operator.or_
            return functools.reduce(joined, parts)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return ~self.truth(tree.operand)
        if isinstance(tree, ast.Compare):
            return self.comparison(tree)
        value = self.operand(tree)
        if not isinstance(value, Symbol):
            raise self.refuse(f"{value!r} is known already. {_HOW}")
        return as_expression(value)

    def comparison(self, tree: ast.Compare) -> Expression:
        sides = [self.operand(side) for side in (tree.left, *tree.comparators)]
        comparisons: list[Expression] = []
        for left, how, right in zip(sides, tree.ops, sides[1:], strict=False):
            compare = _COMPARISONS.get(type(how))
            if compare is None:
                raise self.refuse("it compares with something else than ==, !=, <, <=, >, >=")
            if not isinstance(left, Symbol) and not isinstance(right, Symbol):
                raise self.refuse(f"{left!r} and {right!r} are both known already")
            comparisons.append(compare(left, right))
        return functools.reduce(operator.and_, comparisons)

    def operand(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Name):
            if tree.id in self.symbols:
                return self.symbols[tree.id]
            if tree.id in ("true", "false"):
                return tree.id == "true"
            raise self.refuse(f"write ${tree.id} for the step or parameter, or quotes for text")
        if isinstance(tree, ast.Constant) and isinstance(tree.value, (bool, int, float, str)):
            return tree.value
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            value = self.operand(tree.operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value
        raise self.refuse(f"this part is not understood: {self.shown(tree)}. {_HOW}")

    def shown(self, tree: ast.expr) -> str:
        text = ast.unparse(tree)
        for name, symbol in self.symbols.items():
            text = text.replace(
                name, repr(symbol) if not isinstance(symbol, DoneSymbol) else "step"
            )
        return text
