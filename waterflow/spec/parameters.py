"""The values of a run's parameters: whole, short enough, and as the text in which they travel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.errors import DefinitionError, Gathering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.spec import document as spec


def resolve(spec_: spec.Pipeline, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every parameter of a run: given ones, otherwise defaults.

    Raises:
        DefinitionError: A required one is not given.
    """
    missing = [n for n, p in spec_.parameters.items() if p.required and n not in values]
    if missing:
        raise DefinitionError(
            f"Pipeline '{spec_.name}' needs a value for {', '.join(missing)}. "
            f"Give it: -p {missing[0]}=VALUE"
        )
    return {name: values.get(name, p.default) for name, p in spec_.parameters.items()}


def check_length(pipeline: str, values: Mapping[str, Any], limit: int | None, owner: str) -> None:
    """Refuse parameters that a provider could not carry.

    Args:
        pipeline: The pipeline's name, for messages.
        values: Every parameter's value.
        limit: The most characters of a value's JSON text; None for no limit.
        owner: The provider's name.

    Raises:
        DefinitionError: A value is longer.
    """
    errors = Gathering()
    for name, value in values.items():
        length = len(to_text(value))
        if limit is not None and length > limit:
            errors.add(
                DefinitionError(
                    f"Pipeline '{pipeline}', parameter '{name}' has {length:,} characters; "
                    f"provider '{owner}' carries {limit:,}. Put it into a file and take it as "
                    "wf.Data."
                )
            )
    errors.check()


def to_text(value: Any) -> str:
    """Return a parameter's value as the JSON text in which it travels.

    Floats round-trip, and the entries of a dict keep their order.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
