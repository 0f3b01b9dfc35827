"""The settings of a profile of the toy cloud."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads the fields' types

from msgspec import field

from waterflow.cloud.machines import known
from waterflow.cloud.settings import CloudSettings, StepSettings
from waterflow_toycloud.machines import table


class ToyStepSettings(StepSettings, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's."""

    def __post_init__(self) -> None:
        self.check(table().machines, lambda name: known(table().machines, name))


class ToySettings(CloudSettings, frozen=True, kw_only=True):
    """Settings of a profile.

    Attributes:
        bucket: The bucket for code, data and results.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    bucket: str
    steps: Mapping[str, ToyStepSettings] = field(default_factory=dict[str, ToyStepSettings])

    def __post_init__(self) -> None:
        self.check()
