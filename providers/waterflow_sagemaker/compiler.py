"""The compiler: a spec becomes a pipeline definition of SageMaker, one job a step; pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.document import build_key
from waterflow.cloud.job_tracking import JobTracking, Reach, job_tracking
from waterflow.cloud.settings import check_steps
from waterflow.errors import (
    DefinitionError,
    Gathering,
    UnsupportedFeatureError,
)
from waterflow.provider import PlannedJob
from waterflow.runs import lineage
from waterflow.spec.references import value_name
from waterflow_sagemaker import limits
from waterflow_sagemaker.document import SageMakerDocument, SchedulerSettings
from waterflow_sagemaker.machines import prices
from waterflow_sagemaker.translation import naming, parameters, steps
from waterflow_sagemaker.translation.branching import Layout, PlacedGate, copies, place
from waterflow_sagemaker.translation.comparisons import Term, constant, translate
from waterflow_sagemaker.translation.parameters import NUMERIC
from waterflow_sagemaker.translation.planning import SageMakerPlanning

if TYPE_CHECKING:
    from waterflow.cloud.document import Control, Encoding
    from waterflow.project.profile import Profile
    from waterflow.provider import Build
    from waterflow_sagemaker.profile import SageMakerSettings
    from waterflow_sagemaker.translation.branching import Decisions

VERSION: Final = "2020-12-01"
"""https://docs.aws.amazon.com/sagemaker/latest/dg/define-pipeline.html"""
REACH: Final = Reach("SageMaker", "arn:", "the ARN of a managed MLflow")


def compile_sagemaker(
    build: Build, settings: SageMakerSettings, profile: Profile
) -> SageMakerDocument:
    """Translate a pipeline into what is created on SageMaker.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        profile: The profile.

    Raises:
        UnsupportedFeatureError: SageMaker cannot honour a setting.
        ConfigurationError: The profile does not fit the pipeline.
        DefinitionError: A value is longer than SageMaker takes.
    """
    pipeline = build.spec
    errors = Gathering()
    with errors:
        check_steps(settings, pipeline, profile.name)
    with errors:
        _refuse_job_maps(pipeline)
    name = naming.pipeline_name(settings.prefix, pipeline.name)
    tags = lineage.tags(build, "sagemaker", profile.name)
    mlflow = JobTracking()
    with errors:
        mlflow = job_tracking(build, tags, REACH)
    encodings: dict[str, Encoding] = {}
    with errors:
        encodings = parameters.encodings(pipeline)
    parts: tuple[SageMakerPlanning, Layout] | None = None
    with errors:
        planning = SageMakerPlanning(build, settings, mlflow, encodings)
        parts = planning, place(pipeline)
    if parts is None:
        raise errors.together()
    planning, layout = parts
    kept = build_key(tags)
    translation = _Definition(planning, layout, errors)
    definition = translation.whole(profile, kept)
    errors.check()
    scheduler = None
    if pipeline.schedule is not None:
        scheduler = SchedulerSettings(
            group=naming.schedule_group(settings.prefix), role=settings.scheduler_role
        )
    document = SageMakerDocument(
        provider="sagemaker",
        content={},
        jobs=tuple(_jobs(planning, layout)),
        notes=tuple(_notes(planning)),
        pipeline=name,
        definition=definition,
        tags=tags | {"waterflow.native_pipeline": name, "waterflow.role": settings.role},
        build=kept,
        control=translation.control,
        wheelhouses=planning.pinner.wheelhouses,
        data={uri: planning.data(uri) for uri in build.data},
        copies={uri: key for uri in build.data if (key := planning.copy_of(uri)) is not None},
        none=planning.none,
        encodings=encodings,
        unsent=parameters.unsent(pipeline, encodings),
        region=settings.region,
        bucket=settings.bucket,
        prefix=settings.prefix,
        role=settings.role,
        resource_tags=dict(sorted({**settings.tags, "waterflow:pipeline": pipeline.name}.items())),
        description=" ".join(pipeline.description.split())[: limits.DESCRIPTION.most],
        parallel=settings.parallel,
        scheduler=scheduler,
    )
    return replace(document, content=_content(build, document))


def _content(build: Build, document: SageMakerDocument) -> dict[str, Any]:
    """Return a document as plain data, for people and for comparisons."""
    scheduler = document.scheduler
    return {
        "request": document.request(document.definition),
        **document.job_content(build),
        "schedule": scheduler and {"group": scheduler.group, "role": scheduler.role},
        "parameters": document.encodings,
    }


def check_size(document: SageMakerDocument) -> None:
    """Refuse a definition that is larger than SageMaker takes.

    Args:
        document: The compiled pipeline.

    Raises:
        DefinitionError: It is larger.
    """
    definition = document.definition
    size = len(json.dumps(definition, ensure_ascii=False, separators=(",", ":")))
    if size > limits.DEFINITION.most:
        number = len(definition["Metadata"]["waterflow"]["steps"])
        raise DefinitionError(
            f"Pipeline '{document.pipeline}': its definition has {size:,} characters for "
            f"{number} steps; SageMaker takes {limits.DEFINITION.most:,}. Take several steps "
            "together, let one step map over a list (wf.map), or make two pipelines of it"
        )


def _refuse_job_maps(pipeline: spec.Pipeline) -> None:
    for step in pipeline.steps:
        run = step.run
        if isinstance(run, spec.Function) and run.over is not None and run.fan_out == "jobs":
            raise UnsupportedFeatureError(
                step.name,
                'fan_out="jobs"',
                "sagemaker",
                "A pipeline of SageMaker has the jobs that its definition names. Use "
                'fan_out="processes": the items run inside one job.',
            )


# --- steps --------------------------------------------------------------------------------------


class _Definition:
    """Makes the steps of a definition, level by level; what is wrong with one lets others be."""

    def __init__(
        self,
        planning: SageMakerPlanning,
        layout: Layout,
        errors: Gathering,
    ) -> None:
        self._planning, self._layout, self._errors = planning, layout, errors
        self.control: dict[str, Control] = {}

    def whole(self, profile: Profile, build: str) -> dict[str, Any]:
        """Return the definition.

        Args:
            profile: The profile.
            build: The key of what is kept of the build.
        """
        planning, layout = self._planning, self._layout
        pipeline, level = planning.pipeline, self.level(())
        experiment = {"Get": "Execution.PipelineName"}
        return {
            "Version": VERSION,
            "Metadata": {
                "waterflow": {
                    "spec": planning.build.digest,
                    "build": planning.uri(build),
                    "pipeline": pipeline.name,
                    "tags": sorted(planning.settings.tags),
                    "steps": {one.native: one.step.name for one in layout.steps()},
                    "gates": {one.native: one.gate.name for one in layout.gates()},
                }
            },
            "Parameters": parameters.natives(planning),
            "PipelineExperimentConfig": {
                "ExperimentName": (
                    naming.entity(profile.experiment, limits.EXPERIMENT_NAME.most)
                    if profile.experiment
                    else experiment
                ),
                "TrialName": {"Get": "Execution.PipelineExecutionId"},
            },
            "Steps": level,
        }

    def level(self, path: Decisions) -> list[dict[str, Any]]:
        """Return the steps of one branch."""
        level: list[dict[str, Any]] = []
        for placed in self._layout.levels[path]:
            if isinstance(placed, PlacedGate):
                level.append(self._condition(placed))
                continue
            with self._errors:
                native = steps.native_step(self._planning, placed)
                level.append(native.step)
                if native.control is not None:
                    self.control[placed.native] = native.control
        return level

    def _condition(self, placed: PlacedGate) -> dict[str, Any]:
        gate = placed.gate
        behind = self._planning.behind(gate.name)
        conditions: list[dict[str, Any]] = []
        with self._errors:
            conditions = translate(
                gate.condition, lambda operand: self._term(operand, placed, behind), behind
            )
        return {
            "Name": placed.native,
            "Type": "Condition",
            "Arguments": {
                "Conditions": conditions,
                "IfSteps": self.level((*placed.path, (gate.name, True))),
                "ElseSteps": self.level((*placed.path, (gate.name, False))),
            },
        }

    def _term(self, operand: spec.Operand, placed: PlacedGate, behind: str) -> Term:
        """Return how SageMaker reads one side of a comparison."""
        if isinstance(operand, spec.FromValue):
            return constant(operand.value)
        if isinstance(operand, spec.FromParameter):
            return self._parameter(operand.name)
        return self._output(operand, placed, behind)

    def _parameter(self, name: str) -> Term:
        parameter = self._planning.pipeline.parameters[name]
        if parameter.static:
            return constant(parameter.default)
        get = {"Get": f"Parameters.{name}"}
        shown = f"parameter '{name}'"
        encoding = self._planning.encodings.get(name, "json")
        if encoding in NUMERIC:
            return Term("number", shown, number=get)
        if encoding == "text" and not parameter.optional:
            return Term("string", shown, plain=get)
        kind: Any = "number" if parameter.type in NUMERIC else parameter.type
        whole = parameter.type == "integer"
        return Term(kind, shown, text=get, whole=whole, optional=parameter.optional)

    def _output(self, operand: spec.FromStep, placed: PlacedGate, behind: str) -> Term:
        step = self._planning.steps[operand.step]
        if isinstance(step.run, spec.Container):
            raise UnsupportedFeatureError(
                behind,
                f"a condition on what the container step '{step.name}' writes",
                "sagemaker",
                "Let a Python step read it and return the value, and use that in the condition.",
            )
        name = value_name(operand)
        key = self._planning.keys(step.name)[name]
        native = placed.sources[step.name]
        value_type = step.outputs[operand.output].type
        if operand.key is not None:
            value_type = "number" if value_type == "metrics" else "any"
        kind: Any = "number" if value_type in NUMERIC else value_type
        if kind not in ("number", "boolean", "string"):
            kind = "any"
        shown = f"{step.name}.{name}"
        if self._planning.kind_of(step.name) == "training":
            number = {"Get": f"Steps.{native}.FinalMetricDataList['{key}'].Value"}
            return Term(kind, shown, number=None if kind == "string" else number)
        file = {"Get": f"Steps.{native}.PropertyFiles.values"}

        def entry(part: str) -> dict[str, Any]:
            return {"Std:JsonGet": {"PropertyFile": file, "Path": f"{key}.{part}"}}

        return Term(
            kind,
            shown,
            number=None if kind == "string" else entry("number"),
            text=entry("text"),
            plain=entry("plain") if kind in ("string", "any") else None,
            sort=entry("kind") if kind == "any" else None,
        )


# --- the plan -----------------------------------------------------------------------------------


def _jobs(planning: SageMakerPlanning, layout: Layout) -> list[PlannedJob]:
    natives = copies(layout)
    rows: list[PlannedJob] = []
    for step in planning.pipeline.steps:
        if step.name not in natives:
            continue
        plan = planning.plan(step.name)
        notes = list(plan.notes)
        times = len(natives[step.name])
        if times > 1:
            notes.append(f"compiled {times} times, into each branch in which it can run")
        rows.append(
            PlannedJob(
                step=step.name,
                kind=plan.kind,
                machine=plan.machine.type,
                price=plan.machine.price,
                notes=tuple(notes),
            )
        )
    return rows


def _notes(planning: SageMakerPlanning) -> list[str]:
    return [prices().note(planning.settings.region), *planning.unpinned_note()]
