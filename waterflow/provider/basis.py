"""What a run was made from: its code, libraries, data and parameters, kept to be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider.build import Build


class StepBasis(Struct, frozen=True, kw_only=True):
    """What one step was made from.

    Attributes:
        code: What caches know its code by; None for a container step.
        parts: What the code is made of: "train() in steps.py" -> a digest.
        libraries: Library -> its version, and what is installed under it.
    """

    code: str | None = None
    parts: dict[str, str] = {}
    libraries: dict[str, str] = {}


class RunBasis(Struct, frozen=True, kw_only=True):
    """What a run was made from.

    Attributes:
        profile: The profile's name.
        steps: Step name -> what it was made from.
        data: URI of outside data -> its digest or version, or "unpinned".
        parameters: Parameter -> JSON value; None where they are not known.
    """

    profile: str
    steps: dict[str, StepBasis] = {}
    data: dict[str, str] = {}
    parameters: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, build: Build, profile: str, parameters: Mapping[str, Any] | None = None
    ) -> RunBasis:
        """Return what a run of a build is made from.

        Args:
            build: The build.
            profile: The profile's name.
            parameters: The run's parameters, where they are known.
        """
        return cls(
            profile=profile,
            steps={
                step.name: StepBasis(
                    code=build.code(step.name),
                    parts=build.codes[step.name].parts if step.name in build.codes else {},
                    libraries=build.libraries(step.name),
                )
                for step in build.spec.steps
            },
            data={
                uri: pinned.sha256 or pinned.version or "unpinned"
                for uri, pinned in build.data.items()
            },
            parameters=None if parameters is None else dict(parameters),
        )
