"""Pipeline definitions as CreatePipeline takes them, or refuses them."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

from waterflow_sagemaker.definition.document import STEP_TYPES
from waterflow_sagemaker.definition.rules import read
from waterflow_sagemaker.emulator.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow.emulation.errors import ServiceError
    from waterflow_sagemaker.definition.document import Definition

RUN: Final = frozenset(
    {"Processing", "Training", "Condition", "Fail", "Model", "RegisterModel", "Callback"}
)
"""The types of steps that the emulator runs."""

_SHOWN: Final = {"DisplayName": "StepDisplayName", "Description": "StepDescription"}


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Definition:
    """Read a definition; what was read once is remembered.

    Args:
        text: The JSON document.

    Raises:
        ServiceError: ValidationException, with all that is wrong in it.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _refusal([f"it is no JSON: {error}"]) from None
    definition = read(document)
    known = ", ".join(sorted(RUN))
    others = [
        f"{step.label} is of type {step.type}, which Waterflow's emulator does not run (it runs "
        f"{known})"
        for step in definition.placed
        if step.type in STEP_TYPES and step.type not in RUN
    ]
    if definition.violations or others:
        raise _refusal([*definition.violations, *others])
    return definition


def labels(text: str) -> dict[str, dict[str, Any]]:
    """Return the display name and description of each step of a definition that was taken."""
    return {
        name: {
            shown: step.source[member]
            for member, shown in _SHOWN.items()
            if step.source.get(member)
        }
        for name, step in parse(text).steps.items()
    }


def _refusal(violations: Iterable[str]) -> ServiceError:
    return invalid(
        "Unable to parse pipeline definition. Model Validation failed: " + "; ".join(violations),
    )
