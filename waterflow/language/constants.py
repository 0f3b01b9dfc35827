"""Plain values in a definition: which may stand in a spec, and why others may not."""

from __future__ import annotations

import enum
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from waterflow.artifacts.tagged.names import OWN
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
    from waterflow.artifacts.annotations import classes
    from waterflow.artifacts.plain import as_constant, as_fitting, as_text_constant, misfit
    from waterflow.artifacts.registry import takes

    if isinstance(value, Secret):
        raise definition_error(
            f"{what}: a secret never travels in a pipeline. Use @wf.step(secrets={{...}}), or "
            f"wf.secret({value.name!r}).value() inside the step."
        )
    parts: object = value
    if is_dataclass(value) and not isinstance(value, type):
        parts = asdict(value)
        if argument.program:  # it is shown as text
            value = parts
    reason = None if isinstance(value, HANDLES) else unfit(parts)
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
    if argument.program:
        return as_text_constant(value)
    content = as_constant(value, argument.annotation)
    if _is_tagged(content):
        # A dict is made of it where the annotation says so.
        value = as_fitting(value, argument.annotation)
        content = as_constant(value, argument.annotation)
        known = {*classes(argument.annotation)}
        foreign = next((kind for kind in _classes(value) if kind not in known), None)
        if foreign is not None:
            raise definition_error(
                f"{what} takes {show(argument.annotation)}, and gets a {foreign.__qualname__} in "
                f"{value!r:.80}. Annotate the argument with {foreign.__qualname__}: its code then "
                "travels with the step. Or give its parts."
            )
    return content


def _is_tagged(content: Any) -> bool:
    if isinstance(content, list):
        return any(map(_is_tagged, cast("list[Any]", content)))
    if not isinstance(content, dict):
        return False
    entries = cast("dict[str, Any]", content)
    return not entries.keys().isdisjoint(OWN) or any(map(_is_tagged, entries.values()))


def _classes(value: Any) -> Iterator[type]:
    """Yield the user's own classes of which a value has instances."""
    from waterflow.artifacts.annotations import is_record

    kind: type = type(value)
    if isinstance(kind, enum.EnumMeta) or is_record(kind):
        yield kind
    if is_dataclass(kind):
        parts: list[Any] = [getattr(value, one.name, None) for one in fields(value)]
    elif isinstance(value, dict):
        parts = list(cast("dict[Any, Any]", value).values())
    else:
        parts = as_items(value) or []
    for part in parts:
        yield from _classes(part)


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
