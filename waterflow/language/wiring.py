"""Wiring: what a step's call is given becomes its inputs, checked against what it takes."""

# Symbols leave every public name to refusals, so what Waterflow itself asks them is private.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow.language.constants import constant
from waterflow.language.gathering import tolerated
from waterflow.language.signature import NO_DEFAULT, Argument, Signature, show
from waterflow.language.types import Data, as_items
from waterflow.language.values import (
    ConstantSymbol,
    Expression,
    FirstSymbol,
    OutputSymbol,
    ParameterSymbol,
    Symbol,
    definition_error,
    unwrapped,
)

if TYPE_CHECKING:
    from waterflow import spec


class Wiring:
    """The values that pass between the steps of a pipeline, and the gates they stand behind."""

    def __init__(self) -> None:
        self._branches: list[spec.Branch] = []
        self._chains: dict[str, tuple[spec.Branch, ...]] = {}

    def _bind(
        self,
        name: str,
        signature: Signature,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        over: str | None,
    ) -> dict[str, spec.Input]:
        from waterflow import spec

        inputs: dict[str, spec.Input] = {}
        bound: dict[str, Any] = {}
        with tolerated():
            try:
                bound = signature.python.bind(*args, **kwargs).arguments
            except TypeError as error:
                takes = ", ".join(signature.arguments) or "nothing"
                raise definition_error(f"Step '{name}': {error}. It takes: {takes}.") from None
        for key, argument in signature.arguments.items():
            value = unwrapped(bound.get(key, argument.default))
            if value is NO_DEFAULT or (value is None and argument.default is None):
                continue
            if value is None and argument.optional:
                inputs[key] = spec.Input(argument.type, spec.FromValue(None))
                continue
            with tolerated():
                make = self._items if key == over else self._input
                inputs[key] = make(name, argument, value)
        return inputs

    def _items(self, name: str, argument: Argument, value: object) -> spec.Input:
        from waterflow.artifacts import is_plain
        from waterflow.artifacts.plain import clash

        if isinstance(value, Symbol):
            scalar = is_plain(value._type) and value._type != "json"
            listed = not scalar and not clash(value._annotation, list)
        else:
            listed = as_items(value) is not None
        if not listed:
            raise definition_error(f"Step '{name}': wf.map goes over a list, not over {value!r}.")
        kind = "json" if is_plain(argument.type) else f"list[{argument.type}]"
        item: Any = argument.annotation
        items = list[item | None] if argument.optional else list[item]
        mapped = Argument(argument.name, items, kind, NO_DEFAULT, False, (), False)
        return self._input(name, mapped, value)

    def _input(
        self, step: str, argument: Argument, value: object, *, named: bool = False
    ) -> spec.Input:
        from waterflow import spec
        from waterflow.artifacts import compatible
        from waterflow.artifacts.plain import clash, loses_tuples

        what = step if named else f"Step '{step}', argument '{argument.name}'"
        if isinstance(value, Expression):
            raise definition_error(f"{what}: a condition is no value. Compare inside the step.")
        if isinstance(value, Symbol):
            source, produced = self._symbol(value)
            if not (
                compatible(produced, argument.type) or (produced, argument.type) == ("data", "path")
            ):
                raise definition_error(
                    f"{what} takes {argument.type}, but gets {value!r} of type {produced}."
                )
            if clash(value._annotation, argument.annotation):
                raise definition_error(
                    f"{what} takes {show(argument.annotation)}, but gets {value!r} of type "
                    f"{show(value._annotation)}."
                )
            lost = isinstance(source, spec.FromParameter) and not argument.program
            if lost and loses_tuples(value._annotation, argument.annotation):
                raise definition_error(
                    f"{what} takes {show(argument.annotation)}: of {value!r}, which is "
                    f"{show(value._annotation)} and travels as JSON text, tuples would arrive as "
                    "lists. Annotate the argument as the parameter is."
                )
            return spec.Input(argument.type, source)
        if isinstance(value, Data):
            if argument.type not in ("data", "path", "any"):
                raise definition_error(
                    f"{what} takes {argument.type}, but gets {value!r}. Only a step that takes "
                    "`wf.Data` or `Path` reads outside data."
                )
            return spec.Input(argument.type, spec.FromData(value.uri))
        items = as_items(value)
        if items is not None and any(isinstance(item, Symbol) for item in items):
            if isinstance(value, tuple) and argument.annotation is Any and not argument.program:
                raise definition_error(
                    f"{what}: a tuple of outputs arrives as a list. Give a list, or annotate the "
                    "argument as what it is: tuple[...]."
                )
            return self._gathered(what, argument, items)
        return spec.Input(argument.type, spec.FromValue(constant(what, argument, value)))

    def _symbol(self, value: Symbol) -> tuple[Any, str]:
        from waterflow import spec

        self._own(value)
        kind: str = value._type
        if isinstance(value, ConstantSymbol):
            return spec.FromValue(value._value), kind
        if isinstance(value, ParameterSymbol):
            return spec.FromParameter(value._name), kind
        if isinstance(value, OutputSymbol):
            self._visible(value._step, repr(value))
            return value._reference(), kind
        if isinstance(value, FirstSymbol):
            options = value._options
            return spec.FromFirst(tuple(o._reference() for o in options)), kind
        raise definition_error(
            f"{value!r} gives no value to pass on. To run after it, use "
            "`.options(after=[...])` on the later step."
        )

    def _gathered(self, what: str, argument: Argument, items: list[Any]) -> spec.Input:
        from waterflow import spec
        from waterflow.artifacts import compatible
        from waterflow.artifacts.plain import clash, item_annotation

        if clash(list, argument.annotation):
            raise definition_error(
                f"{what} takes {show(argument.annotation)}, but gets a list of outputs."
            )
        if argument.type.startswith("list["):
            inner = argument.type[5:-1]
        elif argument.type in ("json", "any"):
            inner = argument.type
        else:
            raise definition_error(f"{what} takes {argument.type}, but gets a list of outputs.")
        annotation = item_annotation(argument.annotation)
        sources: list[Any] = []
        for at, item in enumerate(items):
            if isinstance(item, Symbol):
                source, produced = self._symbol(item)
                if isinstance(source, spec.FromFirst) or not compatible(produced, inner):
                    raise definition_error(
                        f"{what} takes a list of {inner}, but one item is {item!r} of type "
                        f"{produced}."
                    )
                if clash(item._annotation, annotation):
                    raise definition_error(
                        f"{what} takes {show(argument.annotation)}, but one item is {item!r} of "
                        f"type {show(item._annotation)}."
                    )
            else:
                plain = Argument(argument.name, annotation, inner, NO_DEFAULT, False, (), False)
                source = spec.FromValue(constant(f"{what}, item {at}", plain, item))
            sources.append(source)
        return spec.Input(argument.type, spec.FromList(tuple(sources)))

    def _own(self, value: Symbol) -> None:
        if value._trace is not self:
            raise definition_error(
                f"{value!r} belongs to another pipeline's definition. Values pass between steps of "
                "one pipeline only."
            )

    def _chain(self) -> tuple[spec.Branch, ...]:
        return tuple(self._branches)

    def _visible(self, step: str, described: str) -> None:
        chain = self._chains[step]
        if self._chain()[: len(chain)] != chain:
            raise definition_error(
                f"{described} stands behind gate '{chain[-1].gate}' and may never exist here. Use "
                "it inside the same `with` block, or give an alternative: wf.first(a, b)."
            )
