"""What profiles name, told to the process of an emulator, which makes it when it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow.project.profile import Profile

Wish = dict[str, Any]
"""What one profile names."""


def wishes_option(
    profiles: Iterable[Profile], named_things: Callable[[Profile], Wish]
) -> tuple[str, list[str]]:
    """Return what profiles name as the option of the process, and a line for each that is unclear.

    Args:
        profiles: Profiles of the emulator's provider.
        named_things: Returns what a profile names; raises ConfigurationError where its settings
            cannot be read.
    """
    wishes: dict[str, Wish] = {}
    lines: list[str] = []
    for profile in profiles:
        try:
            wishes[profile.name] = named_things(profile)
        except ConfigurationError as error:
            lines.append(f"Nothing is made for profile '{profile.name}': {error}")
    return json.dumps(wishes), lines
