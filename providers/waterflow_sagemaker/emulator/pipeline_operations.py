"""The service's operations on pipelines and their versions, one method each."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.emulation.clock import Clock, moment
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.tokens import TokenConflictError, Tokens
from waterflow_sagemaker.emulator import definition
from waterflow_sagemaker.emulator.caching import Cache
from waterflow_sagemaker.emulator.catalogue import Pipeline
from waterflow_sagemaker.emulator.errors import invalid, missing
from waterflow_sagemaker.emulator.execution_state import OPEN, Execution
from waterflow_sagemaker.emulator.executions import Engine, Runner
from waterflow_sagemaker.emulator.objects import ACCOUNT, Objects
from waterflow_sagemaker.emulator.paging import descending, page, within
from waterflow_sagemaker.emulator.step_kinds import CallbackKind, JobKind, ModelKind
from waterflow_sagemaker.limits import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_sagemaker.emulator.services import Services
    from waterflow_sagemaker.emulator.step_kinds import Jobs

_ID: Final = string.ascii_lowercase + string.digits

Request = dict[str, Any]
Response = dict[str, Any]


def operations(*names: str) -> dict[str, str]:
    """Return the operations of the service -> the methods that answer them."""
    return {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names}


class PipelineOperations:
    """All pipelines of the emulator's account.

    Args:
        jobs: What runs processing and training jobs.
        services: The emulator's other services.
        objects: S3.
        clock: The time.
        region: The region that ARNs name.
        retry_scale: What the waits of retry policies are multiplied with.
    """

    OPERATIONS: ClassVar[dict[str, str]] = operations(
        "CreatePipeline",
        "UpdatePipeline",
        "DescribePipeline",
        "DeletePipeline",
        "ListPipelines",
        "ListPipelineVersions",
        "UpdatePipelineVersion",
    )
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
        self._objects = objects or Objects(region)
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
                raise invalid(
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
                parallel=parallel_steps(request),
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
            pipeline.parallel = parallel_steps(request) or pipeline.parallel
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
            listed = within(named, request, lambda pipeline: pipeline.created)
            if request.get("SortBy") == "Name":
                listed.sort(key=lambda pipeline: pipeline.name)
            if descending(request):
                listed.reverse()
            some, token = page(listed, request)
            return {"PipelineSummaries": [pipeline.summary() for pipeline in some], **token}

    def list_pipeline_versions(self, request: Request) -> Response:
        """ListPipelineVersions."""
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            listed = within(pipeline.versions, request, lambda version: version.created)
            if descending(request):
                listed.reverse()
            some, token = page(listed, request)
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

    # --- what the operations share ----------------------------------------------------------------

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

    def _pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by name or ARN."""
        short = name.rpartition("pipeline/")[2]
        arn = f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:pipeline/{short}"
        if name != short and name.lower() != arn.lower():
            raise missing(f"Pipeline '{name}' does not exist.")  # it is another region's
        if short not in self._pipelines:
            raise missing(f"Pipeline '{arn}' does not exist.")
        return self._pipelines[short]

    def _of(self, pipeline: Pipeline) -> list[Execution]:
        return [one for one in self._executions.values() if one.pipeline == pipeline.name]

    def _definition(self, request: Request, *, required: bool = True) -> str | None:
        """Return the definition that a request gives, parsed once to refuse what is wrong."""
        text, place = request.get("PipelineDefinition"), request.get("PipelineDefinitionS3Location")
        if text is not None and place is not None:
            raise invalid(
                "PipelineDefinition and PipelineDefinitionS3Location cannot both be specified.",
            )
        if place is not None:
            data = self._objects.read(place["Bucket"], place["ObjectKey"])
            if data is None:
                raise invalid(
                    f"Unable to read s3://{place['Bucket']}/{place['ObjectKey']}: it does not "
                    "exist.",
                )
            text = data.decode()
        if text is None:
            if required:
                raise invalid(
                    "PipelineDefinition or PipelineDefinitionS3Location is required.",
                )
            return None
        most = DEFINITION.most
        if len(text) > most:
            raise invalid(
                f"The pipeline definition has {len(text)} characters; {most} are allowed.",
            )
        definition.parse(text)
        return text


def parallel_steps(request: Request) -> int | None:
    """Return how many steps a request lets run at once; None when it does not say."""
    return request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps")
