"""The libraries of a step, pinned, and the wheelhouse that brings them to a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow import spec
from waterflow.cloud.document import Wheelhouse
from waterflow.data.fingerprints import text_digest
from waterflow.errors import UnsupportedFeatureError
from waterflow.packing.libraries import versions

if TYPE_CHECKING:
    from waterflow.provider import Build
    from waterflow_sagemaker.profile import SageMakerSettings

PLATFORM: Final = "manylinux_2_28_x86_64"
"""What AWS's images can load: the oldest of them, Ubuntu 20.04, has glibc 2.31."""
_OURS: Final = "waterflow"


@dataclass(frozen=True)
class Libraries:
    """What a step's jobs need.

    Attributes:
        pins: `name==version`, and the step's own requirements, sorted.
        wheels: The digest of its wheelhouse; None where nothing is shipped.
    """

    pins: tuple[str, ...] = ()
    wheels: str | None = None


class Pinner:
    """Finds the libraries of steps, and gathers their wheelhouses.

    Args:
        build: The spec and what was found about its code.
        settings: The profile's settings.
        tracking: The distributions that a register step speaks to MLflow with.
    """

    def __init__(
        self, build: Build, settings: SageMakerSettings, tracking: tuple[str, ...] = ("mlflow",)
    ) -> None:
        self._build, self._settings, self._tracking = build, settings, tracking
        self._steps = {step.name: step for step in build.spec.steps}
        self._known: dict[tuple[str, ...], Libraries] = {}
        self.wheelhouses: dict[str, Wheelhouse] = {}

    def of(self, step: spec.Step, python: str) -> Libraries:
        """Return a step's libraries.

        Args:
            step: The step.
            python: The Python that it runs on.

        Raises:
            UnsupportedFeatureError: It has requirements of its own, and nothing brings them.
        """
        own = step.environment.requirements
        shipped = self._settings.libraries == "wheelhouse"
        if own and not shipped:
            raise UnsupportedFeatureError(
                step.name,
                f"requirements={list(own)} with libraries from the image",
                "sagemaker",
                'Put them into the image, or write libraries = "wheelhouse" in the profile.',
            )
        found = dict(self._build.versions.get(step.name, {}))
        found |= self._read(step)
        pins = sorted(
            f"{name}=={version}"
            for name, version in found.items()
            if name != _OURS and not name.startswith("module ")
        )
        key = (python, *pins, "", *own)
        if key not in self._known:
            self._known[key] = self._libraries([*pins, *sorted(own)], python, shipped)
        return self._known[key]

    def _libraries(self, pins: list[str], python: str, shipped: bool) -> Libraries:
        if not pins or not shipped:
            return Libraries(tuple(pins))
        digest = text_digest("\n".join([PLATFORM, python, *pins]))
        self.wheelhouses[digest] = Wheelhouse(
            platform=PLATFORM, python=python, requirements=tuple(pins)
        )
        return Libraries(tuple(pins), digest)

    def _read(self, step: spec.Step) -> dict[str, str]:
        """Return what reading a step's inputs needs beyond what its own types say.

        An input may be declared as anything; what comes is then what its producer makes. A
        register step speaks to MLflow, and loads the model with what it was made with.
        """
        from waterflow.artifacts import by_name

        types: set[str] = set()
        found: dict[str, str] = {}
        registers = isinstance(step.run, spec.Register)
        for name, given in step.inputs.items():
            source = given.source
            if not isinstance(source, spec.FromStep):
                continue
            if given.type == "any" and source.key is None:
                types.add(self._steps[source.step].outputs[source.output].type)
            if registers and name == "model":
                found |= self._build.versions.get(source.step, {})
        required = {one for kind in types - {"data", "any"} for one in by_name(kind).requires}
        if step.environment.secrets:
            required.add("boto3")  # which reads them
        if registers or required:
            if registers:
                required.update(self._tracking)
            found |= versions((), tuple(sorted(required)))
        return found
