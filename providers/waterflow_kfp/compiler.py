"""The compiler: a spec becomes a KFP v2 pipeline spec, one container component a step; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.document import build_key
from waterflow.cloud.job_tracking import JobTracking, Reach, job_tracking
from waterflow.cloud.settings import check_steps
from waterflow.errors import Gathering, UnsupportedFeatureError
from waterflow.runs import lineage
from waterflow_kfp import naming, parameters, types
from waterflow_kfp.maps import map_tasks
from waterflow_kfp.planning import KfpPlanning, has_jobs
from waterflow_kfp.scopes import Scopes
from waterflow_kfp.tasks import step_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.document import Control, Encoding
    from waterflow.project.profile import Profile
    from waterflow.provider import Build, PlannedJob
    from waterflow_kfp.dags import Dag
    from waterflow_kfp.dialect import Dialect
    from waterflow_kfp.tasks import StepTask

SCHEMA: Final = "2.1.0"
"""The version of the pipeline spec's schema that is written."""
_EACH: Final = "a job for each item, and one that gathers them"


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A pipeline as a service runs it, and what its jobs need.

    Attributes:
        spec: The pipeline spec: the proto `ml_pipelines.PipelineSpec` as JSON.
        kubernetes: Executor -> what Kubernetes is told of its pods.
        control: Task -> what its jobs are given besides their inputs.
        planning: What all steps share.
        name: The native pipeline's name.
        tags: The lineage of its runs.
    """

    spec: dict[str, Any]
    kubernetes: dict[str, dict[str, Any]]
    control: dict[str, Control]
    planning: KfpPlanning
    name: str
    tags: dict[str, str]

    @property
    def fields(self) -> dict[str, Any]:
        """What every `CloudDocument` says of it."""
        planning, build = self.planning, self.planning.build
        return {
            "provider": planning.dialect.provider,
            "content": {},
            "jobs": tuple(_row(planning, step) for step in build.spec.steps),
            "pipeline": self.name,
            "tags": self.tags | {"waterflow.native_pipeline": self.name},
            "build": planning.kept,
            "control": self.control,
            "wheelhouses": planning.pinner.wheelhouses,
            "data": {uri: planning.data(uri) for uri in build.data},
            "copies": {
                uri: key for uri in build.data if (key := planning.copy_of(uri)) is not None
            },
            "none": planning.none,
            "encodings": planning.encodings,
        }


def compile_pipeline(build: Build, dialect: Dialect, profile: Profile, reach: Reach) -> Compiled:
    """Translate a pipeline into a pipeline spec.

    Args:
        build: The spec and what was found about its code and data.
        dialect: The service that it is for.
        profile: The profile.
        reach: What of MLflow its jobs can reach.

    Raises:
        UnsupportedFeatureError: The service cannot honour a setting.
        ConfigurationError: The profile does not fit the pipeline.
        DefinitionError: A name or a value is none that the service takes.
    """
    pipeline = build.spec
    errors = Gathering()
    with errors:
        check_steps(dialect.settings, pipeline, profile.name)
    tags = lineage.tags(build, dialect.provider, profile.name)
    mlflow = JobTracking()
    with errors:
        mlflow = job_tracking(build, tags, reach)
    encodings: dict[str, Encoding] = {}
    with errors:
        encodings = parameters.encodings(pipeline, dialect.provider)
    errors.check()
    planning = KfpPlanning(build, dialect, mlflow, encodings, build_key(tags))
    name = naming.pipeline_name(dialect.settings.prefix, pipeline.name)
    scopes = Scopes(planning)
    components: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    kubernetes: dict[str, dict[str, Any]] = {}
    control: dict[str, Control] = {}
    for step in pipeline.steps:
        with errors:
            for native, task in _tasks(planning, scopes, step).items():
                components[naming.component(native)] = task.component
                executors[naming.executor(native)] = task.executor
                if task.control is not None:
                    control[native] = task.control
                if task.kubernetes:
                    kubernetes[naming.executor(native)] = task.kubernetes
    errors.check()
    _check_order(scopes.root, planning)
    if scopes.imports:
        components[naming.component(naming.IMPORTER)] = _importer()
        executors[naming.executor(naming.IMPORTER)] = {
            "importer": {
                "artifactUri": {"runtimeParameter": "uri"},
                "typeSchema": types.artifact_type(types.ARTIFACT)["artifactType"],
            }
        }
    _add_dags(scopes.root, components)
    description = " ".join(pipeline.description.split())
    info = {"name": name} | ({"description": description} if description else {})
    spec = {
        "pipelineInfo": info,
        "schemaVersion": SCHEMA,
        "sdkVersion": "waterflow",
        "root": {
            "inputDefinitions": {"parameters": parameters.declarations(planning)},
            "dag": {"tasks": scopes.root.tasks},
        },
        "components": components,
        "deploymentSpec": {"executors": executors},
    }
    return Compiled(
        spec=spec, kubernetes=kubernetes, control=control, planning=planning, name=name, tags=tags
    )


def _tasks(planning: KfpPlanning, scopes: Scopes, step: spec.Step) -> Mapping[str, StepTask]:
    """Add what a step is to its DAG, and return its tasks by name."""
    if has_jobs(step):
        return map_tasks(planning, scopes, step)
    return {planning.native[step.name]: step_task(planning, scopes, step)}


def _row(planning: KfpPlanning, step: spec.Step) -> PlannedJob:
    row = planning.dialect.row(planning.pipeline.name, step)
    return replace(row, notes=(_EACH, *row.notes)) if has_jobs(step) else row


def _check_order(dag: Dag, planning: KfpPlanning) -> None:
    """Refuse tasks that wait for each other: all steps of a gate wait for what one of them needs.

    Raises:
        UnsupportedFeatureError: There are such.
    """
    waits = {name: task.get("dependentTasks") or () for name, task in dag.tasks.items()}
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        tasks: list[str] = error.args[1]
        step = next((s for s, task in planning.native.items() if task in tasks), tasks[0])
        raise UnsupportedFeatureError(
            step,
            f"a gate with steps before and after it: {', '.join(dict.fromkeys(tasks))} would wait "
            "for each other",
            planning.dialect.provider,
            "Put the steps that come after it behind a gate of their own, with the same condition.",
        ) from None
    for child in dag.children.values():
        _check_order(child, planning)


def _importer() -> dict[str, Any]:
    return {
        "executorLabel": naming.executor(naming.IMPORTER),
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": types.artifact_type(types.ARTIFACT)}},
    }


def _add_dags(dag: Dag, components: dict[str, Any]) -> None:
    for name, child in dag.children.items():
        components[naming.component(name)] = child.component()
        _add_dags(child, components)


def content(build: Build, spec: Any, document: Any) -> dict[str, Any]:
    """Return a document as plain data, for people and for comparisons.

    Args:
        build: What it was compiled from.
        spec: The native document.
        document: What it became.
    """
    return {
        "job": spec,
        **document.job_content(build),
        "schedule": build.spec.schedule,
        "parameters": document.encodings,
    }
