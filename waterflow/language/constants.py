"""Plain values in a definition: which may stand in a spec, and why others may not."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from waterflow.language.signature import HANDLES, Argument, show
from waterflow.language.types import Secret, as_items
from waterflow.language.values import definition_error

if TYPE_CHECKING:
    from collections.abc import Iterator


def constant(what: str, argument: Argument, value: object) -> Any:
    """Return a plain value for the spec, or say why it cannot stand there.

    Args:
        what: "Step 'x', argument 'y'", for messages.
        argument: What it is for.
        value: The value.

    Raises:
        DefinitionError: It is no plain data, or not what the argument takes.
    """
    from waterflow.artifacts import infer, is_plain
    from waterflow.artifacts.plain import as_constant, misfit
    from waterflow.artifacts.registry import takes

    if isinstance(value, Secret):
        raise definition_error(
            f"{what}: a secret never travels in a pipeline. Use @wf.step(secrets={{...}}), or "
            f"wf.secret({value.name!r}).value() inside the step."
        )
    fields: object = value
    if is_dataclass(value) and not isinstance(value, type):
        fields = asdict(value)
        if argument.annotation is Any:  # a container's: it is shown as text
            value = fields
    reason = None if isinstance(value, HANDLES) else unfit(fields)
    if isinstance(value, HANDLES) or reason is not None:
        raise definition_error(
            f"{what}: {value!r:.80} is no plain data{f' ({reason})' if reason else ''}. What a "
            "pipeline does not make enters through `wf.Data`; anything else is made in a step."
        )
    plain = argument.type == "any" or is_plain(argument.type)
    if not plain or not takes(argument.type, value):
        type_ = infer(value)
        if type_ == "json":
            type_ = "dict" if isinstance(value, dict) else "list"
        raise definition_error(f"{what} takes {argument.type}, but gets {value!r:.80} ({type_}).")
    if argument.choices and value not in argument.choices:
        raise definition_error(
            f"{what} is {value!r}; it may be {', '.join(map(repr, argument.choices))}."
        )
    why = misfit(value, argument.annotation)
    if why is not None:
        raise definition_error(f"{what} takes {show(argument.annotation)}: {why}.")
    # What a container is given is shown as text, and has no use for tags.
    return as_constant(value, ordered=argument.annotation is not Any)


def unfit(value: object) -> str | None:
    """Return why JSON cannot hold a value exactly, or None when it can."""
    if value is None or isinstance(value, (bool, str)):
        return None
    if isinstance(value, int):
        return None if abs(value) < 2**63 else "an integer beyond 64 bits"
    if isinstance(value, float):
        finite = value == value and abs(value) != float("inf")
        return None if finite else "not a finite number"
    items = as_items(value)
    if items is not None:
        return next(_reasons(items), None)
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value)
        if any(not isinstance(key, str) for key in entries):
            return "a dict whose keys are not all text"
        return next(_reasons(entries.values()), None)
    return f"a {type(value).__name__}"


def _reasons(values: Any) -> Iterator[str]:
    return (reason for reason in map(unfit, values) if reason)
