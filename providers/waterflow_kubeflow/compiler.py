"""The compiler for Kubeflow Pipelines: a spec becomes a pipeline spec and a platform spec; pure."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.compiler import compile_pipeline, content
from waterflow_kfp.control import job_files as programs
from waterflow_kfp.dialect import Dialect
from waterflow_kfp.resources import resources

from waterflow import spec
from waterflow.cloud.job_tracking import Reach
from waterflow.cloud.libraries import Shipping
from waterflow.provider import PlannedJob
from waterflow_kubeflow.document import KubeflowDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.project.profile import Profile
    from waterflow.provider import Build
    from waterflow_kubeflow.profile import KubeflowSettings, StepSettings, Toleration

PROVIDER: Final = "kubeflow"
REACH: Final = Reach("Kubeflow Pipelines", "https://", "a server in the cluster: http://...")
PLATFORM: Final = "manylinux_2_28_x86_64"
"""What Debian 12, which Python's images stand on, can load: it has glibc 2.36."""
SECRET_PREFIX: Final = "WATERFLOW_SECRET_"  # noqa: S105 - the start of variables' names


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    return programs({})


class KubeflowDialect(Dialect):
    """Kubeflow Pipelines, as the compiler of pipeline specs sees it.

    Args:
        settings: The profile's settings.
    """

    provider, title = PROVIDER, "Kubeflow Pipelines"
    depth = 4  # ROOT/PIPELINE/RUN/TASK/ID/OUTPUT
    program_features = frozenset({"secrets", "timeout"})

    def __init__(self, settings: KubeflowSettings) -> None:
        self._settings = settings
        self.base, self.programs = settings.address, job_files()
        self.schemes = (settings.address.partition(":")[0],)
        self.shipping = Shipping(
            provider=PROVIDER,
            wheels=settings.libraries == "wheelhouse",
            platform=PLATFORM,
            tracking=("mlflow",),
            secrets=(),
        )

    @property
    def settings(self) -> KubeflowSettings:
        """The profile's settings."""
        return self._settings

    def own(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings."""
        return self._settings.of(pipeline, step)

    def image(self, python: str) -> str:
        """Return the image of steps that name none."""
        return f"python:{python}"

    def executor(
        self, pipeline: str, step: spec.Step, container: dict[str, Any], task: str
    ) -> dict[str, Any]:
        """Return a step's executor: a container of a pod."""
        del task
        kind = self.own(pipeline, step.name).accelerator or self._settings.accelerator
        return {"container": {**container, "resources": resources(step.resources, kind)}}

    def kubernetes(self, pipeline: str, step: spec.Step) -> dict[str, Any]:
        """Return what Kubernetes is told of a step's pod.

        https://pypi.org/project/kfp-kubernetes/
        """
        own, shared = self.own(pipeline, step.name), self._settings
        told: dict[str, Any] = {}
        secrets = self._secrets(step)
        if secrets:
            told["secretAsEnv"] = [{"secretName": shared.secret, "keyToEnv": secrets}]
        labels = shared.node_selector if own.node_selector is None else own.node_selector
        labels = dict(labels)
        if step.resources.gpu is not None and step.resources.gpu.kind is not None:
            labels.setdefault("nvidia.com/gpu.product", step.resources.gpu.kind)
        if labels:
            told["nodeSelector"] = {"labels": dict(sorted(labels.items()))}
        taints = shared.tolerations if own.tolerations is None else own.tolerations
        if taints:
            told["tolerations"] = [_toleration(taint) for taint in taints]
        if shared.pull_policy:
            told["imagePullPolicy"] = shared.pull_policy
        if shared.pull_secrets:
            told["imagePullSecret"] = [{"secretName": name} for name in shared.pull_secrets]
        if isinstance(step.run, spec.Container) and step.timeout is not None:
            # Of our own steps the runtime in the pod ends attempts.
            told["activeDeadlineSeconds"] = str(math.ceil(step.timeout))
        return told

    def _secrets(self, step: spec.Step) -> list[dict[str, str]]:
        """Return the variables that are filled from keys of the profile's Secret.

        Our runtime reads variables of its own, and a program those that it asks for.
        """
        asked = sorted(step.environment.secrets.items())
        if isinstance(step.run, spec.Container):
            return [{"secretKey": secret, "envVar": variable} for variable, secret in asked]
        names = sorted({secret for _, secret in asked})
        return [{"secretKey": name, "envVar": _variable(name)} for name in names]

    def row(self, pipeline: str, step: spec.Step) -> PlannedJob:
        """Return a step's row of the plan."""
        del pipeline
        notes = ["the cluster finds a node that fits"]
        if step.resources.disk is not None:
            notes.append("the disk is the node's: Kubeflow Pipelines asks for none")
        return PlannedJob(step=step.name, kind="pod", machine="a node", notes=tuple(notes))


def _variable(secret: str) -> str:
    """Return the variable in which our runtime looks for a secret."""
    plain = secret.upper()
    for sign in "-./":
        plain = plain.replace(sign, "_")
    return f"{SECRET_PREFIX}{plain}"


def _toleration(taint: Toleration) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": taint.key, "operator": taint.operator, "value": taint.value, "effect": taint.effect,
    }  # fmt: skip
    told = {name: value for name, value in fields.items() if value}
    if taint.seconds is not None:
        told["tolerationSeconds"] = str(taint.seconds)
    return told


def compile_kubeflow(
    build: Build, settings: KubeflowSettings, profile: Profile
) -> KubeflowDocument:
    """Translate a pipeline into what is started on Kubeflow Pipelines.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        profile: The profile.

    Raises:
        UnsupportedFeatureError: Kubeflow Pipelines cannot honour a setting.
        ConfigurationError: The profile does not fit the pipeline.
        DefinitionError: A name or a value is none that Kubeflow Pipelines takes.
    """
    compiled = compile_pipeline(build, KubeflowDialect(settings), profile, REACH)
    definition: dict[str, Any] = {
        "pipeline_spec": compiled.spec,
        "platform_spec": {
            "platforms": {"kubernetes": {"deploymentSpec": {"executors": compiled.kubernetes}}}
        },
    }
    document = KubeflowDocument(
        **compiled.fields,
        notes=tuple(compiled.planning.unpinned_note()),
        definition=definition,
    )
    return replace(document, content=content(build, definition, document))
