"""What a scheduled run is started with: nobody is there to give it parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
