"""What a provider can do, as data, and what of a pipeline it cannot honour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.quantities import show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a provider can do, as data: the core asks these, never for a provider's name.

    Attributes:
        containers: Steps in any image.
        images: Images that it knows although it cannot run any image.
        map_jobs: A run-time map with a job an item.
        gpu: Accelerators.
        instances: The most machines for one step.
        spot: Interruptible machines, or machines that are never interrupted.
        disk: The most bytes of scratch space for a step; None for no limit known beforehand.
        parameter_length: The most characters of a parameter's JSON text; None for no limit.
        timeouts: A limit on an attempt's time.
        secrets: A store of secrets.
        requirements: Requirements of a step's own.
        inline: Running all steps in the caller's process, for a debugger.
        resume: Going on from a failed run.
        keep_going: What needs nothing of a failed step still starts after it.
        content_cache: A step whose inputs are equal to an earlier one's is answered by the cache,
            also where they were made anew; otherwise only where they are the very same artifacts.
        tracks_later: No process stays beside a run: whoever waits for it sends its tracking.
        hints: For a feature it lacks, what to do instead.
    """

    containers: bool = False
    images: frozenset[str] = frozenset()
    map_jobs: bool = False
    gpu: bool = False
    instances: int = 1
    spot: bool = False
    disk: int | None = None
    parameter_length: int | None = None
    timeouts: bool = False
    secrets: bool = False
    requirements: bool = False
    inline: bool = False
    resume: bool = False
    keep_going: bool = False
    content_cache: bool = True
    tracks_later: bool = False
    hints: Mapping[str, str] = field(default_factory=dict[str, str])


def check_capabilities(pipeline: spec.Pipeline, provider: str, can: Capabilities) -> None:
    """Refuse what a provider cannot honour.

    Args:
        pipeline: The spec.
        provider: The provider's name.
        can: What it can do.

    Raises:
        UnsupportedFeatureError: A setting that it cannot honour, with the alternative.
    """
    for error in unsupported(pipeline, provider, can):
        raise error


def unsupported(
    pipeline: spec.Pipeline, provider: str, can: Capabilities
) -> Iterator[UnsupportedFeatureError]:
    """Yield all that a provider cannot honour; arguments as for `check_capabilities`."""
    for step in pipeline.steps:
        for feature, there, alternative in _requests(step, can):
            if not there:
                yield UnsupportedFeatureError(step.name, feature, provider, alternative)


def without_unsupported(
    pipeline: spec.Pipeline, errors: Iterable[UnsupportedFeatureError]
) -> spec.Pipeline:
    """Return a pipeline without what a provider cannot honour, so that the rest can be checked.

    Args:
        pipeline: The spec.
        errors: What `unsupported` has told of it.
    """
    import msgspec

    plain = spec.Environment()
    refused = {error.step for error in errors}
    steps = tuple(
        msgspec.structs.replace(step, resources=spec.Resources(), timeout=None, environment=plain)
        if step.name in refused
        else step
        for step in pipeline.steps
    )
    return msgspec.structs.replace(pipeline, steps=steps)


def _requests(step: spec.Step, can: Capabilities) -> Iterable[tuple[str, bool, str]]:
    """Yield (the setting as written, whether it is there, what to do instead)."""
    run, wants = step.run, step.resources
    if isinstance(run, spec.Container):
        known = can.containers or run.image in can.images
        yield (f"image={run.image!r} (a container step)", known,
               can.hints.get("containers", "Write the step as a Python function."))  # fmt: skip
    elif step.environment.image is not None:
        image = step.environment.image
        yield (f"image={image!r}", can.containers or image in can.images,
               can.hints.get("containers", "Leave `image` out, or use `requirements`."),
        )  # fmt: skip
    if isinstance(run, spec.Function) and run.over is not None:
        yield ('fan_out="jobs"', run.fan_out == "processes" or can.map_jobs,
               'Use fan_out="processes": the items run inside one job.')  # fmt: skip
    if wants.gpu is not None:
        yield (f"gpu={wants.gpu.count}", can.gpu,
               can.hints.get("gpu", "Choose a provider with accelerators."))  # fmt: skip
    if wants.instances > 1:
        yield (f"instances={wants.instances}", wants.instances <= can.instances,
               can.hints.get("instances", f"It runs at most {can.instances} for a step."),
        )  # fmt: skip
    if wants.disk is not None and can.disk is not None:
        yield (f"disk={wants.disk}", wants.disk <= can.disk,
               can.hints.get("disk", f"It has {show_size(can.disk)}."))  # fmt: skip
    if wants.spot:
        yield "spot=True", can.spot, can.hints.get("spot", "Leave `spot` out.")
    if step.timeout is not None:
        yield f"timeout={step.timeout:g}s", can.timeouts, "Leave `timeout` out."
    if step.environment.secrets:
        yield "secrets", can.secrets, "Read the secret from the provider's own store."
    if step.environment.requirements:
        yield "requirements", can.requirements, "Add them to the profile's image."
