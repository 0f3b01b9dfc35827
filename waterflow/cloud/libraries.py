"""The libraries of a step, pinned, and the wheelhouses that bring them to jobs."""

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

_OURS: Final = "waterflow"
_HANDLES: Final = ("model", "estimator")
"""Types that read a model of whichever library."""


@dataclass(frozen=True)
class Libraries:
    """What a step's jobs need.

    Attributes:
        pins: `name==version`, and the step's own requirements, sorted.
        wheels: The digest of its wheelhouse; None where nothing is shipped.
    """

    pins: tuple[str, ...] = ()
    wheels: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shipping:
    """What a cloud's jobs can be brought.

    Attributes:
        provider: The provider's name.
        wheels: Whether jobs bring their libraries as wheels; otherwise the image has them.
        platform: The platform of the wheels, such as "manylinux_2_28_x86_64".
        tracking: The distributions that steps speak to MLflow with.
        secrets: The distributions that a job reads its secrets with.
        builds: Whether the cloud builds an image with the libraries, in place of wheels.
    """

    provider: str
    wheels: bool
    platform: str
    tracking: tuple[str, ...]
    secrets: tuple[str, ...]
    builds: bool = False


class Pinner:
    """Resolves the libraries of steps, and gathers their wheelhouses.

    Args:
        build: The spec, and what its code imports.
        shipping: What jobs can be brought.
    """

    def __init__(self, build: Build, shipping: Shipping) -> None:
        self._build, self._shipping = build, shipping
        self._steps = {step.name: step for step in build.spec.steps}
        # The register step and readers of a handle need what another step imports.
        self._contents = {
            name: digest for one in build.contents.values() for name, digest in one.items()
        }
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
        if own and not (self._shipping.wheels or self._shipping.builds):
            raise UnsupportedFeatureError(
                step.name,
                f"requirements={list(own)} with libraries from the image",
                self._shipping.provider,
                'Put them into the image, or write libraries = "wheelhouse" in the profile.',
            )
        needed = dict(self._build.versions.get(step.name, {})) | self._read(step)
        pins = sorted(
            f"{name}=={version}"
            for name, version in needed.items()
            if name != _OURS and not name.startswith("module ")
        )
        key = (python, *pins, "", *own)
        if key not in self._known:
            self._known[key] = self._libraries([*pins, *sorted(own)], python)
        return self._known[key]

    def _content(self, pins: list[str]) -> str:
        """Return what tells libraries from others of the same versions, as far as it is known."""
        names = {pin: pin.partition("==")[0] for pin in pins}
        known = {pin: self._contents.get(names[pin], self._contents.get(pin)) for pin in pins}
        lines = [f"{pin} {digest}" for pin, digest in known.items() if digest is not None]
        return text_digest("\n".join(lines)) if lines else ""

    def _libraries(self, pins: list[str], python: str) -> Libraries:
        platform = self._shipping.platform
        if not pins or not self._shipping.wheels:
            return Libraries(tuple(pins))
        contents = self._content(pins)
        digest = text_digest("\n".join([platform, python, *pins, contents]))
        self.wheelhouses[digest] = Wheelhouse(
            platform=platform, python=python, requirements=tuple(pins), contents=contents
        )
        return Libraries(tuple(pins), digest)

    def _read(self, step: spec.Step) -> dict[str, str]:
        """Return what reading a step's inputs needs beyond what its own types say.

        An input may be declared as anything, or as any model; what comes is then what its producer
        makes. A register step speaks to MLflow, and loads the model with what it was made with.
        """
        from waterflow.artifacts import by_name

        types: set[str] = set()
        needed: dict[str, str] = {}
        registers = isinstance(step.run, spec.Register)
        speaks = registers or self._build.speaks_to_mlflow(step.name)
        for name, argument in step.inputs.items():
            source = argument.source
            if not isinstance(source, spec.FromStep):
                continue
            produced = self._steps[source.step].outputs[source.output].type
            if argument.type in ("any", *_HANDLES) and source.key is None:
                types.add(produced)
            # Whoever returns a handle does not say whose the model is.
            if (registers and name == "model") or (
                argument.type in _HANDLES and produced == "model"
            ):
                needed |= self._build.versions.get(source.step, {})
        required = {one for kind in types - {"data", "any"} for one in by_name(kind).requires}
        if step.environment.secrets:
            required.update(self._shipping.secrets)
        if speaks or required:
            if speaks:
                required.update(self._shipping.tracking)
            needed |= versions((), tuple(sorted(required)))
        return needed
