"""What all steps of one compilation share: settings, images, machines, addresses, parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.libraries import Libraries, Pinner, Shipping
from waterflow.cloud.naming import value_keys
from waterflow.data.fingerprints import text_digest
from waterflow.data.stores import scheme_of
from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.parameters import to_text
from waterflow.spec.references import operands, value_name
from waterflow_sagemaker import images, limits, machines
from waterflow_sagemaker.translation import containers
from waterflow_sagemaker.translation.mounts import TRAINING_INPUT, TRAINING_OUTPUT, entry_name
from waterflow_sagemaker.translation.naming import S3_SCHEMES

if TYPE_CHECKING:
    from waterflow.data import Pinned
    from waterflow.provider import Build
    from waterflow_sagemaker.machines import InstanceType, Kind
    from waterflow_sagemaker.profile import SageMakerSettings

PLATFORM: Final = "manylinux_2_28_x86_64"
"""What AWS's images can load: the oldest of them, Ubuntu 20.04, has glibc 2.31."""


@dataclass(frozen=True)
class StepPlan:
    """What holds for all copies of a step.

    Attributes:
        kind: Its kind of job.
        image: Its image.
        python: The image's Python; None for a program that is none of ours.
        machine: Its machine.
        volume: GiB of its storage volume.
        role: ARN of its jobs' role.
        kms_key: Key of its volumes and outputs.
        subnets: VPC subnets.
        security_groups: VPC security groups.
        network_isolation: Whether its containers have no network.
        encrypt_traffic: Whether traffic between its instances is encrypted.
        tags: Tags of its jobs.
        keys: Values that conditions read -> their keys in the property file or among the metrics.
        libraries: What must be installed in its jobs.
        notes: What differs here from what the step asked for.
    """

    kind: Kind
    image: str
    python: str | None
    machine: InstanceType
    volume: int
    role: str
    kms_key: str | None
    subnets: list[str]
    security_groups: list[str]
    network_isolation: bool
    encrypt_traffic: bool
    tags: dict[str, str]
    keys: dict[str, str]
    libraries: Libraries
    notes: tuple[str, ...]


class Context:
    """One compilation.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        registering: What a register step is told of MLflow; None when there is none.
    """

    def __init__(
        self, build: Build, settings: SageMakerSettings, registering: dict[str, Any] | None
    ) -> None:
        self.build, self.settings, self.registering = build, settings, registering
        self.pipeline = build.spec
        self.steps = {step.name: step for step in build.spec.steps}
        managed = registering is not None and registering["uri"].startswith("arn:")
        shipping = Shipping(
            provider="sagemaker",
            wheels=settings.libraries == "wheelhouse",
            platform=PLATFORM,
            tracking=("mlflow", "sagemaker-mlflow") if managed else ("mlflow",),
            secrets=("boto3",),
        )
        self.pinner = Pinner(build, shipping)
        self._base = f"s3://{settings.bucket}/{settings.prefix}"
        self._image: str | None = None
        self._reading: dict[str, list[spec.Gate]] = {}
        wanted: dict[str, set[str]] = {}
        for gate in build.spec.gates:
            for operand in operands(gate.condition):
                if isinstance(operand, spec.FromStep):
                    wanted.setdefault(operand.step, set()).add(value_name(operand))
                    gates = self._reading.setdefault(operand.step, [])
                    if gate not in gates[-1:]:
                        gates.append(gate)
        self._keys = {
            step: value_keys(names, self.steps[step].metrics or ())
            for step, names in wanted.items()
        }
        self._kinds: dict[str, Kind] = {step.name: self._kind(step) for step in build.spec.steps}
        self._plans: dict[str, StepPlan] = {}
        self._machines: dict[tuple[spec.Resources, Kind], InstanceType] = {}
        self._images: set[str] = set()
        self._lengths: dict[str, int] = {}

    def default_length(self, parameter: str) -> int:
        """Return the characters of a parameter's default as JSON text; 0 without one."""
        if parameter not in self._lengths:
            found = self.pipeline.parameters[parameter]
            self._lengths[parameter] = 0 if found.required else len(to_text(found.default))
        return self._lengths[parameter]

    # --- addresses ------------------------------------------------------------------------------

    def s3(self, key: str) -> str:
        """Return the S3 URI of a key below the profile's prefix."""
        return f"{self._base}/{key}"

    @property
    def none(self) -> str:
        """What an optional data parameter points to when there is none."""
        return self.s3("none/none")

    def data(self, uri: str) -> str:
        """Return where outside data lies for the jobs.

        What is pinned is kept under a digest of what it is, so that a run reads what was pinned
        and SageMaker's cache sees a change. What is not pinned is read where it is if it is in S3.
        """
        copy = self.copy_of(uri)
        return uri if copy is None else self.s3(copy)

    def copy_of(self, uri: str) -> str | None:
        """Return the key of the copy of outside data; None for what is read where it is."""
        pinned = self.build.data[uri]
        what = pinned.sha256 or pinned.version
        if what is None:
            if uri.startswith("s3://"):
                return None
            return f"data/unpinned-{text_digest(uri)}"
        # Tags of S3 and digests tell content; what a web server says tells it of one address only.
        tells = scheme_of(uri) in S3_SCHEMES or pinned.sha256 or what.startswith("md5:")
        return f"data/{text_digest(f'{entry_name(uri) if tells else uri} {what}')}"

    def address(self, source: spec.FromData | spec.FromParameter) -> tuple[Any, bool]:
        """Return outside data's S3 URI or its expression, and whether there may be none."""
        if isinstance(source, spec.FromData):
            return self.data(source.uri), False
        optional = self.pipeline.parameters[source.name].optional
        return {"Get": f"Parameters.{source.name}"}, optional

    def is_pinned(self, step: spec.Step) -> bool:
        """Say whether all outside data that a step reads is known by its content."""
        for given in step.inputs.values():
            if isinstance(given.source, spec.FromData):
                if not _pinned(self.build.data[given.source.uri]):
                    return False
            elif isinstance(given.source, spec.FromParameter):
                if self.pipeline.parameters[given.source.name].type != "data":
                    continue
                if not all(_pinned(one) for one in self._of_parameters()):
                    return False
        return True

    def _of_parameters(self) -> list[Pinned]:
        """Return the data that parameters may name: any, since a step may name the same."""
        return list(self.build.data.values())

    def caching(self, step: spec.Step) -> dict[str, Any]:
        """Return a step's CacheConfig.

        https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching-enabling.html
        """
        if not step.cache or isinstance(step.run, spec.Register) or not self.is_pinned(step):
            return {"Enabled": False}
        return {"Enabled": True, "ExpireAfter": f"P{self.settings.cache_days}D"}

    # --- steps ----------------------------------------------------------------------------------

    def kind_of(self, step: str) -> Kind:
        """Return a step's kind of job."""
        return self._kinds[step]

    def _kind(self, step: spec.Step) -> Kind:
        """Return the kind of job that the profile says, or that a step's wishes need.

        Raises:
            UnsupportedFeatureError: The profile says one that has not what the step asks for.
        """
        profiled = self.settings.of(self.pipeline.name, step.name).job
        why = _needs_training(step)
        if profiled == "processing" and why is not None:
            raise UnsupportedFeatureError(
                step.name,
                f"a processing job: {why}",
                "sagemaker",
                f'Leave job = "processing" out of [profiles.NAME.steps.{step.name}].',
            )
        if profiled is not None:
            return profiled
        return "processing" if why is None else "training"

    def is_raw(self, source: spec.FromStep) -> bool:
        """Say whether a program has written an output, which then has no manifest."""
        return self.steps[source.step].outputs[source.output].raw

    def part(self, step: spec.Step) -> spec.Pipeline:
        """Return the part of the pipeline that a step's STEP.json tells of.

        Looking through the whole of it for each step would take quadratic time.
        """
        before: dict[str, spec.Step] = {}
        for given in step.inputs.values():
            source = given.source
            items = source.items if isinstance(source, spec.FromList) else (source,)
            for item in items:
                if isinstance(item, spec.FromStep):
                    before[item.step] = self.steps[item.step]
        return spec.Pipeline(
            name=self.pipeline.name,
            parameters=self.pipeline.parameters,
            steps=tuple(before.values()),
            gates=tuple(self._reading.get(step.name, ())),
            trusted_types=self.pipeline.trusted_types,
        )

    def keys(self, step: str) -> dict[str, str]:
        """Return the values of a step that conditions read, and their keys."""
        return self._keys.get(step, {})

    def plan(self, name: str) -> StepPlan:
        """Return what holds for all copies of a step.

        Raises:
            UnsupportedFeatureError: SageMaker cannot honour a setting.
            ConfigurationError: The profile does not fit the step.
        """
        if name not in self._plans:
            self._plans[name] = self._plan(self.steps[name])
        return self._plans[name]

    def _plan(self, step: spec.Step) -> StepPlan:
        settings = self.settings
        own = settings.of(self.pipeline.name, step.name)
        its_kind = self.kind_of(step.name)
        if isinstance(step.run, spec.Container):
            containers.check(step)
        machine = (
            machines.named(own.machine, step.resources, its_kind, step.name)
            if own.machine is not None
            else self._machine(step, its_kind)
        )
        image, python = self._environment(step)
        kms_key = own.kms_key or settings.kms_key
        isolated = (
            settings.network_isolation if own.network_isolation is None else own.network_isolation
        )
        self._check_isolation(step, isolated)
        libraries = Libraries() if python is None else self.pinner.of(step, python)
        return StepPlan(
            kind=its_kind,
            image=image,
            python=python,
            machine=machine,
            volume=_volume(step, machine, own.volume_size or settings.volume_size),
            role=own.role or settings.role,
            kms_key=kms_key,
            subnets=settings.subnets if own.subnets is None else own.subnets,
            security_groups=(
                settings.security_groups if own.security_groups is None else own.security_groups
            ),
            network_isolation=isolated,
            encrypt_traffic=settings.encrypt_traffic,
            tags=settings.tags,
            keys=self.keys(step.name),
            libraries=libraries,
            notes=tuple(_notes(step, own.job, machine, image, kms_key)),
        )

    def _machine(self, step: spec.Step, its_kind: Kind) -> InstanceType:
        asked = step.resources, its_kind
        if asked not in self._machines:
            self._machines[asked] = machines.choose(
                step.resources, self.settings.machines, its_kind, step.name
            )
        return self._machines[asked]

    def _check_isolation(self, step: spec.Step, isolated: bool) -> None:
        needs = "the registry" if isinstance(step.run, spec.Register) else "secrets"
        if isolated and (needs == "the registry" or step.environment.secrets):
            raise UnsupportedFeatureError(
                step.name, f"{needs} with network_isolation", "sagemaker",
                "Give this step its network in the profile: "
                f"[profiles.NAME.steps.{step.name}] network_isolation = false",
            )  # fmt: skip

    def _environment(self, step: spec.Step) -> tuple[str, str | None]:
        """Return a step's image, and its Python.

        Raises:
            ConfigurationError: The image's Python is not known, or not this environment's.
        """
        settings, own = self.settings, self.settings.of(self.pipeline.name, step.name)
        if isinstance(step.run, spec.Container):
            return self._checked_image(step.name, step.run.image), None
        image = step.environment.image or own.image or settings.image
        python = own.python or settings.python
        wanted = self.build.python
        if image is None:
            if self._image is None:
                self._image = images.for_python(settings.region, python or wanted)
            image = self._image
            python = python or wanted
        if python is None:
            raise ConfigurationError(
                f"Step '{step.name}' runs in image '{image}', and the profile does not say which "
                f'Python that has. Write: [profiles.NAME.steps.{step.name}] python = "{wanted}"'
            )
        if python != wanted:
            raise ConfigurationError(
                f"Step '{step.name}' runs in image '{image}' with Python {python}, and this "
                f"environment is Python {wanted}. Work in Python {python}, or name an image with "
                f'Python {wanted} in the profile: image = "...", python = "{wanted}"'
            )
        return self._checked_image(step.name, image), python

    def _checked_image(self, step: str, image: str) -> str:
        if image in self._images:
            return image
        if not image or len(image) > limits.IMAGE.most or any(sign.isspace() for sign in image):
            raise ConfigurationError(
                f"Step '{step}': {image!r:.80} cannot name an image: 1 to {limits.IMAGE.most} "
                "characters and no spaces. Correct it"
            )
        self._images.add(image)
        return image


def _pinned(data: Pinned) -> bool:
    return data.sha256 is not None or data.version is not None


def _volume(step: spec.Step, machine: InstanceType, least: int) -> int:
    """Return the GiB of a step's volume.

    Raises:
        UnsupportedFeatureError: More than there is.
    """
    wanted = max(least, math.ceil((step.resources.disk or 0) / machines.GIB))
    if machine.local is not None:  # the request may not be larger than the instance's own volume
        wanted = min(wanted, math.floor(machine.local * 10**9 / machines.GIB))
    if wanted > limits.VOLUME.most:
        raise UnsupportedFeatureError(
            step.name, f"disk={step.resources.disk} ({wanted:,} GiB)", "sagemaker",
            f"A volume has at most {limits.VOLUME.most:,} GiB.",
        )  # fmt: skip
    return wanted


def _needs_training(step: spec.Step) -> str | None:
    """Return why a step must be a training job; None where nothing of it says so."""
    if step.resources.spot:
        return "spot machines are a training feature"
    if step.resources.instances > 1:
        return "several machines are a training feature"
    if isinstance(step.run, spec.Container):
        for part in step.run.command:
            if part.startswith((TRAINING_INPUT, TRAINING_OUTPUT)):
                return f"its command names {part:.40}, which only training jobs have"
    return None


def _notes(
    step: spec.Step, job: Kind | None, machine: InstanceType, image: str, kms_key: str | None
) -> list[str]:
    found: list[str] = []
    wants, why = step.resources, _needs_training(step)
    if job is None and why is not None:
        found.append(f"a training job, as {why}")
    if wants.spot:
        found.append("spot: AWS takes up to 90% off the price shown")
    if machine.basis == "derived":
        found.append("the price is derived from EC2's")
    if machine.local is not None and kms_key is not None:
        found.append("its own volume is encrypted by hardware, without kms_key")
    if not images.is_ecr(image):
        found.append(f"SageMaker pulls from Amazon ECR, where '{image}' is not")
    return found
