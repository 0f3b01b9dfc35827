"""Tracing: records the step calls of a pipeline function and makes its spec from them."""

# Symbols leave every public name to refusals, so what Waterflow itself asks them is private.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from waterflow.language.gathering import tolerated
from waterflow.language.mapped import check_on_error, skipping
from waterflow.language.signature import NO_DEFAULT, SINGLE, Argument, Signature
from waterflow.language.types import Data
from waterflow.language.values import (
    DoneSymbol,
    FirstSymbol,
    GroupSymbol,
    OutputSymbol,
    Symbol,
    as_expression,
    definition_error,
    unwrapped,
)
from waterflow.language.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
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


class Trace(Wiring):
    """The pipeline that is being defined.

    Args:
        pipeline: Its name, for messages.
        source: The file in which it is defined.
    """

    def __init__(self, pipeline: str, source: Path) -> None:
        super().__init__()
        self.pipeline, self.source = pipeline, source
        self.steps: dict[str, spec.Step] = {}
        self.gates: dict[str, spec.Gate] = {}
        self.groups: dict[str, spec.Group] = {}
        self.trusted_types: tuple[str, ...] = ()
        self.functions: dict[str, Called] = {}
        self._groups: list[str] = []
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        if _CURRENT.get() is not None:
            raise definition_error(
                f"Pipeline '{self.pipeline}' is made ready to run inside another pipeline. Call it "
                f"instead, and its steps are a group of this one: {self.pipeline}(...)"
            )
        self._token = _CURRENT.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)

    # --- groups --------------------------------------------------------------------------------

    @property
    def called(self) -> list[str]:
        """The names of the pipelines that call each other here, the outermost first."""
        return [self.pipeline, *(self.groups[name].pipeline for name in self._groups)]

    @contextmanager
    def group(self, pipeline: str, description: str, chosen: str | None) -> Generator[str]:
        """Put the steps that follow into a group.

        Args:
            pipeline: The pipeline that is called.
            description: What that is for.
            chosen: The group's name; None for the pipeline's, numbered.

        Yields:
            The group's name.
        """
        from waterflow import spec

        name = self._name(chosen, pipeline)
        self.groups[name] = spec.Group(name, pipeline, description, self._group)
        self._groups.append(name)
        try:
            yield name
        finally:
            self._groups.pop()

    @property
    def _group(self) -> str | None:
        return self._groups[-1] if self._groups else None

    def own_name(self, name: str) -> str:
        """Return what a step or group is called inside the group under way: without its name."""
        return name if self._group is None else name.removeprefix(f"{self._group}-")

    def steps_in(self, group: str) -> list[str]:
        """Return the steps of a group and of the groups within it."""
        inside = {group}
        for one in self.groups.values():
            if one.within in inside:
                inside.add(one.name)
        return [step.name for step in self.steps.values() if step.group in inside]

    def check_input(self, where: str, argument: Argument, value: object) -> None:
        """Refuse outputs and parameters that do not fit what they are given for.

        Args:
            where: What they are given for, for the message.
            argument: What that takes.
            value: A symbol, or a list with symbols in it.
        """
        self._input(where, argument, value, named=True)

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

    def map(
        self,
        step: Called,
        over: object,
        fixed: dict[str, Any],
        fan_out: str,
        on_error: str = "fail",
    ) -> Any:
        """Add a step that is called once for each item of a list made at run time."""
        from msgspec import UNSET

        from waterflow import spec

        signature = step.signature
        check_on_error(step.function.__name__, signature.outputs, fan_out, on_error)
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
            on_error="skip" if on_error == "skip" else UNSET,
        )
        listed = skipping(signature) if on_error == "skip" else signature.listed()
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
        for key, argument in inputs.items():
            value = unwrapped(argument)
            with tolerated():
                if not isinstance(value, (Symbol, Data)):
                    raise definition_error(
                        f"Step '{name}': input '{key}' is {value!r}, no artifact. Plain values go "
                        "into parameters={...}."
                    )
                bound[key] = self._input(name, _loose(key), value)
        for key, argument in parameters.items():
            value = unwrapped(argument)
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
        for key, (kind, argument) in arguments.items():
            value = unwrapped(argument)
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
        from msgspec import UNSET

        from waterflow import spec

        branch = self._branches[-1] if self._branches else None
        after: list[str] = []
        for item in settings.after:
            with tolerated():
                after.extend(self._steps_of(item))
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
            group=self._group or UNSET,
        )
        self._chains[name] = self._chain()

    def _name(self, chosen: str | None, base: str) -> str:
        with tolerated():
            name = None if chosen is None else self._inside(chosen)
            if name is not None and self._is_taken(name):
                raise definition_error(
                    f"Two steps of pipeline '{self.pipeline}' are called '{name}'. Give one of "
                    "them another name, or leave the name out to have them numbered."
                )
            if name is not None:
                return name
        return self._numbered(chosen or base)

    def _numbered(self, base: str) -> str:
        base = self._inside(base)
        while True:
            self._counts[base] = count = self._counts.get(base, 0) + 1
            name = base if count == 1 else f"{base}-{count}"
            if not self._is_taken(name):
                return name

    def _is_taken(self, name: str) -> bool:
        return name in self.steps or name in self.gates or name in self.groups

    def _inside(self, name: str) -> str:
        """Return the name that something has in the group under way: its own behind the group's."""
        from waterflow.language.options import NAME

        if self._group is None:
            return name
        whole = f"{self._group}-{name}"
        if not NAME.fullmatch(whole):
            raise definition_error(
                f"'{name}' in group '{self._group}' would be called '{whole}', which has more than "
                "63 characters. Give the group a short name where the pipeline is called: "
                f'{self.groups[self._group].pipeline}.named("a")(...)'
            )
        return whole

    def _steps_of(self, item: object) -> list[str]:
        if isinstance(item, GroupSymbol):
            self._own(item)
            steps = self.steps_in(item._group)
            here = self._chain()
            inner = [
                name for name in steps if here[: len(self._chains[name])] == self._chains[name]
            ]
            if not inner:
                self._visible(steps[0], repr(item))
            return inner
        return [self._step_of(item)]

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

    # --- gates ---------------------------------------------------------------------------------

    def gate(self, condition: object) -> str:
        """Add a gate for a condition and return its name."""
        from msgspec import UNSET

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
        self.gates[name] = spec.Gate(name, decides, within, self._group or UNSET)
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
