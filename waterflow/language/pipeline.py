"""Pipelines: the `@pipeline` decorator, and the call of a pipeline, which is what is run."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from waterflow.errors import DefinitionError
from waterflow.language.cron import check_schedule
from waterflow.language.gathering import any_gathered, is_gathering, tolerated
from waterflow.language.options import (
    REGISTRY_NAMES,
    check_name,
    check_registry_name,
    check_texts,
)
from waterflow.language.places import located
from waterflow.language.signature import Argument, function_location, read_arguments
from waterflow.language.step import Step, check_plain
from waterflow.language.trace import Called, Trace, current, require
from waterflow.language.values import ParameterSymbol, definition_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from waterflow import spec
    from waterflow.language.parameters import Declared
    from waterflow.runs.run import Run

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")
Fields = TypeVar("Fields", bound=tuple[Any, ...])


class Pipeline(Generic[P, R]):
    """A function whose calls of steps make a graph.

    Calling it gives a `Call`: the pipeline with parameters, ready to submit. Inside another
    pipeline it adds its steps to that one, as a group, and gives what its function returns.

    Attributes:
        name: The pipeline's name.
        function: The plain function.
        schedule: Cron expression with five fields, in UTC, or None.
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str,
        schedule: str | None,
        trusted_types: Sequence[str],
    ) -> None:
        self.function = function
        self.name = name
        self.schedule = schedule
        self.trusted_types = tuple(trusted_types)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return the pipeline with these parameters; in another pipeline, what it returns.

        Raises:
            DefinitionError: An unknown parameter, or a value of another type.
        """
        values = self._bound(args, kwargs)
        trace = current()
        if trace is not None:
            return cast("Call", self._nested(trace, None, values))
        return self.with_arguments(values)

    def named(self, name: str) -> Callable[P, R]:
        """Return the pipeline to be called in another one, as a group of that name.

        Args:
            name: As of a step: no other step or group of the pipeline that calls may have it. The
                names of the group's steps begin with it.

        Raises:
            DefinitionError: It cannot name a group.
        """
        check_name(name, "group of steps")

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            trace = require(f"A call of pipeline '{self.name}' with a name")
            return self._nested(trace, name, self._bound(args, kwargs))

        return call

    def _nested(self, trace: Trace, name: str | None, values: Mapping[str, object]) -> Any:
        from waterflow.language.groups import call_nested

        return call_nested(self, trace, name, values)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return what a call gives, by parameter."""
        try:
            return inspect.signature(self.function).bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            known = ", ".join(self.arguments) or "none"
            raise definition_error(
                f"Pipeline '{self.name}': {error}. Its parameters: {known}."
            ) from None

    def with_arguments(self, values: Mapping[str, object]) -> Call:
        """Return the pipeline with parameters given by name.

        Raises:
            DefinitionError: An unknown parameter, or a value of another type.
        """
        return Call(self, dict(values))

    @functools.cached_property
    def arguments(self) -> dict[str, Argument]:
        """The parameters as the function declares them."""
        return read_arguments(self.function, f"Pipeline '{self.name}'")[0]

    @property
    def source(self) -> Path:
        """The file in which the pipeline is defined."""
        return Path(self.function.__code__.co_filename)

    @property
    def location(self) -> str:
        """`file:line` of the definition, for messages."""
        return function_location(self.function)

    @property
    def description(self) -> str:
        """What the pipeline is for: the first paragraph of the docstring, on one line."""
        about = (self.function.__doc__ or "").strip().split("\n\n")[0]
        return " ".join(about.split())

    def named_steps(self) -> list[Step[..., Any]]:
        """Return the steps that the function names, as far as its text tells."""
        function = getattr(self, "function", None)  # a YAML file's has none
        scope: Mapping[str, Any] = getattr(function, "__globals__", {})
        names = function.__code__.co_names if scope and function is not None else ()
        return [scope[name] for name in names if isinstance(scope.get(name), Step)]

    def define(self, bindings: dict[str, Any]) -> Any:
        """Make the pipeline's calls, for the trace under way, and return what the function does.

        Raises:
            DefinitionError: The function returns what no step has made.
        """
        from waterflow.language.groups import check_returned

        call: Any = self.function
        with located(None):  # a YAML file may call it, and its mistakes have lines of their own
            returned = call(**bindings)
        check_returned(returned, self.name, self.location)
        return returned

    def _repr_html_(self) -> str | None:
        """Return the graph, for a notebook; None where only parameters make one."""
        try:
            call = self.with_arguments({})
        except DefinitionError:
            return None
        from waterflow.graph import to_html

        return to_html(call.spec)

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


if TYPE_CHECKING:

    class Returning(Pipeline[P, R]):
        """A pipeline that returns outputs: what calling it gives depends on where it is called."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
            """Return a `Call`; in another pipeline, what the function returns."""

    class Decorator(Protocol):
        """What `@wf.pipeline(...)` is: it keeps the function's own types."""

        # None is an R, too: the first that fits is meant.
        @overload
        def __call__(  # pyright: ignore[reportOverlappingOverload]
            self, function: Callable[P, None], /
        ) -> Pipeline[P, None]: ...

        @overload
        def __call__(self, function: Callable[P, R], /) -> Returning[P, R]: ...


class Call:
    """A pipeline with parameters: what is compiled, priced and submitted.

    Attributes:
        pipeline: The pipeline.
        parameters: The parameters that were given; the others have their defaults.
        spec: The spec, traced once.
        steps: Step name -> the function step behind it.
    """

    def __init__(self, pipeline: Pipeline[..., Any], values: dict[str, object]) -> None:
        from waterflow.language.parameters import check_arguments, declare

        self.pipeline = pipeline
        declared = declare(pipeline.name, pipeline.arguments, pipeline.location)
        arguments = check_arguments(pipeline.name, declared, values)
        self.spec, self.steps = self._trace(declared, arguments)
        self._check_registering(declared, arguments)
        static = {name for name, parameter in declared.items() if parameter.static}
        self.parameters = {name: value for name, value in arguments.items() if name not in static}

    def _trace(
        self, declared: dict[str, spec.Parameter], values: dict[str, object]
    ) -> tuple[spec.Pipeline, dict[str, Called]]:
        from msgspec import UNSET

        from waterflow import artifacts, spec
        from waterflow.language.parameters import bake, static_value
        from waterflow.language.trusting import check_trusted
        from waterflow.spec.validate import check_graph

        pipeline = self.pipeline
        arguments = pipeline.arguments
        if is_gathering():  # the first call of one would end the definition
            for step in pipeline.named_steps():
                with tolerated():
                    _ = step.signature
        with Trace(pipeline.name, pipeline.source) as trace:
            bindings: dict[str, Any] = {}
            parameters: dict[str, spec.Parameter] = {}
            for name, parameter in declared.items():
                if parameter.static:
                    parameters[name] = bake(pipeline.name, name, parameter, values)
                    bindings[name] = static_value(parameters[name], arguments[name].annotation)
                else:
                    parameters[name] = parameter
                    bindings[name] = ParameterSymbol(
                        name, parameter.type, trace, arguments[name].annotation
                    )
            trace.trusted_types = pipeline.trusted_types
            pipeline.define(bindings)
        if not trace.steps and not any_gathered():
            raise DefinitionError(f"Pipeline '{pipeline.name}' calls no step.", pipeline.location)
        document = spec.Pipeline(
            name=pipeline.name,
            description=pipeline.description,
            parameters=parameters,
            steps=tuple(trace.steps.values()),
            gates=tuple(trace.gates.values()),
            schedule=pipeline.schedule,
            trusted_types=trace.trusted_types,
            groups=tuple(trace.groups.values()) or UNSET,
        )
        if not any_gathered():  # what is wrong with the rest of it follows from that
            check_graph(document, artifacts)
        with tolerated():
            check_trusted(trace.functions, trace.trusted_types, pipeline.location)
        return document, trace.functions

    def _check_registering(self, declared: Declared, values: Mapping[str, object]) -> None:
        """Refuse names and aliases of models, given as parameters, that no registry takes."""
        from waterflow import spec

        for step in self.spec.steps:
            for key in REGISTRY_NAMES if isinstance(step.run, spec.Register) else ():
                source = step.inputs[key].source if key in step.inputs else None
                if not isinstance(source, spec.FromParameter):
                    continue
                where = f"Pipeline '{self.pipeline.name}', parameter '{source.name}'"
                with tolerated():
                    if source.name in values:
                        check_registry_name(key, values[source.name], where)
                    elif not declared[source.name].required:
                        default, place = declared[source.name].default, self.pipeline.location
                        check_registry_name(key, default, f"{where}, default", place)

    @property
    def source(self) -> Path:
        """The file in which the pipeline is defined."""
        return self.pipeline.source

    def submit(
        self,
        profile: str | None = None,
        *,
        run_id: str | None = None,
        cache: bool = True,
        resume: str | None = None,
        inline: bool = False,
        keep_going: bool = False,
    ) -> Run:
        """Start a run and return at once.

        Args:
            profile: The profile's name; None for the project's default.
            run_id: An id of your own; submitting it twice gives one run.
            cache: Whether earlier results may stand for steps.
            resume: A failed run to go on from.
            inline: Run all steps in this process, for a debugger, and return when they have ended.
            keep_going: After a failure what needs nothing of the failed step must run all the same;
                the run has failed then, too. A provider that starts nothing new refuses it.

        Raises:
            ConfigurationError: The profile, its provider or the project is set up wrongly.
            UnsupportedFeatureError: The provider cannot honour a setting.
            ProviderError: The provider refuses.
        """
        from waterflow.runs.submit import submit

        return submit(
            self,
            profile=profile,
            run_id=run_id,
            cache=cache,
            resume=resume,
            inline=inline,
            keep_going=keep_going,
        )

    def _repr_html_(self) -> str:
        """Return the graph, for a notebook."""
        from waterflow.graph import to_html

        return to_html(self.spec)

    def __repr__(self) -> str:
        return f"<pipeline {self.pipeline.name} with {self.parameters}>"


@overload
def pipeline(  # pyright: ignore[reportOverlappingOverload]
    function: Callable[P, None], /
) -> Pipeline[P, None]: ...


@overload
def pipeline(function: Callable[P, R], /) -> Returning[P, R]: ...


@overload
def pipeline(
    *, name: str | None = None, schedule: str | None = None, trusted_types: Sequence[str] = ()
) -> Decorator: ...


def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    schedule: str | None = None,
    trusted_types: Sequence[str] = (),
) -> Any:
    """Make a function a pipeline.

    Args:
        function: The function, when used without arguments.
        name: The pipeline's name; default: the function's.
        schedule: When to run it: a cron expression with five fields, in UTC.
        trusted_types: Dotted names of classes that its model files may hold beyond Waterflow's
            own allow-list.

    Raises:
        DefinitionError: The function cannot be a pipeline, or the name, the schedule or the types
            cannot be used.
    """

    def make(definition: Callable[..., Any]) -> Pipeline[..., Any]:
        if not inspect.isfunction(definition):
            raise definition_error(f"@wf.pipeline goes on a function, not on {definition!r}.")
        chosen = name or definition.__name__
        trusted: tuple[str, ...] = ()
        with tolerated():
            check_name(chosen, "pipeline")
        with tolerated():
            why = "Calling it draws the graph, and runs nothing"
            check_plain(definition, f"Pipeline '{chosen}'", why, function_location(definition))
        with tolerated():
            if schedule is not None:
                check_schedule(schedule)
        with tolerated():
            try:
                trusted = tuple(check_texts(trusted_types, "trusted_types"))
            except DefinitionError as error:
                raise definition_error(str(error)) from None
        return Pipeline(definition, chosen, schedule, trusted)

    return make if function is None else make(function)
