"""What all steps of one compilation share, whichever cloud it is for: addresses, values, images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from waterflow import spec
from waterflow.artifacts.plain import as_constant
from waterflow.cloud.job_tracking import JobTracking
from waterflow.cloud.naming import value_keys
from waterflow.data.fingerprints import text_digest
from waterflow.data.stores import scheme_of
from waterflow.errors import ConfigurationError
from waterflow.spec.job import step_document
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands, sources, value_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.cloud.document import Encoding
    from waterflow.cloud.libraries import Libraries
    from waterflow.cloud.settings import CloudSettings, StepSettings
    from waterflow.data import Pinned
    from waterflow.provider import Build

EXECUTION: Final = {"variable": "WATERFLOW_EXECUTION"}
"""Where a job finds which run it is of."""
NONE: Final = "none/none"
"""The key of what an optional data parameter points to that has no value."""


class Planning:
    """One compilation; each cloud derives its own, which adds what its jobs are made of.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        base: The address that all keys of the profile are below, such as "s3://bucket/prefix".
        schemes: Schemes of addresses in the cloud's own object store. Data under the first is read
            where it is, if it is not pinned.
        entry_name: Gives the name of the file or folder that an address of data names.
        longest_image: Characters of an image's name.
        mlflow: What its jobs are told of MLflow.
        encodings: How each parameter that is native travels.
    """

    def __init__(
        self,
        build: Build,
        settings: CloudSettings,
        *,
        base: str,
        schemes: tuple[str, ...],
        entry_name: Callable[[str], str],
        longest_image: int,
        mlflow: JobTracking | None = None,
        encodings: Mapping[str, Encoding] | None = None,
    ) -> None:
        self.build = build
        self.pipeline = build.spec
        self.steps = {step.name: step for step in build.spec.steps}
        self._shared, self._base, self._schemes = settings, base, schemes
        self._entry_name, self._longest_image = entry_name, longest_image
        self.mlflow, self.encodings = mlflow or JobTracking(), encodings or {}
        self._reading: dict[str, list[spec.Gate]] = {}
        values: dict[str, set[str]] = {}
        for gate in build.spec.gates:
            for operand in operands(gate.condition):
                if isinstance(operand, spec.FromStep):
                    values.setdefault(operand.step, set()).add(value_name(operand))
                    gates = self._reading.setdefault(operand.step, [])
                    if gate not in gates[-1:]:
                        gates.append(gate)
        self._keys = {
            step: value_keys(names, self.steps[step].metrics or ())
            for step, names in values.items()
        }
        self._images: set[str] = set()
        self._lengths: dict[str, int] = {}

    # --- parameters and values ------------------------------------------------------------------

    def default_length(self, parameter: str) -> int:
        """Return the characters of a parameter's default as JSON text; 0 without one."""
        if parameter not in self._lengths:
            declared = self.pipeline.parameters[parameter]
            self._lengths[parameter] = 0 if declared.required else len(to_text(declared.default))
        return self._lengths[parameter]

    def keys(self, step: str) -> dict[str, str]:
        """Return the values of a step that conditions read, and their keys."""
        return self._keys.get(step, {})

    def is_raw(self, source: spec.FromStep) -> bool:
        """Say whether a program has written an output, which then has no manifest."""
        return self.steps[source.step].outputs[source.output].raw

    def part(self, step: spec.Step) -> spec.Pipeline:
        """Return the part of the pipeline that a step's STEP.json tells of.

        Looking through the whole of it for each step would take quadratic time.
        """
        before: dict[str, spec.Step] = {}
        for argument in step.inputs.values():
            for source in sources(argument.source):
                if isinstance(source, spec.FromStep):
                    before[source.step] = self.steps[source.step]
        return spec.Pipeline(
            name=self.pipeline.name,
            parameters=self.pipeline.parameters,
            steps=tuple(before.values()),
            gates=tuple(self._reading.get(step.name, ())),
            trusted_types=self.pipeline.trusted_types,
        )

    def without_static(self, step: spec.Step) -> spec.Step:
        """Return a step to which static parameters are constants: no run can change them."""
        parameters = self.pipeline.parameters

        def fixed(source: Any) -> Any:
            if isinstance(source, spec.FromParameter) and parameters[source.name].static:
                parameter = parameters[source.name]
                if parameter.type == "data" and parameter.default is not None:
                    return spec.FromData(parameter.default)
                return spec.FromValue(as_constant(parameter.default, Any))
            if isinstance(source, spec.FromList):
                return spec.FromList(tuple(fixed(item) for item in source.items))
            return source

        if not any(parameter.static for parameter in parameters.values()):
            return step
        inputs = {
            name: msgspec.structs.replace(argument, source=fixed(argument.source))
            for name, argument in step.inputs.items()
        }
        return msgspec.structs.replace(step, inputs=inputs)

    def behind(self, gate: str) -> str:
        """Return a step that stands behind a gate, for messages."""
        steps = self.pipeline.steps
        return next((s.name for s in steps if s.branch and s.branch.gate == gate), gate)

    # --- what a job is given --------------------------------------------------------------------

    def launch(
        self,
        step: spec.Step,
        python: str | None,
        libraries: Libraries,
        inputs: Mapping[str, Mapping[str, Any]],
        mounts: Mapping[str, str],
    ) -> dict[str, Any]:
        """Return what the launch.json of every cloud says of a step, besides its version.

        Args:
            step: The step.
            python: The Python that its image has.
            libraries: What is installed in its jobs.
            inputs: Input -> how the launcher finds it.
            mounts: Producer -> the mount that holds its outputs.
        """
        return {
            "python": python,
            "inputs": inputs,
            "mounts": mounts,
            "outputs": sorted(step.outputs),
            "values": self.keys(step.name),
            "checkpoint": step.resources.spot,
            "wheels": libraries.wheels is not None,
            "pins": list(libraries.pins),
            "instances": step.resources.instances,
        }

    def step_document(self, step: spec.Step) -> dict[str, Any]:
        """Return a step's STEP.json, for a job that finds its run in its environment."""
        secrets = {"resolver": "waterflow_secrets:read"} if step.environment.secrets else None
        return step_document(
            self.part(step), step, execution=EXECUTION, frames=True, secrets_from=secrets
        )

    # --- addresses ------------------------------------------------------------------------------

    def uri(self, key: str) -> str:
        """Return the address of a key below the profile's prefix."""
        return f"{self._base}/{key}"

    @property
    def none(self) -> str:
        """What an optional data parameter points to when there is none."""
        return self.uri(NONE)

    def data(self, uri: str) -> str:
        """Return where outside data lies for the jobs.

        What is pinned is kept under a digest of what it is, so that a run reads what was pinned
        and the cloud's cache sees a change. What is not pinned is read where it is if it is in the
        cloud's own store.
        """
        copy = self.copy_of(uri)
        return uri if copy is None else self.uri(copy)

    def copy_of(self, uri: str) -> str | None:
        """Return the key of the copy of outside data; None for what is read where it is."""
        pinned = self.build.data[uri]
        version = pinned.sha256 or pinned.version
        if version is None:
            if uri.startswith(f"{self._schemes[0]}://"):
                return None
            return f"data/unpinned-{text_digest(uri)}"
        # Tags of a store and digests tell content; what a web server says tells it of one address.
        tells = scheme_of(uri) in self._schemes or pinned.sha256 or version.startswith("md5:")
        return f"data/{text_digest(f'{self._entry_name(uri) if tells else uri} {version}')}"

    def is_pinned(self, step: spec.Step) -> bool:
        """Say whether all outside data that a step reads is known by its content."""
        for argument in step.inputs.values():
            source = argument.source
            if isinstance(source, spec.FromData):
                if not _is_known(self.build.data[source.uri]):
                    return False
            elif isinstance(source, spec.FromParameter):
                if self.pipeline.parameters[source.name].type != "data":
                    continue
                # A parameter may name any data of the build.
                if not all(_is_known(pinned) for pinned in self.build.data.values()):
                    return False
        return True

    def unpinned_note(self) -> list[str]:
        """Return a note on the steps that are never cached for the data that they read."""
        names = [
            step.name for step in self.pipeline.steps if step.cache and not self.is_pinned(step)
        ]
        if not names:
            return []
        return [f"never cached, as they read data that has no version: {', '.join(names)}"]

    # --- images ---------------------------------------------------------------------------------

    def environment(
        self, step: spec.Step, own: StepSettings, default: Callable[[str], str]
    ) -> tuple[str, str | None]:
        """Return a step's image, and the image's Python; None for a program that is none of ours.

        Args:
            step: The step.
            own: Its own settings.
            default: Gives the cloud's own image for a Python version.

        Raises:
            ConfigurationError: The image's Python is not known, or not this environment's.
        """
        if isinstance(step.run, spec.Container):
            return self._checked_image(step.name, step.run.image), None
        image = step.environment.image or own.image or self._shared.image
        python = own.python or self._shared.python
        here = self.build.python
        if image is None:
            python = python or here
            image = default(python)
        if python is None:
            raise ConfigurationError(
                f"Step '{step.name}' runs in image '{image}', and the profile does not say which "
                f'Python that has. Write: [profiles.NAME.steps.{step.name}] python = "{here}"'
            )
        if python != here:
            raise ConfigurationError(
                f"Step '{step.name}' runs in image '{image}' with Python {python}, and this "
                f"environment is Python {here}. Work in Python {python}, or name an image with "
                f'Python {here} in the profile: image = "...", python = "{here}"'
            )
        return self._checked_image(step.name, image), python

    def _checked_image(self, step: str, image: str) -> str:
        if image in self._images:
            return image
        if not image or len(image) > self._longest_image or any(sign.isspace() for sign in image):
            raise ConfigurationError(
                f"Step '{step}': {image!r:.80} cannot name an image: 1 to {self._longest_image} "
                "characters and no spaces. Correct it"
            )
        self._images.add(image)
        return image


def _is_known(data: Pinned) -> bool:
    return data.sha256 is not None or data.version is not None


def entry_name(uri: str) -> str:
    """Return the name of the file or folder that an address of data names."""
    path = unquote(urlsplit(uri).path) if uri.startswith(("http://", "https://")) else uri
    if uri.startswith("dvc://"):
        path = uri.removeprefix("dvc://").partition("@")[0]
    return path.rstrip("/").rpartition("/")[2] or "data"
