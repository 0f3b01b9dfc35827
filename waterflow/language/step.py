"""Steps: the `@step` decorator, and container steps."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from waterflow.errors import DefinitionError
from waterflow.language.gathering import tolerated
from waterflow.language.options import (
    Options,
    check_dict,
    check_image,
    check_name,
    check_texts,
    make_options,
)
from waterflow.language.signature import Signature, function_location, read_signature
from waterflow.language.trace import current, require
from waterflow.language.values import definition_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Unpack

    from waterflow.language.option_types import ContainerOptions, StepOptions
    from waterflow.language.types import Secret

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A function that can be a step of a pipeline.

    Outside a pipeline, calling it calls the function. Inside one, the call adds a step to the
    graph and gives symbols for its results.

    Attributes:
        function: The plain function.
        settings: What it asks for.
    """

    def __init__(self, function: Callable[P, R], settings: Options) -> None:
        self.function = function
        self.settings = settings
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function, or add it to the pipeline that is being traced."""
        trace = current()
        if trace is None:
            return self.function(*args, **kwargs)
        return cast("R", trace.call(self, args, kwargs))

    def options(self, **changes: Unpack[StepOptions]) -> Step[P, R]:
        """Return the same step with other options.

        Args:
            changes: Any keyword of `@wf.step`, and `after`: what earlier calls returned, to run
                behind them where no value comes from them.

        Raises:
            DefinitionError: An unknown option, or a value that it cannot have.
        """
        return Step(self.function, make_options(self.settings, changes))

    def named(self, name: str) -> Step[P, R]:
        """Return the same step with a name for its call: `train.named("small")(data)`.

        The name is the step's in the graph, in `waterflow status`, in MLflow and in
        `run.artifact("small")`; without one, further calls of a step are numbered.

        Args:
            name: Up to 63 letters, digits, `_` and `-`, beginning with a letter or `_`; no other
                step of the pipeline may have it.

        Raises:
            DefinitionError: It cannot name a step.
        """
        check_name(name, "step")
        return Step(self.function, replace(self.settings, name=name))

    @functools.cached_property
    def signature(self) -> Signature:
        """The function's interface.

        Raises:
            DefinitionError: Its annotations do not say how its values travel.
        """
        return read_signature(self.function, f"Step '{self.function.__name__}'")

    def __repr__(self) -> str:
        return f"<step {self.function.__module__}:{self.function.__qualname__}>"


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    name: str | None = None,
    cpu: float = 1,
    memory: int | str | None = None,
    gpu: int | str | None = None,
    disk: int | str | None = None,
    spot: bool = False,
    instances: int = 1,
    retries: int = 0,
    retry_delay: float | str = 1,
    backoff: float = 2,
    timeout: float | str | None = None,
    cache: bool | None = None,
    requirements: Sequence[str] = (),
    image: str | None = None,
    env: Mapping[str, str] | None = None,
    secrets: Mapping[str, Secret] | None = None,
    include: Sequence[str] = (),
    metrics: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a function a step.

    Args:
        function: The function, when used without arguments.
        options: `name` (default: the function's), `cpu` (virtual CPUs), `memory` and `disk`
            ("16GiB" or bytes), `gpu` (1, "nvidia-t4", "nvidia-t4:2"), `spot` (an interruptible
            machine is welcome), `instances`, `retries` with `retry_delay` (seconds or "30s") and
            `backoff` (factor), `timeout` of an attempt ("2h" or seconds), `cache` (whether an
            earlier result may stand for it; by default, whether it has outputs),
            `requirements` (PEP 508), `image`, `env`, `secrets` (variable -> `wf.secret(...)`),
            `include` (extra files for the code bundle), `metrics` (metric name -> regular
            expression for the lines that the step prints, whose one group is the value: each
            value that is found is logged in MLflow).

    Returns:
        The step, with the function's own signature.

    Raises:
        DefinitionError: The function cannot be a step, or an option has a wrong value.
    """
    if function is None:
        settings = Options()
        with tolerated():
            settings = make_options(settings, options)
        return lambda function_: _make_step(function_, settings)  # pyright: ignore[reportUnknownLambdaType]
    return _make_step(function, Options())


def _make_step(function: Any, settings: Options) -> Step[Any, Any]:
    if not inspect.isfunction(function):
        raise definition_error(f"@wf.step goes on a function, not on {function!r}.")
    where = function_location(function)
    with tolerated():
        owner = f"Step '{function.__name__}'"
        check_plain(function, owner, "A step returns its results once", where)
    with tolerated():
        if "<" in function.__qualname__:
            raise DefinitionError(
                f"Step '{function.__name__}' is defined inside another function, so a job could "
                "not import it. Move it to the top of its module.",
                where,
            )
    with tolerated():
        check_name(function.__name__, "step")
    return Step(function, settings)


def check_plain(function: Callable[..., object], owner: str, why: str, where: str) -> None:
    """Refuse a function whose call does not run it to its end.

    Args:
        function: The user's function.
        owner: "Step 'x'" or "Pipeline 'x'", for the message.
        why: Why it must be plain, for the message.
        where: `file:line` of the function.

    Raises:
        DefinitionError: It is async or a generator.
    """
    asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if asynchronous or inspect.isgeneratorfunction(function):
        raise DefinitionError(
            f"{owner} is async or a generator. {why}: write a plain function.", where
        )


class ContainerOutputs:
    """The results of a container step: one attribute, or item, an output."""

    def __init__(self, step: str, symbols: dict[str, Any]) -> None:
        self._step, self._symbols = step, symbols

    def __getitem__(self, name: str) -> Any:
        if name not in self._symbols:
            raise definition_error(
                f"Step '{self._step}' has no output '{name}'; it has: "
                f"{', '.join(self._symbols) or 'none'}."
            )
        return self._symbols[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the outputs' names."""
        return iter(self._symbols)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]


def container(
    *,
    name: str,
    image: str,
    command: Sequence[str],
    inputs: Mapping[str, object] | None = None,
    outputs: Sequence[str] = (),
    parameters: Mapping[str, object] | None = None,
    **options: Unpack[ContainerOptions],
) -> ContainerOutputs:
    """Add any program in an image to the pipeline that is being traced.

    Args:
        name: The step's name.
        image: The image's reference.
        command: The command line. `{inputs.NAME}` and `{outputs.NAME}` stand for local paths:
            outside data or another container's folder itself, otherwise an artifact's folder;
            `{parameters.NAME}` for a value.
        inputs: Artifacts of other steps, or `wf.Data`.
        outputs: Names of the folders that the program writes.
        parameters: Plain values, pipeline parameters or scalar outputs.
        options: As for `@wf.step`.

    Returns:
        The outputs, as attributes; each is a folder (`Path`) for the step that takes it.

    Raises:
        DefinitionError: Used outside a pipeline, a placeholder without its input, and so on.
    """
    trace = require("wf.container")
    settings = make_options(Options(), {**options, "name": name})
    try:
        check_image(image)
        if not isinstance(command, str):
            check_texts(command, "command")
        check_texts(outputs, "outputs")
        for what, values in (("inputs", inputs), ("parameters", parameters)):
            check_dict({} if values is None else values, what, '{"name": ...}')
    except DefinitionError as error:
        raise definition_error(f"Step '{name}': {error}") from None
    symbols = trace.container(settings, image, command, inputs or {}, outputs, parameters or {})
    return ContainerOutputs(name, symbols)
