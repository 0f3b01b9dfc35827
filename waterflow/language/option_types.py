"""What an editor knows of a step's options, for each place where some may be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from waterflow.language.types import Secret


class CommonOptions(TypedDict, total=False):
    """What every kind of step may ask for; units and meaning as for `@wf.step`."""

    cpu: float
    memory: int | str | None
    gpu: int | str | None
    disk: int | str | None
    spot: bool
    instances: int
    retries: int
    retry_delay: float | str
    backoff: float
    timeout: float | str | None
    requirements: Sequence[str]
    env: Mapping[str, str] | None
    secrets: Mapping[str, Secret] | None
    include: Sequence[str]
    after: Sequence[object]


class ContainerOptions(CommonOptions, total=False):
    """What `wf.container` takes beside what makes it a step."""

    cache: bool | None
    metrics: Mapping[str, str] | None


class RegisterOptions(CommonOptions, total=False):
    """What `wf.register` takes beside what it registers; it is never cached."""

    image: str | None


class StepOptions(ContainerOptions, RegisterOptions, total=False):
    """What `.options()` of a step takes: all that `@wf.step` does, and `after`."""

    name: str | None
