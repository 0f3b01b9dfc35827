"""What `wf.map` gives where items may fail: the results of the others, and the failures as data."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from waterflow.language.values import definition_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from waterflow.language.signature import Signature

R = TypeVar("R")

SKIP: Final = "skip"
RESULTS: Final = "results"
FAILURES: Final = "failures"
"""The outputs of a map that leaves out what fails: its step's one result, and the failures."""


class Mapped(NamedTuple, Generic[R]):
    """What `wf.map(..., on_error="skip")` gives.

    Attributes:
        results: What the step returned for the other items, in their order.
        failures: The items for which it failed, in their order: of each its number in the list from
            0 (`item`), the exception's type and message (`type`, `message`).
    """

    results: list[R]
    failures: list[dict[str, Any]]


def skipping(signature: Signature) -> Signature:
    """Return the interface of a function called for many items of which some may fail."""
    listed = signature.listed()
    names = {name: RESULTS if signature.named is None else name for name in listed.outputs}
    kinds = {names[name]: kind for name, kind in listed.outputs.items()}
    annotations = {names[name]: kind for name, kind in listed.annotations.items()}
    return dataclasses.replace(
        listed,
        outputs={**kinds, FAILURES: "json"},
        annotations={**annotations, FAILURES: list[dict[str, Any]]},
        named=_class(signature.named),
    )


@functools.cache
def _class(named: type[tuple[Any, ...]] | None) -> type[tuple[Any, ...]]:
    """Return the class of what the user gets: the step's own fields, and the failures."""
    if named is None:
        return Mapped
    fields: tuple[str, ...] = getattr(named, "_fields", ())
    make: Any = NamedTuple
    return make(named.__name__, [(field, Any) for field in (*fields, FAILURES)])


def check_on_error(name: str, outputs: Collection[str], fan_out: str, on_error: str) -> None:
    """Refuse what a map cannot do about items that fail.

    Args:
        name: The step's name.
        outputs: The names of its outputs.
        fan_out: Where the items run.
        on_error: "fail" or "skip".

    Raises:
        DefinitionError: `on_error` is neither; the step returns nothing, or has an output of the
            name itself; or the items have jobs of their own.
    """
    if on_error not in ("fail", "skip"):
        raise definition_error(f'on_error={on_error!r} is neither "fail" nor "skip".')
    if on_error == "fail":
        return
    if fan_out == "jobs":
        raise definition_error(
            f'wf.map over step "{name}": on_error="skip" keeps what succeeded within one job. With '
            'fan_out="jobs" one failed job fails the step: use fan_out="processes", or catch the '
            "error in the step and return it."
        )
    if not outputs or FAILURES in outputs:
        why = f"has an output '{FAILURES}' already" if outputs else "returns nothing to keep"
        raise definition_error(f'wf.map over step "{name}", on_error="skip": the step {why}.')


def mapped_here(
    function: Callable[..., Any],
    signature: Signature,
    fixed: Mapping[str, object],
    over: str,
    items: Iterable[object],
) -> Any:
    """Return what a map outside a pipeline gives, whose items may fail.

    Args:
        function: The step's function.
        signature: Its interface.
        fixed: The arguments that stay the same.
        over: The argument that takes an item.
        items: The items.

    Raises:
        Exception: What the step raised for the first item, where none has succeeded.
    """
    results: list[Any] = []
    failures: list[dict[str, Any]] = []
    first: Exception | None = None
    for number, item in enumerate(items):
        try:
            results.append(function(**{**fixed, over: item}))
        except Exception as error:  # noqa: BLE001 - whatever the step raises
            first = first or error
            failures.append({"item": number, "type": type(error).__name__, "message": str(error)})
    if first is not None and not results:
        raise first
    if signature.named is None:
        return Mapped(results, failures)
    columns = ([result[at] for result in results] for at in range(len(signature.outputs)))
    whole: Any = _class(signature.named)
    return whole(*columns, failures)
