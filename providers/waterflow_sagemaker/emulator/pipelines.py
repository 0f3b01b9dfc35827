"""The service's operations on pipelines and their executions, one method each."""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import Clock, moment, written
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.tokens import TokenConflictError, Tokens
from waterflow_sagemaker.definition import parameters
from waterflow_sagemaker.definition.limits import BOUNDS
from waterflow_sagemaker.emulator import definition
from waterflow_sagemaker.emulator.caching import Cache
from waterflow_sagemaker.emulator.catalogue import Pipeline
from waterflow_sagemaker.emulator.execution_state import OPEN, Execution
from waterflow_sagemaker.emulator.executions import Engine, Runner
from waterflow_sagemaker.emulator.objects import ACCOUNT, Objects
from waterflow_sagemaker.emulator.paging import descending, page, within
from waterflow_sagemaker.emulator.resolution import ResolutionError, Scope
from waterflow_sagemaker.emulator.step_kinds import CallbackKind, JobKind, ModelKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_sagemaker.definition.document import Definition
    from waterflow_sagemaker.emulator.services import Services
    from waterflow_sagemaker.emulator.step_kinds import Jobs

_ID: Final = string.ascii_lowercase + string.digits

Request = dict[str, Any]
Response = dict[str, Any]


class Pipelines:
    """All pipelines of the emulator's account.

    Args:
        jobs: What runs processing and training jobs.
        services: The emulator's other services.
        objects: S3.
        clock: The time.
        region: The region that ARNs name.
        retry_scale: What the waits of retry policies are multiplied with.
    """

    OPERATIONS: ClassVar[dict[str, str]] = {
        name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for name in (
        "CreatePipeline", "UpdatePipeline", "DescribePipeline", "DeletePipeline", "ListPipelines",
        "ListPipelineVersions", "UpdatePipelineVersion", "DescribePipelineDefinitionForExecution",
        "StartPipelineExecution", "DescribePipelineExecution", "ListPipelineExecutions",
        "UpdatePipelineExecution", "ListPipelineParametersForExecution",
        "ListPipelineExecutionSteps", "StopPipelineExecution", "RetryPipelineExecution",
        "SendPipelineExecutionStepSuccess", "SendPipelineExecutionStepFailure",
        )
    }  # fmt: skip
    """The service's operations -> our methods."""

    def __init__(
        self,
        jobs: Jobs,
        services: Services,
        objects: Objects | None = None,
        clock: Clock | None = None,
        region: str = "us-east-1",
        retry_scale: float = 1.0,
    ) -> None:
        self._callbacks = CallbackKind(services)
        self.clock = clock or Clock()
        self._objects = objects or Objects()
        self._engine = Engine(
            kinds={
                "Processing": JobKind("Processing", jobs),
                "Training": JobKind("Training", jobs),
                "Model": ModelKind(services, package=False),
                "RegisterModel": ModelKind(services, package=True),
                "Callback": self._callbacks,
            },
            objects=self._objects,
            clock=self.clock,
            cache=Cache(),
            retry_scale=retry_scale,
        )
        self._lock = self._engine.lock
        self._region = region
        self._pipelines: dict[str, Pipeline] = {}
        self._executions: dict[str, Execution] = {}
        self._runners: dict[str, Runner] = {}
        self._tokens = Tokens()

    # --- pipelines --------------------------------------------------------------------------------

    def create_pipeline(self, request: Request) -> Response:
        """CreatePipeline."""

        def act() -> Response:
            name = request["PipelineName"]
            if name in self._pipelines:
                raise ServiceError(
                    "ValidationException",
                    "Pipeline names must be unique within an AWS account and region. Pipeline with "
                    f"name ({name}) already exists.",
                )
            text = self._definition(request)
            assert text is not None  # noqa: S101  # only an update may lack one
            now = self.clock.now()
            pipeline = Pipeline(
                name=name,
                arn=f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:pipeline/{name}",
                role=request["RoleArn"],
                created=now,
                modified=now,
                display_name=request.get("PipelineDisplayName", name),
                description=request.get("PipelineDescription"),
                parallel=_parallel(request),
                tags=[dict(tag) for tag in request.get("Tags", [])],
            )
            pipeline.add(text, now, request.get("PipelineVersionAliases", []))
            self._pipelines[name] = pipeline
            return {"PipelineArn": pipeline.arn}

        with self._lock:
            return self._once("CreatePipeline", request, act)

    def update_pipeline(self, request: Request) -> Response:
        """UpdatePipeline; a definition makes a new version."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            text = self._definition(request, required=False)
            now = self.clock.now()
            if text is not None:
                pipeline.add(text, now, request.get("PipelineVersionAliases", []))
            pipeline.modified = now
            pipeline.role = request.get("RoleArn", pipeline.role)
            pipeline.display_name = request.get("PipelineDisplayName", pipeline.display_name)
            pipeline.description = request.get("PipelineDescription", pipeline.description)
            pipeline.parallel = _parallel(request) or pipeline.parallel
            return {"PipelineArn": pipeline.arn, "PipelineVersionId": pipeline.versions[-1].id}

    def describe_pipeline(self, request: Request) -> Response:
        """DescribePipeline."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            return pipeline.shown(pipeline.version(request))

    def delete_pipeline(self, request: Request) -> Response:
        """DeletePipeline, with its executions."""

        def act() -> Response:
            pipeline = self._pipeline(request["PipelineName"])
            executions = self._of(pipeline)
            if any(execution.status in OPEN for execution in executions):
                raise ServiceError(
                    "ConflictException",
                    f"Pipeline '{pipeline.arn}' has running executions. Stop them first.",
                )
            for execution in executions:
                del self._executions[execution.arn]
                self._runners.pop(execution.arn, None)
            del self._pipelines[pipeline.name]
            self._engine.cache.forget(pipeline.name)
            return {"PipelineArn": pipeline.arn}

        with self._lock:
            return self._once("DeletePipeline", request, act)

    def list_pipelines(self, request: Request) -> Response:
        """ListPipelines."""
        with self._lock:
            prefix = request.get("PipelineNamePrefix", "")
            named = [p for p in self._pipelines.values() if p.name.startswith(prefix)]
            if request.get("ManagedBy") == "AWS":
                named = []
            found = within(named, request, lambda pipeline: pipeline.created)
            if request.get("SortBy") == "Name":
                found.sort(key=lambda pipeline: pipeline.name)
            if descending(request):
                found.reverse()
            some, token = page(found, request)
            return {"PipelineSummaries": [pipeline.summary() for pipeline in some], **token}

    def list_pipeline_versions(self, request: Request) -> Response:
        """ListPipelineVersions."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            found = within(pipeline.versions, request, lambda version: version.created)
            if descending(request):
                found.reverse()
            some, token = page(found, request)
            summaries: list[Response] = []
            for version in some:
                summary = {
                    "PipelineArn": pipeline.arn,
                    "PipelineVersionId": version.id,
                    "CreationTime": moment(version.created),
                    **version.labels(),
                }
                if version.last_execution:
                    summary["LastExecutionPipelineExecutionArn"] = version.last_execution
                summaries.append(summary)
            return {"PipelineVersionSummaries": summaries, **token}

    def update_pipeline_version(self, request: Request) -> Response:
        """UpdatePipelineVersion."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineArn"])
            version = pipeline.version(request)
            version.display_name = request.get("PipelineVersionDisplayName", version.display_name)
            version.description = request.get("PipelineVersionDescription", version.description)
            aliases = request.get("PipelineVersionAliasOperations", {})
            pipeline.name_version(version, aliases.get("Add", []), aliases.get("Remove", []))
            return {"PipelineArn": pipeline.arn, "PipelineVersionId": version.id}

    # --- executions -------------------------------------------------------------------------------

    def start_pipeline_execution(self, request: Request) -> Response:
        """StartPipelineExecution."""
        if "SelectiveExecutionConfig" in request:
            raise ServiceError(
                "ValidationException",
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
            role=pipeline.role,
            parameters=values,
            display_name=request.get("PipelineExecutionDisplayName", f"execution-{now * 1e3:.0f}"),
            created=now,
            modified=now,
            description=request.get("PipelineExecutionDescription"),
            parallel=_parallel(request) or pipeline.parallel,
        )
        variables = {
            "PipelineName": pipeline.name,
            "PipelineArn": pipeline.arn,
            "PipelineExecutionId": identity,
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": written(now),
            "CurrentDateTime": written(now),
        }
        scope = Scope(values, variables, {}, _nothing, self._engine.read)
        execution.experiment = scope.resolve(parsed.experiment)
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
            found = self._execution(request)
            return {"PipelineDefinition": found.definition, "CreationTime": moment(found.created)}

    def list_pipeline_executions(self, request: Request) -> Response:
        """ListPipelineExecutions."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            found = within(self._of(pipeline), request, lambda execution: execution.created)
            if "PipelineVersionAlias" in request:
                version = pipeline.version(request).id
                found = [execution for execution in found if execution.version == version]
            if request.get("SortBy") == "PipelineExecutionArn":
                found.sort(key=lambda execution: execution.arn)
            if descending(request):
                found.reverse()
            some, token = page(found, request)
            return {"PipelineExecutionSummaries": [one.summary() for one in some], **token}

    def update_pipeline_execution(self, request: Request) -> Response:
        """UpdatePipelineExecution."""
        with self._lock:
            found = self._execution(request)
            found.display_name = request.get("PipelineExecutionDisplayName", found.display_name)
            found.description = request.get("PipelineExecutionDescription", found.description)
            found.parallel = _parallel(request) or found.parallel
            found.modified = self.clock.now()
            return {"PipelineExecutionArn": found.arn}

    def list_pipeline_parameters_for_execution(self, request: Request) -> Response:
        """ListPipelineParametersForExecution."""
        with self._lock:
            values = self._execution(request).parameters
            some, token = page(list(values.items()), request)
            found = [{"Name": name, "Value": parameters.text(value)} for name, value in some]
            return {"PipelineParameters": found, **token}

    def list_pipeline_execution_steps(self, request: Request) -> Response:
        """ListPipelineExecutionSteps: those that were started, the latest first."""
        with self._lock:
            execution = self._execution(request)
            labels = definition.labels(execution.definition)
            found = list(execution.steps.values())
            if descending(request):
                found.reverse()
            some, token = page(found, request)
            steps = [run.shown(labels.get(run.name, {})) for run in some]
            return {"PipelineExecutionSteps": steps, **token}

    def stop_pipeline_execution(self, request: Request) -> Response:
        """StopPipelineExecution."""

        def act() -> Response:
            execution = self._execution(request)
            if execution.status == "Executing":
                self._runners[execution.arn].stop()
            elif execution.status != "Stopping":
                raise ServiceError(
                    "ValidationException",
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
                raise ServiceError(
                    "ValidationException",
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
            execution.parallel = _parallel(request) or execution.parallel
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

    def _once(self, operation: str, request: Request, act: Callable[[], Response]) -> Response:
        """Answer a request, doing it only the first time that its token is seen.

        Raises:
            ServiceError: ConflictException: the token came with another request before.
        """
        others = {key: value for key, value in request.items() if key != "ClientRequestToken"}
        try:
            return self._tokens.once(operation, request.get("ClientRequestToken"), others, act)
        except TokenConflictError as error:
            raise ServiceError(
                "ConflictException",
                f"The ClientRequestToken '{error.token}' was already used by a {operation} "
                "request with other parameters.",
            ) from None

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

    def _pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by name or ARN."""
        short = name.rpartition("pipeline/")[2]
        if short not in self._pipelines:
            arn = f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:pipeline/{short}"
            raise ServiceError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
        return self._pipelines[short]

    def _execution(self, request: Request) -> Execution:
        arn = request.get("PipelineExecutionArn", "")
        if arn not in self._executions:
            raise ServiceError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
        return self._executions[arn]

    def _of(self, pipeline: Pipeline) -> list[Execution]:
        return [one for one in self._executions.values() if one.pipeline == pipeline.name]

    def _definition(self, request: Request, *, required: bool = True) -> str | None:
        """Return the definition that a request gives, parsed once to refuse what is wrong."""
        text, place = request.get("PipelineDefinition"), request.get("PipelineDefinitionS3Location")
        if text is not None and place is not None:
            raise ServiceError(
                "ValidationException",
                "PipelineDefinition and PipelineDefinitionS3Location cannot both be specified.",
            )
        if place is not None:
            found = self._objects.read(place["Bucket"], place["ObjectKey"])
            if found is None:
                raise ServiceError(
                    "ValidationException",
                    f"Unable to read s3://{place['Bucket']}/{place['ObjectKey']}: it does not "
                    "exist.",
                )
            text = found.decode()
        if text is None:
            if required:
                raise ServiceError(
                    "ValidationException",
                    "PipelineDefinition or PipelineDefinitionS3Location is required.",
                )
            return None
        most = BOUNDS["Definition"].most or 0
        if len(text) > most:
            raise ServiceError(
                "ValidationException",
                f"The pipeline definition has {len(text)} characters; {most} are allowed.",
            )
        definition.parse(text)
        return text


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
        raise ServiceError("ValidationException", "; ".join(violations))
    return values


def _parallel(request: Request) -> int | None:
    return request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps")


def _nothing(step: str, name: str) -> bytes:
    raise ResolutionError(f"step '{step}' has not run: property file '{name}' is not there yet")
