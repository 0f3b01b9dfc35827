"""What all steps of one compilation for SageMaker share: kinds of jobs, machines, settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.libraries import Libraries, Pinner, Shipping
from waterflow.cloud.planning import Planning
from waterflow.errors import Gathering, UnsupportedFeatureError
from waterflow_sagemaker import images, limits, machines
from waterflow_sagemaker.translation import containers
from waterflow_sagemaker.translation.mounts import TRAINING_INPUT, TRAINING_OUTPUT, entry_name
from waterflow_sagemaker.translation.naming import S3_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.document import Encoding
    from waterflow.cloud.job_tracking import JobTracking
    from waterflow.provider import Build
    from waterflow_sagemaker.machines import InstanceType, JobType
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

    kind: JobType
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


class SageMakerPlanning(Planning):
    """One compilation for SageMaker.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        mlflow: What its jobs are told of MLflow.
        encodings: How each parameter that is native travels.
    """

    def __init__(
        self,
        build: Build,
        settings: SageMakerSettings,
        mlflow: JobTracking,
        encodings: Mapping[str, Encoding],
    ) -> None:
        super().__init__(
            build,
            settings,
            base=f"s3://{settings.bucket}/{settings.prefix}",
            schemes=S3_SCHEMES,
            entry_name=entry_name,
            longest_image=limits.IMAGE.most,
            mlflow=mlflow,
            encodings=encodings,
        )
        self.settings = settings
        tracking = mlflow.tracking
        managed = tracking is not None and tracking["uri"].startswith("arn:")
        shipping = Shipping(
            provider="sagemaker",
            wheels=settings.libraries == "wheelhouse",
            platform=PLATFORM,
            tracking=("mlflow", "sagemaker-mlflow") if managed else ("mlflow",),
            secrets=("boto3",),
        )
        self.pinner = Pinner(build, shipping)
        self._kinds: dict[str, JobType] = {}
        errors = Gathering()
        for step in build.spec.steps:
            with errors:
                self._kinds[step.name] = self._kind(step)
        errors.check()
        self._plans: dict[str, StepPlan] = {}
        self._machines: dict[tuple[spec.Resources, JobType], InstanceType] = {}
        self._image = cache(partial(images.for_python, settings.region))

    def is_plain(self, parameter: str) -> bool:
        """Say whether a parameter's value travels as it is, and not as JSON."""
        return self.encodings.get(parameter) == "text"

    def plain_default(self, parameter: str) -> str:
        """Return the default of a parameter that travels as it is; empty for any other."""
        default = self.pipeline.parameters[parameter].default
        return default if self.is_plain(parameter) and isinstance(default, str) else ""

    def address(self, source: spec.FromData | spec.FromParameter) -> tuple[Any, bool]:
        """Return outside data's S3 URI or its expression, and whether there may be none."""
        if isinstance(source, spec.FromData):
            return self.data(source.uri), False
        optional = self.pipeline.parameters[source.name].optional
        return {"Get": f"Parameters.{source.name}"}, optional

    def caching(self, step: spec.Step) -> dict[str, Any]:
        """Return a step's CacheConfig.

        https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching-enabling.html
        """
        if not step.cache or isinstance(step.run, spec.Register) or not self.is_pinned(step):
            return {"Enabled": False}
        return {"Enabled": True, "ExpireAfter": f"P{self.settings.cache_days}D"}

    # --- steps ----------------------------------------------------------------------------------

    def kind_of(self, step: str) -> JobType:
        """Return a step's kind of job."""
        return self._kinds[step]

    def _kind(self, step: spec.Step) -> JobType:
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
        image, python = self.environment(step, own, self._image)
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

    def _machine(self, step: spec.Step, its_kind: JobType) -> InstanceType:
        wish = step.resources, its_kind
        if wish not in self._machines:
            self._machines[wish] = machines.choose(
                step.resources, self.settings.machines, its_kind, step.name
            )
        return self._machines[wish]

    def _check_isolation(self, step: spec.Step, isolated: bool) -> None:
        needs = "the registry" if isinstance(step.run, spec.Register) else "secrets"
        if isolated and (needs == "the registry" or step.environment.secrets):
            raise UnsupportedFeatureError(
                step.name,
                f"{needs} with network_isolation",
                "sagemaker",
                "Give this step its network in the profile: "
                f"[profiles.NAME.steps.{step.name}] network_isolation = false",
            )


def _volume(step: spec.Step, machine: InstanceType, least: int) -> int:
    """Return the GiB of a step's volume.

    Raises:
        UnsupportedFeatureError: More than there is.
    """
    size = max(least, math.ceil((step.resources.disk or 0) / machines.GIB))
    if machine.local is not None:  # the request may not be larger than the instance's own volume
        size = min(size, math.floor(machine.local * 10**9 / machines.GIB))
    if size > limits.VOLUME.most:
        raise UnsupportedFeatureError(
            step.name,
            f"disk={step.resources.disk} ({size:,} GiB)",
            "sagemaker",
            f"A volume has at most {limits.VOLUME.most:,} GiB.",
        )
    return size


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
    step: spec.Step, job: JobType | None, machine: InstanceType, image: str, kms_key: str | None
) -> list[str]:
    notes: list[str] = []
    wants, why = step.resources, _needs_training(step)
    if job is None and why is not None:
        notes.append(f"a training job, as {why}")
    if wants.spot:
        notes.append("spot: AWS takes up to 90% off the price shown")
    if machine.basis == "derived":
        notes.append("the price is derived from EC2's")
    if machine.local is not None and kms_key is not None:
        notes.append("its own volume is encrypted by hardware, without kms_key")
    if not images.is_ecr(image):
        notes.append(f"SageMaker pulls from Amazon ECR, where '{image}' is not")
    return notes
