"""The local provider's settings, as a profile writes them."""

from __future__ import annotations

import json
from typing import Literal

from msgspec import Struct, field

from waterflow.errors import DefinitionError
from waterflow.language import resources


class LocalSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of a local profile.

    The shares hold within one run: two runs at once each take what is given here.

    Attributes:
        cpu: CPUs that steps may use together; default: all of this machine.
        memory: Memory that steps may use together, such as "16GiB"; default: all of this machine.
        gpu: "require" refuses a step that asks for accelerators; "ignore" runs it without.
        instances: "require" refuses a step that asks for several machines; "single" runs it on one.
        images: Container image -> folder whose programs stand for it (`""`: this machine's own).
        start: How a step's process starts: "fork" from a warm server, "spawn" anew, or "auto".
        grace: Seconds that a step has to end by itself when it is stopped.
        send: When MLflow gets a run: "now", beside its steps, or "later", by `waterflow sync`.
        warm: How long the project's helper, which keeps libraries imported, outlives the last run,
            such as "10m"; 0 for no helper.
    """

    cpu: float | None = None
    memory: str | None = None
    gpu: Literal["require", "ignore"] = "require"
    instances: Literal["require", "single"] = "require"
    images: dict[str, str] = field(default_factory=dict[str, str])
    start: Literal["auto", "fork", "spawn"] = "auto"
    grace: float = 10.0
    send: Literal["now", "later"] = "now"
    warm: str | float = "10m"

    def __post_init__(self) -> None:
        # msgspec makes a ConfigurationError with the profile's name of what is raised here.
        if self.cpu is not None and not 0 < self.cpu < float("inf"):
            raise ValueError(f"cpu = {self.cpu:g} is not a positive number of CPUs")
        if self.memory is not None:
            try:
                resources.parse_size(self.memory, "memory")
            except DefinitionError:
                raise ValueError(
                    f'memory = "{self.memory}" is not a size above 0, such as "16GiB"'
                ) from None
        try:
            _ = self.warm_seconds
        except DefinitionError:
            raise ValueError(
                f'warm = {json.dumps(self.warm)} is no duration, such as "10m"; 0 for no helper'
            ) from None
        if not 0 <= self.grace < float("inf"):
            raise ValueError(f"grace = {self.grace:g} is not a number of seconds from 0 up")

    @property
    def warm_seconds(self) -> float:
        """How long the helper outlives the last run, in seconds; 0 for none."""
        return 0.0 if self.warm in (0, "0") else resources.parse_duration(self.warm, "warm")
