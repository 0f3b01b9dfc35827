"""The emulator's pipelines: the operations on executions, one method each, and what is kept."""

from __future__ import annotations

import json
import secrets
import string
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import moment, written
from waterflow_sagemaker.definition import parameters
from waterflow_sagemaker.emulator import definition
from waterflow_sagemaker.emulator.catalogue import Pipeline
from waterflow_sagemaker.emulator.errors import invalid, missing
from waterflow_sagemaker.emulator.execution_state import Execution
from waterflow_sagemaker.emulator.executions import Runner
from waterflow_sagemaker.emulator.paging import descending, page, within
from waterflow_sagemaker.emulator.pipeline_operations import (
    PipelineOperations,
    operations,
    parallel_steps,
)
from waterflow_sagemaker.emulator.resolution import ResolutionError, Resolver

if TYPE_CHECKING:
    from waterflow_sagemaker.definition.document import Definition

_ID: Final = string.ascii_lowercase + string.digits

Request = dict[str, Any]
Response = dict[str, Any]


class Pipelines(PipelineOperations):
    """All pipelines of the emulator's account, with their executions."""

    OPERATIONS: ClassVar[dict[str, str]] = PipelineOperations.OPERATIONS | operations(
        "DescribePipelineDefinitionForExecution",
        "StartPipelineExecution",
        "DescribePipelineExecution",
        "ListPipelineExecutions",
        "UpdatePipelineExecution",
        "ListPipelineParametersForExecution",
        "ListPipelineExecutionSteps",
        "StopPipelineExecution",
        "RetryPipelineExecution",
        "SendPipelineExecutionStepSuccess",
        "SendPipelineExecutionStepFailure",
    )
    """The service's operations -> our methods."""

    def start_pipeline_execution(self, request: Request) -> Response:
        """StartPipelineExecution."""
        if "SelectiveExecutionConfig" in request:
            raise invalid(
                "Waterflow's emulator does not run selected steps of a pipeline: start it without "
                "SelectiveExecutionConfig.",
            )
        with self._lock:
            return self._once("StartPipelineExecution", request, lambda: self._start(request))

    def _start(self, request: Request) -> Response:
        pipeline = self._pipeline(request["PipelineName"])
        version = pipeline.version(request)
        parsed = definition.parse(version.definition)
        values = _values(parsed, request.get("PipelineParameters", []))
        now = self.clock.now()
        identity = "".join(secrets.choice(_ID) for _ in range(12))
        execution = Execution(
            id=identity,
            arn=f"{pipeline.arn}/execution/{identity}",
            pipeline=pipeline.name,
            pipeline_arn=pipeline.arn,
            version=version.id,
            definition=version.definition,
            role=request.get("RoleArn", pipeline.role),
            parameters=values,
            display_name=request.get("PipelineExecutionDisplayName", f"execution-{now * 1e3:.0f}"),
            created=now,
            modified=now,
            description=request.get("PipelineExecutionDescription"),
            parallel=parallel_steps(request) or pipeline.parallel,
        )
        variables = {
            "PipelineName": pipeline.name,
            "PipelineArn": pipeline.arn,
            "PipelineExecutionId": identity,
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": written(now),
            "CurrentDateTime": written(now),
        }
        resolver = Resolver(values, variables, {}, _nothing, self._engine.read)
        execution.experiment = resolver.resolve(parsed.experiment)
        mlflow = resolver.resolve(json.loads(version.definition).get("MlflowConfig") or {})
        if "MlflowExperimentName" in request:
            mlflow |= {"MlflowExperimentName": request["MlflowExperimentName"]}
        execution.mlflow = {name: text for name, text in mlflow.items() if text is not None}
        pipeline.last_run, version.last_execution = now, execution.arn
        self._executions[execution.arn] = execution
        self._drive(execution, parsed)
        return {"PipelineExecutionArn": execution.arn}

    def _drive(self, execution: Execution, parsed: Definition) -> None:
        runner = self._runners[execution.arn] = Runner(self._engine, execution, parsed)
        runner.start()

    def describe_pipeline_execution(self, request: Request) -> Response:
        """DescribePipelineExecution."""
        with self._lock:
            execution = self._execution(request)
            shown = execution.shown()
            for version in self._pipelines[execution.pipeline].versions:
                if version.id == execution.version and version.aliases:
                    shown["PipelineVersionAliases"] = list(version.aliases)
            return shown

    def describe_pipeline_definition_for_execution(self, request: Request) -> Response:
        """DescribePipelineDefinitionForExecution."""
        with self._lock:
            execution = self._execution(request)
            return {
                "PipelineDefinition": execution.definition,
                "CreationTime": moment(execution.created),
            }

    def list_pipeline_executions(self, request: Request) -> Response:
        """ListPipelineExecutions."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            listed = within(self._of(pipeline), request, lambda execution: execution.created)
            if "PipelineVersionAlias" in request:
                version = pipeline.version(request).id
                listed = [execution for execution in listed if execution.version == version]
            if request.get("SortBy") == "PipelineExecutionArn":
                listed.sort(key=lambda execution: execution.arn)
            if descending(request):
                listed.reverse()
            some, token = page(listed, request)
            return {"PipelineExecutionSummaries": [one.summary() for one in some], **token}

    def update_pipeline_execution(self, request: Request) -> Response:
        """UpdatePipelineExecution."""
        with self._lock:
            execution = self._execution(request)
            execution.display_name = request.get(
                "PipelineExecutionDisplayName", execution.display_name
            )
            execution.description = request.get(
                "PipelineExecutionDescription", execution.description
            )
            execution.parallel = parallel_steps(request) or execution.parallel
            execution.modified = self.clock.now()
            return {"PipelineExecutionArn": execution.arn}

    def list_pipeline_parameters_for_execution(self, request: Request) -> Response:
        """ListPipelineParametersForExecution."""
        with self._lock:
            values = self._execution(request).parameters
            some, token = page(list(values.items()), request)
            pairs = [{"Name": name, "Value": parameters.text(value)} for name, value in some]
            return {"PipelineParameters": pairs, **token}

    def list_pipeline_execution_steps(self, request: Request) -> Response:
        """ListPipelineExecutionSteps: those that were started, the latest first."""
        with self._lock:
            execution = self._execution(request)
            labels = definition.labels(execution.definition)
            runs = list(execution.steps.values())
            if descending(request):
                runs.reverse()
            some, token = page(runs, request)
            steps = [run.shown(labels.get(run.name, {})) for run in some]
            return {"PipelineExecutionSteps": steps, **token}

    def stop_pipeline_execution(self, request: Request) -> Response:
        """StopPipelineExecution."""

        def act() -> Response:
            execution = self._execution(request)
            if execution.status == "Executing":
                self._runners[execution.arn].stop()
            elif execution.status != "Stopping":
                raise invalid(
                    f"Pipeline execution with ARN {execution.arn} is {execution.status}. Only an "
                    "execution that is Executing can be stopped.",
                )
            return {"PipelineExecutionArn": execution.arn}

        with self._lock:
            return self._once("StopPipelineExecution", request, act)

    def retry_pipeline_execution(self, request: Request) -> Response:
        """RetryPipelineExecution: what has succeeded is kept, the rest is started again."""

        def act() -> Response:
            execution = self._execution(request)
            if execution.status not in ("Failed", "Stopped"):
                raise invalid(
                    f"Pipeline execution with ARN {execution.arn} is {execution.status}. Only an "
                    "execution that is Failed or Stopped can be retried.",
                )
            parsed = definition.parse(execution.definition)
            again = [run for run in execution.steps.values() if run.status != "Succeeded"]
            for run in again:
                execution.attempts_before[run.name] = run.attempts
                del execution.steps[run.name]
            execution.status, execution.reason = "Executing", ""
            execution.modified = self.clock.now()
            execution.parallel = parallel_steps(request) or execution.parallel
            self._drive(execution, parsed)
            return {"PipelineExecutionArn": execution.arn}

        with self._lock:
            return self._once("RetryPipelineExecution", request, act)

    def send_pipeline_execution_step_success(self, request: Request) -> Response:
        """SendPipelineExecutionStepSuccess."""
        outputs = {pair["Name"]: pair["Value"] for pair in request.get("OutputParameters", [])}
        return self._answer("SendPipelineExecutionStepSuccess", request, outputs)

    def send_pipeline_execution_step_failure(self, request: Request) -> Response:
        """SendPipelineExecutionStepFailure."""
        return self._answer("SendPipelineExecutionStepFailure", request, None)

    def _answer(self, operation: str, request: Request, outputs: dict[str, str] | None) -> Response:
        def act() -> Response:
            reason = request.get("FailureReason", "")
            return {
                "PipelineExecutionArn": self._callbacks.answer(
                    request["CallbackToken"], outputs, reason
                )
            }

        with self._lock:
            return self._once(operation, request, act)

    # --- the rest ---------------------------------------------------------------------------------

    def tags_of(self, arn: str) -> list[dict[str, str]] | None:
        """Return the tags of a pipeline, to be changed in place; None when it is none of ours."""
        with self._lock:
            for pipeline in self._pipelines.values():
                if pipeline.arn == arn:
                    return pipeline.tags
            return None

    def close(self) -> None:
        """Leave all executions as they are, when the emulator stops."""
        for runner in list(self._runners.values()):
            runner.close()

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON."""
        with self._lock:
            return {
                "pipelines": [pipeline.snapshot() for pipeline in self._pipelines.values()],
                "executions": [execution.snapshot() for execution in self._executions.values()],
                "cache": self._engine.cache.snapshot(),
                "tokens": self._tokens.snapshot(),
            }

    def restore(self, data: dict[str, Any]) -> None:
        """Take what a snapshot holds; an execution that ran then has failed, and can be retried."""
        with self._lock:
            pipelines = [Pipeline.restored(item) for item in data["pipelines"]]
            executions = [Execution.restored(item) for item in data["executions"]]
            self._pipelines = {pipeline.name: pipeline for pipeline in pipelines}
            self._executions = {execution.arn: execution for execution in executions}
            self._engine.cache.restore(data["cache"])
            self._tokens.restore(data["tokens"])

    def _execution(self, request: Request) -> Execution:
        arn = request.get("PipelineExecutionArn", "")
        if arn not in self._executions:
            raise missing(f"Pipeline execution '{arn}' does not exist.")
        return self._executions[arn]


def _values(parsed: Definition, pairs: list[dict[str, str]]) -> dict[str, Any]:
    """Return the typed value of every declared parameter.

    Args:
        parsed: The definition.
        pairs: `PipelineParameters` of StartPipelineExecution: names and values as text.

    Raises:
        ServiceError: ValidationException: an unknown name, a value of another type or beyond its
            limits, or no value and no default.
    """
    texts = {pair["Name"]: pair["Value"] for pair in pairs}
    values, violations = parameters.values_of(parsed.parameters, texts)
    if len(texts) < len(pairs):
        violations.append("PipelineParameters: found a name twice; names must be unique")
    if violations:
        raise invalid("; ".join(violations))
    return values


def _nothing(step: str, name: str) -> bytes:
    raise ResolutionError(f"step '{step}' has not run: property file '{name}' is not there yet")
