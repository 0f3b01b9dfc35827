"""The compiler for Vertex AI: a spec becomes a PipelineJob; pure."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp.compiler import compile_pipeline, content
from waterflow_kfp.control import job_files as programs
from waterflow_kfp.dialect import Dialect, InfrastructureRetry

from waterflow import spec
from waterflow.cloud.job_tracking import Reach
from waterflow.cloud.libraries import Shipping
from waterflow.provider import PlannedJob
from waterflow.tracking.spool import KEEP
from waterflow_vertex import limits
from waterflow_vertex.document import VertexDocument
from waterflow_vertex.job import mlflow_auth
from waterflow_vertex.machines import prices
from waterflow_vertex.translation import pools

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.project.profile import Profile
    from waterflow.provider import Build
    from waterflow_vertex.profile import StepSettings, VertexSettings

PROVIDER: Final = "vertex"
REACH: Final = Reach("Vertex AI", "https://", "MLflow on Cloud Run: https://...run.app")
PLATFORM: Final = "manylinux_2_28_x86_64"
"""What Debian 12, which Python's images stand on, can load: it has glibc 2.36."""
SCHEMES: Final = ("gs",)
FAIL_SLOW: Final = "PIPELINE_FAILURE_POLICY_FAIL_SLOW"
"""Steps that do not stand on one that has failed go on."""
_JOB: Final = Path(__file__).parent / "job"


@cache
def job_files() -> Mapping[str, bytes]:
    """Return the programs that travel in every control input, by name."""
    module = mlflow_auth.MODULE
    others = {"waterflow_secrets.py": _JOB / "secrets.py", f"{module}.py": _JOB / "mlflow_auth.py"}
    return {
        **programs(others),
        # MLflow finds plug-ins among distributions: a folder of that name on the path is one.
        f"{module}-1.dist-info/METADATA": mlflow_auth.METADATA.encode(),
        f"{module}-1.dist-info/entry_points.txt": mlflow_auth.ENTRY_POINTS.encode(),
    }


class VertexDialect(Dialect):
    """Vertex AI, as the compiler of pipeline specs sees it.

    Args:
        settings: The profile's settings.
    """

    provider, title, schemes = PROVIDER, "Vertex AI", SCHEMES
    longest_image = limits.IMAGE.most
    depth = 3  # ROOT/PROJECT_NUMBER/JOB/TASK_ID/OUTPUT
    # Once and soon, as a failed step is started anew too: it ends at its mark, but only when
    # another machine has come for it.
    retry = InfrastructureRetry(count=1, delay=10)
    secrets = True
    program_features = frozenset({"timeout"})

    def __init__(self, settings: VertexSettings) -> None:
        self._settings = settings
        self.base, self.programs = settings.address, job_files()
        self.shipping = Shipping(
            provider=PROVIDER,
            wheels=settings.libraries == "wheelhouse",
            platform=PLATFORM,
            tracking=("mlflow",),
            secrets=(),
        )

    @property
    def settings(self) -> VertexSettings:
        """The profile's settings."""
        return self._settings

    def own(self, pipeline: str, step: str) -> StepSettings:
        """Return a step's own settings."""
        return self._settings.of(pipeline, step)

    def image(self, python: str) -> str:
        """Return the image of steps that name none."""
        return f"python:{python}"

    def path(self, address: str) -> str | None:
        """Return where any job sees an address: Vertex AI mounts all buckets.

        https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system
        """
        return f"/gcs/{address.removeprefix('gs://')}"

    def launch(self, step: spec.Step) -> Mapping[str, Any]:
        """Return what launch.json says here besides what it says everywhere."""
        variables: dict[str, str] = {}
        if step.environment.secrets:
            variables["WATERFLOW_PROJECT"] = self._settings.project
        if isinstance(step.run, spec.Register):
            # It signs requests to servers of Cloud Run, and no others.
            variables |= {"MLFLOW_TRACKING_AUTH": mlflow_auth.NAME, KEEP: "MLFLOW_TRACKING_AUTH"}
        return {"variables": variables} if variables else {}

    def executor(
        self, pipeline: str, step: spec.Step, container: dict[str, Any], task: str
    ) -> dict[str, Any]:
        """Return a step's executor: a container, or a custom job."""
        own = self.own(pipeline, step.name)
        return pools.executor(self._settings, own, step, container, task)

    def row(self, pipeline: str, step: spec.Step) -> PlannedJob:
        """Return a step's row of the plan."""
        place = pools.choose(self._settings, self.own(pipeline, step.name), step)
        return PlannedJob(
            step=step.name,
            kind=place.kind,
            machine=place.shown,
            price=place.machine.price,
            notes=place.notes,
        )


def compile_vertex(build: Build, settings: VertexSettings, profile: Profile) -> VertexDocument:
    """Translate a pipeline into a pipeline job of Vertex AI.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        profile: The profile.

    Raises:
        UnsupportedFeatureError: Vertex AI cannot honour a setting.
        ConfigurationError: The profile does not fit the pipeline.
        DefinitionError: A name or a value is none that Vertex AI takes.
    """
    compiled = compile_pipeline(build, VertexDialect(settings), profile, REACH)
    planning = compiled.planning
    definition: dict[str, Any] = {
        "displayName": compiled.name,
        "labels": dict(sorted(settings.tags.items()))
        | {
            "waterflow-pipeline": label(build.spec.name),
            "waterflow-build": label(planning.kept.rpartition("/")[2].removesuffix(".json")),
        },
        "pipelineSpec": compiled.spec,
        "runtimeConfig": {"gcsOutputDirectory": settings.root, "failurePolicy": FAIL_SLOW},
    }
    if settings.service_account is not None:
        definition["serviceAccount"] = settings.service_account
    if settings.network is not None:
        definition["network"] = settings.network
    if settings.kms_key is not None:
        definition["encryptionSpec"] = {"kmsKeyName": settings.kms_key}
    document = VertexDocument(
        **compiled.fields,
        notes=(
            prices().note(settings.region),
            *_notes(compiled.fields["jobs"]),
            *planning.unpinned_note(),
        ),
        definition=definition,
        shown={native: step for step, native in planning.native.items()},
        secrets=tuple(
            sorted({s for step in build.spec.steps for s in step.environment.secrets.values()})
        ),
    )
    return replace(document, content=content(build, definition, document))


def _notes(jobs: Iterable[PlannedJob]) -> list[str]:
    """Return what holds of the machines of containers, where there are any."""
    if all(job.kind != pools.CONTAINER for job in jobs):
        return []
    return ["for a container Vertex AI finds a machine that fits; shown is the cheapest that does"]


def label(text: str) -> str:
    """Return text as the value of a label."""
    return re.sub(r"[^a-z0-9_-]", "_", text.lower())[: limits.LABEL_VALUE.most]
