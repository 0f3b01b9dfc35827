"""One step as SageMaker runs it: the native step of its job, and what lies in its control input."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.control import LAUNCH, control_digest
from waterflow.cloud.document import Control
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.job import leaves
from waterflow.spec.quantities import show_duration
from waterflow_sagemaker import limits
from waterflow_sagemaker.machines import as_training
from waterflow_sagemaker.translation import attempts as attempting
from waterflow_sagemaker.translation import mounts as mounting
from waterflow_sagemaker.translation import requests
from waterflow_sagemaker.translation.containers import command
from waterflow_sagemaker.translation.control import programs
from waterflow_sagemaker.translation.mounts import Mount, Mounts
from waterflow_sagemaker.translation.naming import REGISTERED_AT

if TYPE_CHECKING:
    from waterflow_sagemaker.translation.branching import PlacedStep
    from waterflow_sagemaker.translation.planning import SageMakerPlanning, StepPlan

MARGIN: Final = 900
"""Seconds beyond a step's own time: installing its libraries, and ending well."""
RETRIES: Final = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 10, "BackoffRate": 2.0, "MaxAttempts": 5,
    },
    {
        "ExceptionType": [
            "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
        ],
        "IntervalSeconds": 60, "BackoffRate": 2.0, "MaxAttempts": 5,
    },
]  # fmt: skip
"""Faults of the infrastructure only: a step's own retries are made by the runtime in the job.
https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html"""


@dataclass
class Native:
    """What a placed step has become.

    Attributes:
        step: The step of the definition.
        control: What its jobs are given besides their inputs; None for a program.
    """

    step: dict[str, Any]
    control: Control | None = None


@dataclass
class _JobParts:
    """The parts of a job that differ between our launcher and a program of the user's."""

    entrypoint: list[Any]
    arguments: list[Any]
    mounts: list[Mount]
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: list[str] = field(default_factory=list[str])
    control: Control | None = None
    attempts: str | None = None


def native_step(planning: SageMakerPlanning, placed: PlacedStep) -> Native:
    """Return a step of the definition.

    Args:
        planning: The pipeline and its settings.
        placed: The step at one of its places.

    Raises:
        UnsupportedFeatureError: SageMaker cannot honour a setting.
        DefinitionError: An argument is too long.
    """
    plan = planning.plan(placed.step.name)
    step = planning.without_static(placed.step)
    mounts = mounting.collect(
        step,
        plan.kind,
        placed.sources,
        planning.kind_of,
        planning.is_raw,
        planning.address,
        planning.pipeline.parameters,
    )
    if isinstance(step.run, spec.Container):
        job = _program(planning, plan, step, step.run, mounts)
    else:
        job = _launched(planning, plan, step, mounts)
    mounting.check_count(step.name, plan.kind, len(job.mounts))
    _check_arguments(planning, step, [*job.entrypoint, *job.arguments])
    _check_environment(step, plan, job.environment)
    native: dict[str, Any] = {
        "Name": placed.native,
        "Type": "Training" if plan.kind == "training" else "Processing",
        "Arguments": _arguments(planning, plan, placed, job),
    }
    if placed.after:
        native["DependsOn"] = list(placed.after)
    native["CacheConfig"] = planning.caching(step)
    native["RetryPolicies"] = RETRIES
    if plan.keys and plan.kind == "processing":
        native["PropertyFiles"] = [
            {"PropertyFileName": "values", "OutputName": "artifacts", "FilePath": "values.json"}
        ]
    return Native(native, job.control)


# --- what runs in the job -----------------------------------------------------------------------


def _launched(
    planning: SageMakerPlanning, plan: StepPlan, step: spec.Step, mounts: Mounts
) -> _JobParts:
    """Return the job of a step that our launcher starts."""
    shared = planning.launch(step, plan.python, plan.libraries, mounts.inputs, mounts.producers)
    launch: dict[str, Any] = {"version": 1, "job": plan.kind, **shared}
    environment: dict[str, Any] = {}
    planning.mlflow.add_to(launch, planning.build, step)
    if isinstance(step.run, spec.Register):
        environment[REGISTERED_AT] = {"Get": "Execution.StartDateTime"}
    document = planning.step_document(step)
    attempts = None
    if plan.kind == "processing":
        attempts = attempting.output_name(attempting.take_out(document))
    digest = control_digest(launch, document, planning.build.code(step.name), programs())
    base = mounting.TRAINING_INPUT if plan.kind == "training" else mounting.PROCESSING_INPUT
    first = [Mount("control", f"{base}/control", planning.uri(f"control/{digest}/"))]
    if plan.libraries.wheels is not None:
        first.append(
            Mount("wheels", f"{base}/wheels", planning.uri(f"wheels/{plan.libraries.wheels}/"))
        )
    control = Control(digest=digest, source=step.name, launch=launch, step=document)
    arguments = [
        _joined(f"--{'text' if planning.is_plain(source.name) else 'param'}={name}=", source.name)
        for name, source in leaves(step)
        if isinstance(source, spec.FromParameter)
        and planning.pipeline.parameters[source.name].type != "data"
    ]
    entrypoint = ["python3", f"{base}/control/{LAUNCH}"]
    return _JobParts(
        entrypoint,
        arguments,
        [*first, *mounts.mounts],
        environment,
        control=control,
        attempts=attempts,
    )


def _program(
    planning: SageMakerPlanning,
    plan: StepPlan,
    step: spec.Step,
    run: spec.Container,
    mounts: Mounts,
) -> _JobParts:
    """Return the job of a step that is a program in an image."""
    parts = command(planning.pipeline.parameters, plan.kind, step, run, mounts)
    outputs = sorted(step.outputs)
    if len(outputs) >= limits.OUTPUTS.most:
        raise UnsupportedFeatureError(
            step.name,
            f"{len(outputs)} outputs of a container step",
            "sagemaker",
            f"A processing job has {limits.OUTPUTS.most} outputs, of which one is Waterflow's. "
            "Write several results into the folder of one output.",
        )
    variables: dict[str, Any] = dict(sorted(step.environment.variables.items()))
    return _JobParts(parts[:1], parts[1:], mounts.mounts, variables, outputs)


def _joined(before: str, parameter: str) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": [before, {"Get": f"Parameters.{parameter}"}]}}


# --- the request --------------------------------------------------------------------------------


def _arguments(
    planning: SageMakerPlanning, plan: StepPlan, placed: PlacedStep, job: _JobParts
) -> dict[str, Any]:
    step = placed.step
    base = {
        "Std:Join": {
            "On": "/",
            "Values": [
                planning.uri("runs"),
                {"Get": "Execution.PipelineExecutionId"},
                placed.native,
            ],
        }
    }
    stopping = _seconds(step, plan)
    if plan.kind == "processing":
        return requests.processing(
            plan,
            job.entrypoint,
            job.arguments,
            job.mounts,
            _processing_outputs(base, job, placed.native, planning),
            job.environment,
            stopping,
        )
    checkpoint = None
    if step.resources.spot and job.control is not None:
        checkpoint = planning.uri(f"checkpoints/{job.control.digest}")
    return requests.training(
        plan,
        job.entrypoint,
        job.arguments,
        job.mounts,
        base,
        job.environment,
        stopping,
        metrics=_metrics(step, plan),
        instances=step.resources.instances,
        spot=step.resources.spot,
        wait=planning.settings.spot_wait,
        checkpoint=checkpoint,
    )


def _metrics(step: spec.Step, plan: StepPlan) -> list[dict[str, str]]:
    """Return what SageMaker reads out of a training job's log: the step's metrics, and our values.

    Names and expressions go to it as they are written. Which dialect it reads is nowhere said; the
    guide's examples, and all that is common to the usual dialects, are valid in Python as well:
    https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html

    Raises:
        UnsupportedFeatureError: More metrics, or a longer expression, than a job takes.
    """
    metrics = dict(step.metrics or {})
    for name, expression in metrics.items():
        if len(expression) > limits.EXPRESSION.most:
            raise UnsupportedFeatureError(
                step.name,
                f"the expression of metric '{name}' ({len(expression)} characters)",
                "sagemaker",
                f"An expression has at most {limits.EXPRESSION.most} characters. Shorten it.",
            )
    ours = {key: f"::waterflow-value:: {key}=([-+0-9.eE]+)" for key in plan.keys.values()}
    if len(metrics) + len(ours) > limits.METRICS.most:
        more = f" and {len(ours)} values that conditions read" if ours else ""
        raise UnsupportedFeatureError(
            step.name,
            f"{len(metrics)} metrics{more}",
            "sagemaker",
            f"A training job takes {limits.METRICS.most}. Define fewer, or log them with "
            "wf.log_metrics.",
        )
    return [
        {"Name": name, "Regex": expression} for name, expression in sorted((metrics | ours).items())
    ]


def _processing_outputs(
    base: dict[str, Any], job: _JobParts, native: str, planning: SageMakerPlanning
) -> list[dict[str, Any]]:
    """Return the outputs of a processing job.

    Our launcher fills one folder, and is told of its attempts by the name of another, which stays
    empty. A program is given a folder for each output, which it finds
    there; the output "artifacts" then is an empty folder, and says where the others begin.
    """

    def output(name: str, path: str, uri: Any) -> dict[str, Any]:
        place = {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}
        return {"OutputName": name, "S3Output": place}

    def beside(name: str) -> dict[str, Any]:
        values = [planning.uri("runs"), {"Get": "Execution.PipelineExecutionId"}, native, name]
        return {"Std:Join": {"On": "/", "Values": values}}

    if not job.outputs:
        natives = [output("artifacts", mounting.PROCESSING_OUTPUT, base)]
        if job.attempts is not None:
            natives.append(output(job.attempts, attempting.PATH, beside("attempts")))
        return natives
    natives = [output("artifacts", "/opt/ml/processing/artifacts", base)]
    for number, name in enumerate(job.outputs, 1):
        path = f"{mounting.PROCESSING_OUTPUT}/{name}"
        natives.append(output(f"output-{number}", path, beside(name)))
    return natives


def _seconds(step: spec.Step, plan: StepPlan) -> int:
    """Return how long a job may run: all attempts, the pauses between them, and a margin.

    Raises:
        UnsupportedFeatureError: Longer than a job of its kind can.
    """
    if step.timeout is None:
        return limits.PROCESSING_SECONDS.most  # by default the most of both kinds of jobs
    retry = step.retry
    try:
        pauses = sum(retry.delay * retry.backoff**number for number in range(retry.retries))
        seconds = math.ceil(step.timeout * (retry.retries + 1) + pauses + MARGIN)
    except OverflowError:
        seconds = limits.TRAINING_SECONDS.most * 1000
    longest = limits.SECONDS[plan.kind].most
    if seconds <= longest:
        return seconds
    other = (
        f" Or {as_training(step.name)}: such a job may run for "
        f"{limits.TRAINING_SECONDS.most // 86_400} days."
        if seconds <= limits.TRAINING_SECONDS.most
        else ""
    )
    raise UnsupportedFeatureError(
        step.name,
        f"timeout={show_duration(step.timeout)} with {retry.retries} retries "
        f"({show_duration(seconds)} in one job)",
        "sagemaker",
        f"A {plan.kind} job may run for {longest // 86_400} days. Ask for less, or for fewer "
        f"retries.{other}",
    )


# --- limits -------------------------------------------------------------------------------------


def _check_arguments(planning: SageMakerPlanning, step: spec.Step, arguments: list[Any]) -> None:
    number = len(arguments)
    if number > limits.ARGUMENTS.most:
        raise UnsupportedFeatureError(
            step.name,
            f"{number} arguments, of which a job has {limits.ARGUMENTS.most}",
            "sagemaker",
            "Give several parameters as one: a dict, or a file taken as wf.Data.",
        )
    for argument in arguments:
        if _has_line_break(planning, argument):
            raise DefinitionError(
                f"Step '{step.name}': SageMaker takes no line breaks in a command, and "
                f"{argument!r:.60} has one. Put the program into the image, or write it on one line"
            )
        length = _length(planning, argument)
        if length > limits.ARGUMENT.most:
            shown = argument if isinstance(argument, str) else argument["Std:Join"]["Values"][0]
            raise DefinitionError(
                f"Step '{step.name}': the argument that begins with {shown[:40]!r} has {length:,} "
                f"characters; SageMaker takes {limits.ARGUMENT.most} for each argument of a job. "
                "Put the value into a file and take it as wf.Data"
            )


def _has_line_break(planning: SageMakerPlanning, argument: Any) -> bool:
    """Say whether an argument has a line break, with the defaults of the parameters in it."""
    if isinstance(argument, str):
        return "\n" in argument or "\r" in argument
    if "Get" in argument:
        default = planning.plain_default(str(argument["Get"]).removeprefix("Parameters."))
        return _has_line_break(planning, default)
    return any(_has_line_break(planning, part) for part in argument["Std:Join"]["Values"])


def _length(planning: SageMakerPlanning, argument: Any) -> int:
    """Return an argument's length, with the defaults of the parameters in it."""
    if isinstance(argument, str):
        return len(argument)
    if "Get" in argument:
        return planning.default_length(str(argument["Get"]).removeprefix("Parameters."))
    return sum(_length(planning, part) for part in argument["Std:Join"]["Values"])


def _check_environment(step: spec.Step, plan: StepPlan, variables: dict[str, Any]) -> None:
    most = limits.VARIABLE[plan.kind].most
    if len(variables) > limits.VARIABLES.most:
        raise UnsupportedFeatureError(
            step.name,
            f"{len(variables)} environment variables of a container step",
            "sagemaker",
            f"A job has {limits.VARIABLES.most}. Put them into the image.",
        )
    for name, value in variables.items():
        if isinstance(value, str) and len(value) > most:
            raise DefinitionError(
                f"Step '{step.name}': the environment variable '{name}' of the container has "
                f"{len(value):,} characters; a {plan.kind} job takes {most}. Put it into the image"
            )
