"""What profiles name is there when the emulator has started: workspaces, with all around them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator.routes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from waterflow.project.profile import Profile
    from waterflow_azureml.emulator.world import World

DEFAULT: Final = Scope("00000000-0000-4000-8000-000000000000", "waterflow", "waterflow")
"""Where the workspace is that is there for whoever names none."""


def option(profiles: Sequence[Profile]) -> tuple[str, list[str]]:
    """Return what profiles name, and a line for each that cannot be read.

    Args:
        profiles: Profiles of this provider.
    """
    del profiles
    return "{}", []


def prepare(world: World, wishes: str) -> Iterator[str]:
    """Make what profiles name, and yield a line for each thing made.

    Args:
        world: The cloud.
        wishes: What `option` returned.
    """
    held: dict[str, dict[str, Any]] = json.loads(wishes)
    if world.workspaces.get(DEFAULT) is None:
        world.workspaces.create(DEFAULT)
        yield f"workspace {DEFAULT.workspace} ({DEFAULT.group} in {DEFAULT.subscription})"
    for _name, _wish in held.items():
        pass
