"""What a scheduled run is started with: nobody is there to give it parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from waterflow.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec


def scheduled_values(pipeline: spec.Pipeline, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter's value for runs that nobody gives any.

    Args:
        pipeline: The pipeline.
        parameters: The values that the schedule was applied with, in place of defaults.

    Raises:
        DefinitionError: One has neither a value nor a default.
    """
    declared = {name: one for name, one in pipeline.parameters.items() if not one.static}
    missing = [name for name, one in declared.items() if one.required and name not in parameters]
    if missing:
        names = ", ".join(missing)
        options = " ".join(f"-p {name}=VALUE" for name in missing)
        raise DefinitionError(
            f"Pipeline '{pipeline.name}': a scheduled run has nobody to give {names}. Give a "
            f"default in the pipeline, or a value here: waterflow schedule apply TARGET {options}"
        )
    return {name: parameters.get(name, one.default) for name, one in declared.items()}


def same_schedule(kept: Any, wish: Any) -> bool:
    """Return whether a cloud has all that a schedule says; what others set beside it stays.

    Args:
        kept: The schedule, or a part of it, as the cloud has it.
        wish: What it is to be.
    """
    if not wish:
        return not kept  # a cloud may leave out what is empty
    if isinstance(wish, dict):
        members = cast("Mapping[str, Any]", kept if isinstance(kept, dict) else {})
        pairs = cast("Mapping[str, Any]", wish).items()
        return all(same_schedule(members.get(key), value) for key, value in pairs)
    return kept == wish
