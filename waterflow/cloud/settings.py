"""What the profiles of all managed clouds say alike, and what must hold of it."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - msgspec reads the fields' types
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from msgspec import Struct, field

from waterflow.errors import ConfigurationError, Gathering

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow import spec

_PREFIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*(/[A-Za-z0-9_.\-]+)*")
_PYTHON: Final = re.compile(r"3\.\d+")


class StepSettings(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of one step, in place of the profile's; each cloud derives its own.

    Attributes:
        image: The container image that it runs in.
        python: The image's Python, such as "3.12".
        machine: Its machine type, in place of the cheapest that fits.
    """

    image: str | None = None
    python: str | None = None
    machine: str | None = None

    def check(self, machines: Mapping[str, Any], known: Callable[[str], str]) -> None:
        """Check what all clouds' steps have.

        Args:
            machines: The cloud's machine types.
            known: Returns a sentence that names those most like a name.

        Raises:
            ValueError: Something cannot be.
        """
        check_python(self.python)
        if self.machine is not None and self.machine not in machines:
            raise ValueError(f'machine = "{self.machine}" is not known. {known(self.machine)}')


class CloudSettings(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings of a managed cloud's profile; each cloud derives its own.

    msgspec makes a ConfigurationError with the profile's name of the ValueErrors raised here.

    Attributes:
        prefix: What all keys in the bucket, and the names of all pipelines, begin with.
        image: The container image of all steps without one of their own.
        python: The Python of `image`, such as "3.12"; it must be given with it.
        libraries: "wheelhouse" ships the libraries of a step to its jobs, as they are installed
            here; "image" expects them in the image.
        machines: The machine types that a step may have; empty for all that are known.
        tags: Tags, or labels, of the pipelines and of the jobs.
        parallel: The most steps of a run at a time; None for the cloud's own limit.
        cache_days: Days for which a step's result may stand for it.
        poll: Seconds between two looks at a run's status.
        steps: Settings of single steps, by the step's name, or by `pipeline.step`.
    """

    prefix: str = "waterflow"
    image: str | None = None
    python: str | None = None
    libraries: Literal["wheelhouse", "image"] = "wheelhouse"
    machines: list[str] = field(default_factory=list[str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    parallel: int | None = None
    cache_days: int = 30
    poll: float = 5.0
    steps: Mapping[str, StepSettings] = field(default_factory=dict[str, StepSettings])

    def check(self) -> None:
        """Check what all clouds' profiles have.

        Raises:
            ValueError: Something cannot be.
        """
        check_python(self.python)
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(
                f'prefix = "{self.prefix}" cannot begin keys and names: use letters, digits, - _ . '
                "and single / within"
            )
        if self.image is not None and self.python is None:
            raise ValueError(f'image = "{self.image}" needs its Python beside it: python = "3.12"')
        check_least("cache_days", self.cache_days, 1)
        if self.parallel is not None:
            check_least("parallel", self.parallel, 1)
        if self.poll <= 0:
            raise ValueError(f"poll = {self.poll:g} must be above 0")


S = TypeVar("S", bound=StepSettings)


def of_step(steps: Mapping[str, S], default: S, pipeline: str, step: str) -> S:
    """Return a step's own settings, those under `pipeline.step` first.

    Args:
        steps: The profile's `steps`.
        default: Settings that say nothing.
        pipeline: The pipeline's name.
        step: The step's name.
    """
    return steps.get(f"{pipeline}.{step}") or steps.get(step) or default


def check_steps(settings: CloudSettings, pipeline: spec.Pipeline, profile: str) -> None:
    """Check that all settings of single steps are of steps that there are.

    Args:
        settings: The settings.
        pipeline: The pipeline that is compiled; entries `other.step` of others are not looked at.
        profile: The profile's name.

    Raises:
        ConfigurationError: An entry names no step of the pipeline.
    """
    steps = {step.name for step in pipeline.steps}
    errors = Gathering()
    for name in settings.steps:
        owner, dot, step = name.rpartition(".")
        if (dot and owner != pipeline.name) or (step if dot else name) in steps:
            continue
        shown = ", ".join(sorted(steps)[:10]) or "none"
        errors.add(
            ConfigurationError(
                f"[profiles.{profile}.steps.{name}] names no step of pipeline '{pipeline.name}', "
                f"which has: {shown}. Correct the name, or say whose step it is: "
                f'[profiles.{profile}.steps."PIPELINE.{step}"]'
            )
        )
    errors.check()


def check_python(python: str | None) -> None:
    """Check an image's Python.

    Raises:
        ValueError: It is no version of Python 3.
    """
    if python is not None and not _PYTHON.fullmatch(python):
        raise ValueError(f'python = "{python}" is no Python version, such as "3.12"')


def check_least(name: str, value: int, least: int) -> None:
    """Check a number that has a least value.

    Raises:
        ValueError: It is smaller.
    """
    if value < least:
        raise ValueError(f"{name} = {value} is too small: it is at least {least}")
