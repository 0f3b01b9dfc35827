"""Tracing: records the step calls of a pipeline function and makes its spec from them."""

# Symbols leave every public name to refusals, so what Waterflow itself asks them is private.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from waterflow.language.constants import constant
from waterflow.language.gathering import tolerated
from waterflow.language.signature import NO_DEFAULT, SINGLE, Argument, Signature, show
from waterflow.language.types import Data, as_items
from waterflow.language.values import (
    DoneSymbol,
    Expression,
    FirstSymbol,
    OutputSymbol,
    ParameterSymbol,
    Symbol,
    as_expression,
    definition_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from functools import cached_property
    from pathlib import Path

    from waterflow import spec
    from waterflow.language.options import Options

_CURRENT: ContextVar[Trace | None] = ContextVar("waterflow_trace", default=None)
_PLACEHOLDER: Final = re.compile(r"\{(inputs|outputs|parameters)\.([^{}]+)\}")


def current() -> Trace | None:
    """Return the trace under way, or None outside a pipeline."""
    return _CURRENT.get()


def require(what: str) -> Trace:
    """Return the trace under way.

    Raises:
        DefinitionError: There is none: `what` only has a meaning inside a pipeline.
    """
    trace = _CURRENT.get()
    if trace is None:
        raise definition_error(f"{what} has a meaning only inside a function under @wf.pipeline.")
    return trace


class Called(Protocol):
    """What a trace asks of a step that is called.

    Attributes:
        function: The plain function.
        settings: Its options.
        signature: What the function takes and returns.
    """

    function: Callable[..., Any]
    settings: Options
    signature: cached_property[Signature]


class Trace:
    """The pipeline that is being defined.

    Args:
        pipeline: Its name, for messages.
        source: The file in which it is defined.
    """

    def __init__(self, pipeline: str, source: Path) -> None:
        self.pipeline, self.source = pipeline, source
        self.steps: dict[str, spec.Step] = {}
        self.gates: dict[str, spec.Gate] = {}
        self.functions: dict[str, Called] = {}
        self._branches: list[spec.Branch] = []
        self._chains: dict[str, tuple[spec.Branch, ...]] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        if _CURRENT.get() is not None:
            raise definition_error(
                f"Pipeline '{self.pipeline}' is called inside another pipeline. Pipelines do not "
                "nest: call its steps, or put them into a plain function that both call."
            )
        self._token = _CURRENT.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)

    # --- steps ---------------------------------------------------------------------------------

    def call(self, step: Called, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a step's call to the graph and return symbols for its results."""
        from waterflow import spec

        signature = step.signature
        name = self._name(step.settings.name, step.function.__name__)
        inputs = self._bind(name, signature, args, kwargs, over=None)
        run = spec.Function(
            step.function.__module__, step.function.__qualname__, tuple(step.settings.include)
        )
        outputs = {key: spec.Output(kind) for key, kind in signature.outputs.items()}
        self._add(name, run, inputs, outputs, step.settings)
        self.functions[name] = step
        return self._results(name, signature)

    def map(self, step: Called, over: object, fixed: dict[str, Any], fan_out: str) -> Any:
        """Add a step that is called once for each item of a list made at run time."""
        from waterflow import spec

        signature = step.signature
        free = [a for a in signature.arguments if a not in fixed]
        if not free:
            raise definition_error(
                f"wf.map over step '{step.function.__name__}' leaves no argument for the items."
            )
        if fan_out not in ("processes", "jobs"):
            raise definition_error(f'fan_out={fan_out!r} is neither "processes" nor "jobs".')
        name = self._name(step.settings.name, step.function.__name__)
        inputs = self._bind(name, signature, (), {**fixed, free[0]: over}, over=free[0])
        run = spec.Function(
            step.function.__module__,
            step.function.__qualname__,
            tuple(step.settings.include),
            over=free[0],
            fan_out=cast("Any", fan_out),
        )
        listed = signature.listed()
        outputs = {key: spec.Output(kind) for key, kind in listed.outputs.items()}
        self._add(name, run, inputs, outputs, step.settings)
        self.functions[name] = step
        return self._results(name, listed)

    def container(
        self,
        settings: Options,
        image: str,
        command: Sequence[str],
        inputs: Mapping[str, object],
        outputs: Sequence[str],
        parameters: Mapping[str, object],
    ) -> dict[str, OutputSymbol]:
        """Add a container step and return the symbols of its outputs by name."""
        from waterflow import spec
        from waterflow.language.options import check_name

        name = self._name(settings.name, "container")
        for output in outputs:
            check_name(output, f"output of step '{name}'")
        known = {"inputs": set(inputs), "outputs": set(outputs), "parameters": set(parameters)}
        if isinstance(command, str) or not command:
            raise definition_error(f"Step '{name}': command must be a list with a program in it.")
        named = [place for part in command for place in _PLACEHOLDER.findall(part)]
        for kind, key in named:
            with tolerated():
                if key not in known[kind]:
                    raise definition_error(
                        f"Step '{name}': the command names {{{kind}.{key}}}, but {kind} has "
                        f"{', '.join(sorted(known[kind])) or 'nothing'}."
                    )
        bound: dict[str, spec.Input] = {}
        for key, value in inputs.items():
            with tolerated():
                if not isinstance(value, (Symbol, Data)):
                    raise definition_error(
                        f"Step '{name}': input '{key}' is {value!r}, no artifact. Plain values go "
                        "into parameters={...}."
                    )
                bound[key] = self._input(name, _loose(key), value)
        for key, value in parameters.items():
            with tolerated():
                if key in bound:
                    raise definition_error(
                        f"Step '{name}': '{key}' is both an input and a parameter."
                    )
                bound[key] = self._input(name, _loose(key, _plain_type(value)), value)
        declared = {output: spec.Output("path", raw=True) for output in outputs}
        run = spec.Container(image, tuple(command))
        self._add(name, run, bound, declared, settings)
        return {output: OutputSymbol(name, output, "path", self) for output in outputs}

    def register(
        self, settings: Options, arguments: Mapping[str, tuple[str, object]]
    ) -> OutputSymbol:
        """Add a step that registers a model; arguments are name -> (type, value)."""
        from waterflow import spec

        name = self._name(settings.name, "register")
        inputs: dict[str, spec.Input] = {}
        for key, (kind, value) in arguments.items():
            with tolerated():
                if value is not None:
                    inputs[key] = self._input(name, _loose(key, kind), value)
        self._add(name, spec.Register(), inputs, {SINGLE: spec.Output("json")}, settings)
        return OutputSymbol(name, SINGLE, "json", self)

    def _add(
        self,
        name: str,
        run: spec.Function | spec.Container | spec.Register,
        inputs: dict[str, spec.Input],
        outputs: dict[str, spec.Output],
        settings: Options,
    ) -> None:
        from waterflow import spec

        branch = self._branches[-1] if self._branches else None
        after: list[str] = []
        for item in settings.after:
            with tolerated():
                after.append(self._step_of(item))
        self.steps[name] = spec.Step(
            name=name,
            run=run,
            inputs=inputs,
            outputs=outputs,
            resources=settings.to_resources(),
            retry=settings.to_retry(),
            timeout=settings.seconds(),
            cache=settings.to_cache(outputs=bool(outputs)),
            environment=settings.to_environment(),
            after=tuple(after),
            branch=branch,
            metrics=settings.to_metrics(),
        )
        self._chains[name] = self._chain()

    def _name(self, chosen: str | None, base: str) -> str:
        with tolerated():
            if chosen is not None and (chosen in self.steps or chosen in self.gates):
                raise definition_error(
                    f"Two steps of pipeline '{self.pipeline}' are called '{chosen}'. Give one of "
                    "them another name, or leave the name out to have them numbered."
                )
            if chosen is not None:
                return chosen
        return self._numbered(chosen or base)

    def _numbered(self, base: str) -> str:
        while True:
            self._counts[base] = count = self._counts.get(base, 0) + 1
            name = base if count == 1 else f"{base}-{count}"
            if name not in self.steps and name not in self.gates:
                return name

    def _step_of(self, item: object) -> str:
        if isinstance(item, (OutputSymbol, DoneSymbol)):
            self._own(item)
            name: str = item._step
            self._visible(name, repr(item))
            return name
        raise definition_error(f"after=[{item!r}]: give what a step returned in this pipeline.")

    def _results(self, name: str, signature: Signature) -> Any:
        if not signature.outputs:
            return DoneSymbol(name, self)
        symbols = {
            key: OutputSymbol(name, key, kind, self, annotation=signature.annotations[key])
            for key, kind in signature.outputs.items()
        }
        if signature.named is None:
            return symbols[SINGLE]
        return _named_class(signature.named)(*symbols.values())

    # --- inputs --------------------------------------------------------------------------------

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
            value = bound.get(key, argument.default)
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

    def _input(self, step: str, argument: Argument, value: object) -> spec.Input:
        from waterflow import spec
        from waterflow.artifacts import compatible
        from waterflow.artifacts.plain import clash, loses_tuples

        what = f"Step '{step}', argument '{argument.name}'"
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

    # --- gates ---------------------------------------------------------------------------------

    def gate(self, condition: object) -> str:
        """Add a gate for a condition and return its name."""
        from waterflow import spec

        always = spec.FromValue(True)
        decides: spec.Condition = spec.Compare(always, "==", always)
        with tolerated():
            expression = as_expression(condition)
            for symbol in expression.symbols:
                self._symbol(symbol)
            decides = expression.condition()
        name = self._numbered("when")
        within = self._branches[-1] if self._branches else None
        self.gates[name] = spec.Gate(name, decides, within)
        return name

    def enter(self, gate: str, then: bool) -> None:
        """Put the steps that follow on one side of a gate."""
        from waterflow import spec

        within = self.gates[gate].within
        if within != (self._branches[-1] if self._branches else None):
            raise definition_error(
                "A gate is entered somewhere else than where it was made: `with wf.when(...)` and "
                "its `otherwise()` stand side by side."
            )
        self._branches.append(spec.Branch(gate, then))

    def leave(self) -> None:
        """End the innermost side of a gate."""
        self._branches.pop()

    def _chain(self) -> tuple[spec.Branch, ...]:
        return tuple(self._branches)

    def _visible(self, step: str, described: str) -> None:
        chain = self._chains[step]
        if self._chain()[: len(chain)] != chain:
            raise definition_error(
                f"{described} stands behind gate '{chain[-1].gate}' and may never exist here. Use "
                "it inside the same `with` block, or give an alternative: wf.first(a, b)."
            )

    def first(self, values: tuple[object, ...]) -> FirstSymbol:
        """Return the symbol for the first output whose step was not skipped."""
        from waterflow.artifacts import compatible

        options: list[OutputSymbol] = []
        for value in values:
            if not isinstance(value, OutputSymbol):
                raise definition_error(f"wf.first takes outputs of steps, not {value!r}.")
            self._own(value)
            options.append(value)
        if len(options) < 2:
            raise definition_error("wf.first needs at least two outputs to choose from.")
        kinds = [option._type for option in options]
        for kind in kinds[1:]:
            if not (compatible(kind, kinds[0]) or compatible(kinds[0], kind)):
                raise definition_error(f"wf.first: the outputs have types {', '.join(kinds)}.")
        return FirstSymbol(tuple(options), kinds[0], self)


def _loose(name: str, kind: str = "any") -> Argument:
    return Argument(name, Any, kind, NO_DEFAULT, False, (), False, program=True)


def _plain_type(value: object) -> str:
    from waterflow.artifacts import infer

    if isinstance(value, Symbol):
        return value._type
    return infer(value)


_NAMED: dict[type[tuple[Any, ...]], type[tuple[Any, ...]]] = {}


def _named_class(base: type[tuple[Any, ...]]) -> type[Any]:
    """Return the user's NamedTuple class, refusing outputs that do not exist."""
    if base not in _NAMED:
        names = ", ".join(cast("Any", base)._fields)

        def missing(_self: object, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            raise definition_error(f"{base.__name__} has no output '{name}'; it has: {names}.")

        _NAMED[base] = type(base.__name__, (base,), {"__slots__": (), "__getattr__": missing})
    return _NAMED[base]
