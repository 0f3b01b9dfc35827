"""Pipelines within pipelines: a call of one inside another is a group of its steps."""

# Symbols leave every public name to refusals, so what Waterflow itself asks them is private.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from waterflow.errors import DefinitionError
from waterflow.language.gathering import tolerated
from waterflow.language.signature import NO_DEFAULT, Argument
from waterflow.language.types import Data, as_items
from waterflow.language.values import (
    ConstantSymbol,
    Expression,
    GroupSymbol,
    Symbol,
    definition_error,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from functools import cached_property

    from waterflow.language.trace import Trace


class Nested(Protocol):
    """What is asked of a pipeline that another calls."""

    name: str
    trusted_types: tuple[str, ...]
    arguments: cached_property[dict[str, Argument]]

    @property
    def description(self) -> str:
        """What it is for."""
        ...

    @property
    def location(self) -> str:
        """`file:line` of its definition."""
        ...

    def define(self, bindings: dict[str, Any]) -> Any:
        """Make its calls, for the trace under way, and return what its function does."""
        ...


def call_nested(
    pipeline: Nested, trace: Trace, name: str | None, values: Mapping[str, object]
) -> Any:
    """Add the steps of a pipeline to the one that is being traced, as a group.

    Its schedule has no meaning there: the pipeline that calls has its own.

    Args:
        pipeline: The pipeline that is called.
        trace: The pipeline that calls.
        name: The group's name; None for the pipeline's, numbered.
        values: What the call gives, by parameter.

    Returns:
        What its function returns; where that is nothing, something to stand `after`.

    Raises:
        DefinitionError: A parameter that is missing, unknown or does not fit, a name that is taken,
            or a pipeline that calls itself.
    """
    if pipeline.name in trace.called:
        chain = " -> ".join([*trace.called, pipeline.name])
        raise definition_error(f"Pipeline '{pipeline.name}' calls itself: {chain}.")
    if unknown := [key for key in values if key not in pipeline.arguments]:
        raise definition_error(
            f"Pipeline '{pipeline.name}' takes no '{unknown[0]}'. Its parameters: "
            f"{', '.join(pipeline.arguments) or 'none'}."
        )
    bindings = {
        key: _binding(pipeline, trace, argument, values)
        for key, argument in pipeline.arguments.items()
    }
    trace.trusted_types = tuple(dict.fromkeys((*trace.trusted_types, *pipeline.trusted_types)))
    with trace.group(pipeline.name, pipeline.description, name) as group:
        returned = pipeline.define(bindings)
        if not trace.steps_in(group):
            raise definition_error(f"Pipeline '{pipeline.name}' calls no step.")
    return GroupSymbol(group, trace) if returned is None else returned


def _binding(
    pipeline: Nested, trace: Trace, argument: Argument, values: Mapping[str, object]
) -> Any:
    """Return what the function sees as one of its parameters."""
    where = f"Pipeline '{pipeline.name}', parameter '{argument.name}'"
    value = unwrapped(values.get(argument.name, argument.default))
    if value is NO_DEFAULT:
        raise definition_error(
            f"Pipeline '{pipeline.name}' needs '{argument.name}'. Give it: "
            f"{pipeline.name}({argument.name}=...)"
        )
    items = as_items(value) or []
    symbolic = isinstance(value, (Symbol, Expression)) or any(isinstance(i, Symbol) for i in items)
    if not symbolic:
        return _constant(pipeline, trace, argument, value)
    if argument.static:
        raise definition_error(
            f"{where} is wf.Static, known while the pipeline is defined, and gets {value!r:.80}, "
            "which is known when it runs."
        )
    with tolerated():
        trace.check_input(where, argument, value)
    return value


def _constant(pipeline: Nested, trace: Trace, argument: Argument, value: Any) -> Any:
    import msgspec

    from waterflow.language.parameters import check_arguments, declare, static_value

    name = argument.name
    declared = declare(pipeline.name, {name: argument}, pipeline.location)
    checked: dict[str, Any] = {name: None}
    checked |= check_arguments(pipeline.name, declared, {name: value})
    parameter = msgspec.structs.replace(declared[name], default=checked[name])
    plain = static_value(parameter, argument.annotation)
    if argument.static:
        return plain
    if parameter.type == "data":
        return None if plain is None else Data(plain)
    return ConstantSymbol(name, parameter.type, trace, argument.annotation, plain)


def check_returned(returned: object, pipeline: str, location: str) -> None:
    """Refuse what a pipeline's function returns and no step has made.

    Args:
        returned: What it returns.
        pipeline: The pipeline's name, for the message.
        location: `file:line` of the function.

    Raises:
        DefinitionError: Something in it is neither an output of a step nor a parameter.
    """
    if returned is None or isinstance(returned, Symbol):
        return
    parts = list(returned.values()) if isinstance(returned, dict) else as_items(returned)
    if parts is None:
        raise DefinitionError(
            f"Pipeline '{pipeline}' returns {returned!r:.80}, but a pipeline returns outputs of "
            "its steps, for the pipeline that calls it, or nothing: the outputs are kept, and "
            'run.artifact("step") gives them.',
            location,
        )
    for part in parts:
        check_returned(part, pipeline, location)
