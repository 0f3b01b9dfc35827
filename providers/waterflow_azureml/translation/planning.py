"""What all steps of one compilation for Azure ML share: addresses, computes, settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.libraries import Libraries, Pinner, Shipping
from waterflow.cloud.planning import Planning, entry_name
from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.spec.references import sources
from waterflow_azureml import limits
from waterflow_azureml.translation import computes
from waterflow_azureml.translation.environments import BASE, REGISTERED, environment
from waterflow_azureml.translation.naming import CHECKPOINT, DECISION, RESULT, Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.document import Encoding
    from waterflow.cloud.job_tracking import JobTracking
    from waterflow.provider import Build
    from waterflow_azureml.profile import AzureMLSettings
    from waterflow_azureml.translation.computes import Compute

PLATFORM: Final = "manylinux_2_28_x86_64"
"""What Azure's base images can load: Ubuntu 22.04 has glibc 2.35."""
SCHEMES: Final = ("azureml", "abfss", "abfs", "wasbs", "wasb", "az", "adl")
"""Schemes of addresses in Azure's object stores."""


@dataclass(frozen=True)
class StepPlan:
    """What holds for a step.

    Attributes:
        compute: Where its job runs.
        environment: What it runs in.
        python: The Python that it runs on; None for a program that is none of ours.
        libraries: What must be installed in its jobs.
        identity: Client id of its jobs' identity.
        seconds: How long its job may run.
        distribution: How its machines learn of each other; None for a single machine.
    """

    compute: Compute
    environment: str | dict[str, Any]
    python: str | None
    libraries: Libraries
    identity: str | None
    seconds: int | None
    distribution: dict[str, Any] | None


class AzurePlanning(Planning):
    """One compilation for Azure ML.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        mlflow: What its jobs are told of MLflow.
        encodings: How each parameter that is native travels.
    """

    def __init__(
        self,
        build: Build,
        settings: AzureMLSettings,
        mlflow: JobTracking,
        encodings: Mapping[str, Encoding],
    ) -> None:
        super().__init__(
            build,
            settings,
            base=f"azureml://datastores/{settings.datastore}/paths/{settings.prefix}",
            schemes=SCHEMES,
            entry_name=entry_name,
            longest_image=limits.IMAGE.most,
            mlflow=mlflow,
            encodings=encodings,
        )
        self.settings = settings
        self.pinner = Pinner(
            build,
            Shipping(
                provider="azureml",
                wheels=settings.libraries == "wheelhouse" and not settings.build_images,
                platform=PLATFORM,
                tracking=("mlflow",),
                secrets=(),
                builds=settings.build_images,
            ),
        )
        keys = Keys(start="step")
        self.native = {step.name: keys.take(step.name) for step in build.spec.steps}
        self.gates = {gate.name: keys.take(f"gate_{gate.name}") for gate in build.spec.gates}
        self._computes: dict[Any, Compute] = {}
        self._plans: dict[str, StepPlan] = {}
        self._outputs = {step.name: output_keys(step) for step in build.spec.steps}

    def output_key(self, step: str, output: str) -> str:
        """Return what an output of a step is called in Azure ML."""
        return self._outputs[step][output]

    def run(self, folder: str) -> str:
        """Return where a folder of one job's own lies, which Azure calls by the job's name."""
        return self.uri(f"runs/${{{{name}}}}/{folder}/")

    @property
    def none(self) -> str:
        """What an optional data parameter points to when there is none: a folder."""
        return self.uri("none/")

    def data(self, uri: str) -> str:
        """Return where outside data lies for the jobs; a copy is a folder."""
        copy = self.copy_of(uri)
        return uri if copy is None else f"{self.uri(copy)}/"

    @property
    def required(self) -> str:
        """What a data parameter without a default points to until it is given: nothing."""
        return self.uri("required/")

    @cached_property
    def gate_compute(self) -> Compute:
        """Where gates run."""
        return computes.smallest(self.settings)

    def gate_environment(self) -> str | dict[str, Any]:
        """What gates run in, which need nothing but Python."""
        settings = self.settings
        if settings.image is not None:
            return environment(settings.image, None, ())
        return environment(BASE, self.build.python, ())

    def chain(self, branch: spec.Branch | None) -> list[tuple[str, bool]]:
        """Return the gates behind which something stands, outermost first, and their sides."""
        if branch is None:
            return []
        gate = self._gates[branch.gate]
        return [*self.chain(gate.within), (self.gates[branch.gate], branch.then)]

    @cached_property
    def awaited(self) -> frozenset[str]:
        """The steps that others wait for although they take nothing of them."""
        return frozenset(before for step in self.pipeline.steps for before in step.after)

    def may_be_skipped(self, step: str) -> bool:
        """Say whether a step may leave nothing: it is behind a gate, or what it needs is."""
        return step in self._skippable

    @cached_property
    def _skippable(self) -> frozenset[str]:
        names: set[str] = set()
        for step in self.pipeline.steps:
            groups = [
                {option.step for option in one.source.options}
                if isinstance(one.source, spec.FromFirst)
                else {source.step}
                for one in step.inputs.values()
                for source in sources(one.source)
                if isinstance(source, spec.FromStep)
            ]
            if step.branch is not None or any(group <= names for group in groups):
                names.add(step.name)
        return frozenset(names)

    @cached_property
    def _gates(self) -> dict[str, spec.Gate]:
        return {gate.name: gate for gate in self.pipeline.gates}

    def is_cached(self, step: spec.Step) -> bool:
        """Say whether an earlier result may stand for a step."""
        return step.cache and not isinstance(step.run, spec.Register) and self.is_pinned(step)

    def plan(self, step: spec.Step) -> StepPlan:
        """Return what holds for a step.

        Raises:
            UnsupportedFeatureError: Azure ML cannot honour a setting.
            ConfigurationError: The profile does not fit the step.
        """
        if step.name not in self._plans:
            self._plans[step.name] = self._plan(step)
        return self._plans[step.name]

    def _plan(self, step: spec.Step) -> StepPlan:
        settings = self.settings
        own = settings.of(self.pipeline.name, step.name)
        image, python = self.environment(step, own, lambda _: BASE)
        libraries = Libraries() if python is None else self.pinner.of(step, python)
        compute = self._compute(step, own)
        if step.environment.secrets and settings.vault is None:
            raise ConfigurationError(
                f"Step '{step.name}' reads secrets, and the profile names no Key Vault. Write: "
                'vault = "NAME"'
            )
        for secret in step.environment.secrets.values():
            if not 0 < len(secret) <= limits.SECRET.most or not secret.replace("-", "").isalnum():
                raise UnsupportedFeatureError(
                    step.name,
                    f"the secret '{secret:.140}'",
                    "azureml",
                    f"A Key Vault's secrets have 1 to {limits.SECRET.most} letters, digits and "
                    "hyphens in their names.",
                )
        builds = settings.build_images and python is not None
        if builds and REGISTERED.fullmatch(image):
            raise UnsupportedFeatureError(
                step.name,
                f"build_images = true with the environment '{image}'",
                "azureml",
                "Azure builds on images only. Name an image, or leave build_images out.",
            )
        return StepPlan(
            compute=compute,
            environment=environment(
                image, python if image == BASE else None, libraries.pins if builds else ()
            ),
            python=python,
            libraries=libraries,
            identity=own.identity or settings.identity,
            seconds=computes.seconds(step, spot=compute.spot),
            distribution=_distribution(step, own.distribution),
        )

    def _compute(self, step: spec.Step, own: Any) -> Compute:
        key = (step.resources, own)
        if key not in self._computes:
            self._computes[key] = computes.choose(self.settings, own, step)
        return self._computes[key]


def output_keys(step: spec.Step) -> dict[str, str]:
    """Return what a step's outputs are called in Azure ML."""
    keys = Keys(start="output")
    for name in (RESULT, CHECKPOINT, DECISION):
        keys.take(name)
    return {name: keys.take(name) for name in sorted(step.outputs)}


def _distribution(step: spec.Step, kind: str | None) -> dict[str, Any] | None:
    """Return how a step's machines learn of each other: one process on each."""
    machines = step.resources.instances
    if machines == 1:
        if kind is not None:
            raise ConfigurationError(
                f"The profile gives step '{step.name}' distribution = \"{kind}\", and it runs on "
                "one machine. Ask for several: @wf.step(instances=2), or leave it out"
            )
        return None
    kind = kind or "pytorch"
    if kind == "tensorflow":
        return {"type": kind, "worker_count": machines}
    return {"type": kind, "process_count_per_instance": 1}
