"""What stands inside a pipeline beside its steps: gates, maps, registration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Never, Self, TypeVar, cast, overload

from waterflow.language.mapped import check_on_error, mapped_here
from waterflow.language.options import Options, check_name, check_registry_name, make_options
from waterflow.language.step import Step
from waterflow.language.trace import Trace, current, require
from waterflow.language.values import definition_error, unwrapped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Unpack

    from waterflow.language.mapped import Mapped
    from waterflow.language.option_types import RegisterOptions

R = TypeVar("R")
V = TypeVar("V")
Fields = TypeVar("Fields", bound=tuple[Any, ...])


class Gate:
    """A condition; `with` puts steps behind it, `otherwise()` on its other side."""

    def __init__(self, trace: Trace, condition: object) -> None:
        self._trace = trace
        self._name = trace.gate(condition)

    def __enter__(self) -> Self:
        self._trace.enter(self._name, then=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._trace.leave()

    @contextmanager
    def otherwise(self) -> Generator[None]:
        """Put steps where the condition does not hold."""
        self._trace.enter(self._name, then=False)
        try:
            yield
        finally:
            self._trace.leave()


def when(condition: object) -> Gate:
    """Run the steps of the `with` block only if a condition holds at run time.

    Args:
        condition: A comparison of outputs, metrics or parameters, combined with `&`, `|`, `~`; or
            a boolean output.

    Raises:
        DefinitionError: It is no condition, or this is no pipeline.
    """
    return Gate(require("wf.when"), condition)


def first(*values: V) -> V:
    """Return the first of several outputs whose step was not skipped.

    Raises:
        DefinitionError: Fewer than two outputs, or of different types.
    """
    return cast("V", require("wf.first").first(values))


@overload
def map_step(
    step: Step[..., Fields],
    over: Iterable[object],
    /,
    *more: Never,
    fan_out: str = "processes",
    on_error: Literal["fail", "skip"] = "fail",
    **fixed: object,
) -> Any: ...


@overload
def map_step(
    step: Step[..., R],
    over: Iterable[object],
    /,
    *more: Never,
    fan_out: str = "processes",
    on_error: Literal["fail"] = "fail",
    **fixed: object,
) -> list[R]: ...


@overload
def map_step(
    step: Step[..., R],
    over: Iterable[object],
    /,
    *more: Never,
    fan_out: str = "processes",
    on_error: Literal["skip"],
    **fixed: object,
) -> Mapped[R]: ...


def map_step(
    step: Step[..., Any],
    over: Iterable[object],
    /,
    *more: Never,
    fan_out: str = "processes",
    on_error: str = "fail",
    **fixed: object,
) -> Any:
    """Call a step once for each item of a list made at run time.

    Args:
        step: A step. Its first argument that is not in `fixed` takes the items.
        over: A list output of another step, or a plain list.
        more: Nothing: the step's other arguments go by name.
        fan_out: "processes" (of one job, `cpu` at a time) or "jobs" (where the provider can).
        on_error: "fail": the first item that fails ends the step. "skip": it goes on, and fails
            only where no item has succeeded.
        fixed: The other arguments, the same for each call.

    Returns:
        The results, in the items' order. Where the step returns a `NamedTuple`: one of that class,
        whose fields are lists, each of one output. With `on_error="skip"` a NamedTuple of `results`
        (or the step's own fields), which are of the items that succeeded, and `failures`: of each
        other item its number, the exception's type and message.

    Raises:
        DefinitionError: `over` is no list, an argument does not fit, and so on.
    """
    if not isinstance(step, Step):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise definition_error(f"wf.map takes a step, not {step!r}. Put @wf.step on the function.")
    if more:
        taken = list(step.signature.arguments)[1:]
        example = f"wf.map({step.function.__name__}, items, {taken[0] if taken else 'name'}=...)"
        raise definition_error(
            f"wf.map takes a step and one list, and {len(more) + 2} arguments are given without a "
            f"name. The step's other arguments go by name, the same for each call: {example}"
        )
    trace = current()
    if trace is None:
        free = next(name for name in step.signature.arguments if name not in fixed)
        check_on_error(step.function.__name__, step.signature.outputs, fan_out, on_error)
        if on_error == "skip":
            return mapped_here(step.function, step.signature, fixed, free, over)
        results = [step.function(**{**fixed, free: item}) for item in over]
        named = step.signature.named
        if named is None:
            return results
        return named(
            *([result[at] for result in results] for at in range(len(step.signature.outputs)))
        )
    return trace.map(step, over, fixed, fan_out, on_error)


map_step.__name__ = map_step.__qualname__ = "wf.map"  # as Python's own messages are to name it


class Registration:
    """The call that adds a step which makes a model a new version in MLflow's registry.

    Args:
        step: The step's name; None for "register", numbered.
    """

    def __init__(self, step: str | None = None) -> None:
        self._step = step

    def __call__(
        self,
        model: object,
        *,
        name: str,
        example: object = None,
        metrics: object = None,
        alias: str | None = None,
        **options: Unpack[RegisterOptions],
    ) -> dict[str, Any]:
        """Add a step that makes a model a new version in MLflow's registry.

        Args:
            model: The output that holds the model.
            name: The registered model's name.
            example: Rows of its input, for the signature and the input example.
            metrics: Metrics to write on the version.
            alias: The alias to move to the version, such as "champion"; it never moves back to an
                older run.
            options: `name` is the model's; the step takes `retries`, `timeout`, `cpu`, `memory`
                and the others of `@wf.step`, but is never cached.

        Returns:
            A symbol for `{"name", "version", "uri"}`.

        Raises:
            DefinitionError: Used outside a pipeline, with something that is no model, or with a
                name or an alias that MLflow's registry does not take.
        """
        trace = require("wf.register")
        for key, value in (("name", name), ("alias", alias)):
            check_registry_name(key, unwrapped(value), "wf.register")
        base = Options(name=self._step, retries=2, retry_delay=2)
        settings = make_options(base, {**options, "cache": False})
        arguments: dict[str, tuple[str, object]] = {
            "model": ("model", model),
            "name": ("string", name),
            "example": ("any", example),
            "metrics": ("metrics", metrics),
            "alias": ("string", alias),
        }
        return cast("dict[str, Any]", trace.register(settings, arguments))

    def named(self, name: str) -> Registration:
        """Return the same with a name for its step: `wf.register.named("keep")(model, name="m")`.

        Args:
            name: As of a step: no other step of the pipeline may have it. The model's own name is
                given in the call.

        Raises:
            DefinitionError: It cannot name a step.
        """
        check_name(name, "step")
        return Registration(name)

    def __repr__(self) -> str:
        return "wf.register" if self._step is None else f"wf.register.named({self._step!r})"


Registration.__call__.__qualname__ = "wf.register"  # as Python's own messages are to name it

register = Registration()
