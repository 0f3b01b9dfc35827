"""SageMaker's answers to what `waterflow.cloud` asks of a cloud, by boto3."""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.service import Deployed, Listed, Origin, Service, Start, Usage
from waterflow.cloud.states import NativeRun, NativeStep, Outcome, milliseconds
from waterflow.data.stores import scheme_of
from waterflow.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    ProviderError,
)
from waterflow.project import progress
from waterflow.provider.state import Status
from waterflow.spec.quantities import show_size
from waterflow_sagemaker import answers, billing, limits, logs, readback
from waterflow_sagemaker.document import SageMakerDocument
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.examining import Examination
from waterflow_sagemaker.translation import naming
from waterflow_sagemaker.translation.naming import S3_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from waterflow import spec
    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.data import Pinned
    from waterflow.provider import Check
    from waterflow_sagemaker.connections import Connections

_RUN: Final = {
    "Executing": Status.RUNNING,
    "Stopping": Status.RUNNING,
    "Stopped": Status.CANCELLED,
    "Failed": Status.FAILED,
    "CompletedWithFailures": Status.FAILED,
    "Succeeded": Status.SUCCEEDED,
}


class SageMakerService(Service[SageMakerDocument]):
    """SageMaker, for one profile; an execution is named by its ARN.

    Args:
        connections: The AWS clients.
    """

    provider = "sagemaker"
    title = "SageMaker"
    job_names = "pipelines-%"

    def __init__(self, connections: Connections) -> None:
        self._connections, self._settings = connections, connections.settings
        self._prefix = naming.pipeline_prefix(self._settings.prefix)

    # --- examining ------------------------------------------------------------------------------

    def identity(self) -> str:
        """Return the ARN of who asks."""
        return Examination(self._connections).identity()

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at the roles, the images and the secrets that runs need."""
        return Examination(self._connections).all(pipeline)

    # --- without asking -------------------------------------------------------------------------

    def short_id(self, execution: str) -> str:
        """Return the id by which jobs know their execution: the last part of its ARN."""
        return execution.rpartition("/")[2]

    def link(self, execution: str) -> str:
        """Return the page of an execution in the console."""
        pipeline = execution.split("pipeline/")[1].partition("/")[0]
        return f"{self._console}#/pipelines/{pipeline}/executions/{self.short_id(execution)}"

    def job_link(self, run: NativeRun) -> str | None:
        """Return the page of a job in the console."""
        page = answers.PAGES.get(run.kind)
        return None if page is None else f"{self._console}#/{page}/{run.job}"

    @property
    def _console(self) -> str:
        region = self._settings.region
        return f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}"

    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a step writes."""
        below = f"{run.job}/output/model/" if run.kind == "TrainingJob" else ""
        return f"runs/{run.origin}/{run.native}/{below}"

    def origin(self, definition: Mapping[str, Any]) -> Origin | None:
        """Return what a definition says of its origin."""
        return readback.origin(definition)

    def natives(self, definition: Mapping[str, Any]) -> dict[str, NativeStep]:
        """Return the steps of a definition by native name."""
        return readback.natives(definition)

    def fingerprints(self, definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Return what SageMaker's cache knows the steps of a definition by."""
        return readback.fingerprints(definition)

    def renewed(
        self, definition: Mapping[str, Any], jobs: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Return a definition in which former results of some steps do not stand for them."""
        return readback.renewed(definition, jobs)

    def same_steps(self, definition: Mapping[str, Any], document: SageMakerDocument) -> bool:
        """Say whether an execution of a definition could go on as this document."""
        return readback.same_steps(definition, document.definition)

    def parameter_key(self, definition: Mapping[str, Any], name: str, text: str) -> str | None:
        """Return what tells a parameter's value from others."""
        return readback.parameter_key(definition, name, text)

    def declared(self, definition: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the texts of the defaults of a definition's parameters."""
        return readback.declared(definition)

    # --- deploying ------------------------------------------------------------------------------

    def connect(self) -> None:
        """Make the clients that several threads use: making one is not safe there."""
        self._connections.make("sagemaker")

    def check_parameters(self, document: SageMakerDocument, parameters: Mapping[str, str]) -> None:
        """Refuse parameters that SageMaker would refuse."""
        from waterflow_sagemaker.checks import check_submission

        check_submission(document.definition, parameters)

    def newest(self, pipeline: str) -> str | None:
        """Return the number of a pipeline's newest version; None when there is no pipeline."""
        answer = _unless_absent(
            "ListPipelineVersions",
            lambda: self._connections.sagemaker.list_pipeline_versions(
                PipelineName=pipeline, SortOrder="Descending", MaxResults=1
            ),
        )
        if answer is None:
            return None
        return str(answer["PipelineVersionSummaries"][0].get("PipelineVersionId", 1))

    def deploy(self, document: SageMakerDocument, newest: str | None, *, cache: bool) -> Deployed:
        """Create the pipeline, or update the newest version of it."""
        definition = document.definition if cache else readback.uncached(document.definition)
        request = document.request(
            json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
        )
        if newest is None:
            arn = self._created(request)
            if arn is not None:
                return Deployed(arn, "1")  # the first version is what it was created with
            newest = self.newest(document.pipeline)
        sagemaker = self._connections.sagemaker
        if newest is not None:
            with translated("DescribePipeline"):
                pipeline: Any = sagemaker.describe_pipeline(
                    PipelineName=document.pipeline, PipelineVersionId=int(newest)
                )
            if answers.is_same(pipeline, request):
                return Deployed(str(pipeline["PipelineArn"]), newest)
            before = json.loads(pipeline["PipelineDefinition"])
            self._check_ours(before, document)
            self._tag(str(pipeline["PipelineArn"]), before, document)
        with translated("UpdatePipeline"):
            answer = sagemaker.update_pipeline(
                **{key: value for key, value in request.items() if key != "Tags"}
            )
        return Deployed(answer["PipelineArn"], str(answer["PipelineVersionId"]))

    def _created(self, request: dict[str, Any]) -> str | None:
        """Create a pipeline and return its ARN; None when another submitter was faster."""
        try:
            with translated("CreatePipeline"):
                return self._connections.sagemaker.create_pipeline(**request)["PipelineArn"]
        except ProviderError:
            if self.newest(request["PipelineName"]) is None:
                raise
            return None

    def _check_ours(self, before: Mapping[str, Any], document: SageMakerDocument) -> None:
        """Refuse to change a pipeline that was made from elsewhere."""
        native = document.pipeline
        old, new = readback.about(before), readback.about(document.definition)
        if old.get("pipeline", new["pipeline"]) != new["pipeline"]:
            raise ConflictError(
                f"SageMaker's pipeline '{native}' is that of pipeline '{old['pipeline']}', and "
                f"'{new['pipeline']}' would have the same name there. Rename one of them, choose "
                "another prefix in the profile, or, if the pipeline was renamed, delete the old "
                f"one: aws sagemaker delete-pipeline --pipeline-name {native}",
                provider=self.provider,
                operation="UpdatePipeline",
            )
        place = f"s3://{document.bucket}/{document.prefix}/"
        if not str(old.get("build", "")).startswith(f"{place}builds/"):
            raise ConflictError(
                f"There is a pipeline '{native}' already, and it is not of this bucket and prefix "
                f"({place}). Choose another prefix in the profile, or delete it: "
                f"aws sagemaker delete-pipeline --pipeline-name {native}",
                provider=self.provider,
                operation="UpdatePipeline",
            )

    def _tag(self, arn: str, before: Mapping[str, Any], document: SageMakerDocument) -> None:
        """Bring a pipeline's tags to what the profile says; those that others set stay."""
        sagemaker = self._connections.sagemaker
        with translated("ListTags"):
            pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
            tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        changed: list[Any] = [
            {"Key": key, "Value": value}
            for key, value in document.resource_tags.items()
            if tags.get(key) != value
        ]
        kept = readback.about(document.definition)["tags"]
        old = readback.about(before).get("tags", ())
        dropped = [key for key in old if key in tags and key not in kept]
        if changed:
            with translated("AddTags"):
                sagemaker.add_tags(ResourceArn=arn, Tags=changed)
        if dropped:
            with translated("DeleteTags"):
                sagemaker.delete_tags(ResourceArn=arn, TagKeys=dropped)

    def deployed(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the definition that a pipeline has now; None when there is no such pipeline."""
        answer = _unless_absent(
            "DescribePipeline",
            lambda: self._connections.sagemaker.describe_pipeline(PipelineName=pipeline),
        )
        return None if answer is None else json.loads(answer["PipelineDefinition"])

    # --- starting -------------------------------------------------------------------------------

    def start(self, start: Start) -> str:
        """Start an execution, once for each token."""
        with translated("StartPipelineExecution"):
            answer = self._connections.sagemaker.start_pipeline_execution(
                PipelineName=start.pipeline,
                PipelineVersionId=int(start.version),
                PipelineExecutionDisplayName=answers.display_name(start.run),
                PipelineExecutionDescription=f"waterflow run {start.run}",
                PipelineParameters=[
                    {"Name": name, "Value": value} for name, value in start.parameters.items()
                ],
                ClientRequestToken=start.token,
            )
        return str(answer["PipelineExecutionArn"])

    def resume(self, execution: str, start: Start) -> str:
        """Have SageMaker repeat what failed in an execution, which stays the same one."""
        with translated("RetryPipelineExecution"):
            self._connections.sagemaker.retry_pipeline_execution(
                PipelineExecutionArn=execution, ClientRequestToken=start.token
            )
        with contextlib.suppress(ProviderError):  # the record in the bucket tells it too
            self._note_resumed(execution, start.run)
        return execution

    def _note_resumed(self, execution: str, run_id: str) -> None:
        """Note in an execution's description that it goes on under another id."""
        text = str(self._describe(execution).get("PipelineExecutionDescription", ""))
        more = f"{text}, resumed as {run_id}"
        if (
            run_id not in answers.run_ids(execution, text)
            and len(more) <= limits.EXECUTION_DESCRIPTION.most
        ):
            with translated("UpdatePipelineExecution"):
                self._connections.sagemaker.update_pipeline_execution(
                    PipelineExecutionArn=execution, PipelineExecutionDescription=more
                )

    def may_have_begun(self, error: ProviderError) -> bool:
        """Say whether a refusal may be that of a second try, after a first whose reply was lost."""
        answer: Any = getattr(error.__cause__, "response", None) or {}
        tries = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        return bool(tries) and isinstance(error, AuthenticationError)

    # --- finding --------------------------------------------------------------------------------

    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the execution whose description names a run.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListPipelineExecutions.html
        """
        filters = {} if since is None else {"CreatedAfter": since}
        for listed in self._list(pipeline, **filters):
            if run_id in listed.runs:
                return listed.execution
        return None

    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another execution of the same pipeline by its short id."""
        arn = f"{execution.rpartition('/')[0]}/{short_id}"
        try:
            answer = self._describe(arn)
        except NotFoundError:
            return Listed(arn, 0, (short_id,))
        text = str(answer.get("PipelineExecutionDescription", ""))
        return Listed(
            arn, milliseconds(answer.get("CreationTime")) or 0, answers.run_ids(arn, text)
        )

    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the executions of a pipeline, or of all with the profile's prefix, newest first."""
        if pipeline is not None:
            yield from self._list(pipeline)
            return
        with translated("ListPipelines"):
            pages = self._connections.sagemaker.get_paginator("list_pipelines").paginate(
                PipelineNamePrefix=self._prefix
            )
            names = [
                summary.get("PipelineName", "")
                for page in pages
                for summary in page["PipelineSummaries"]
            ]
        # A prefix that ends in a hyphen would be no name to AWS.
        listed = [
            one for name in names if name.startswith(f"{self._prefix}-") for one in self._list(name)
        ]
        yield from sorted(listed, key=lambda one: (one.started, one.execution), reverse=True)

    def _list(self, pipeline: str, **filters: Any) -> Iterator[Listed]:
        with translated("ListPipelineExecutions"):
            pages = self._connections.sagemaker.get_paginator("list_pipeline_executions")
            for page in pages.paginate(PipelineName=pipeline, **filters):
                for summary in page["PipelineExecutionSummaries"]:
                    arn = summary.get("PipelineExecutionArn", "")
                    text = summary.get("PipelineExecutionDescription", "")
                    started = milliseconds(summary.get("StartTime")) or 0
                    yield Listed(arn, started, answers.run_ids(arn, text))

    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the definition that an execution runs."""
        with translated("DescribePipelineDefinitionForExecution"):
            answer = self._connections.sagemaker.describe_pipeline_definition_for_execution(
                PipelineExecutionArn=execution
            )
        return json.loads(answer["PipelineDefinition"])

    def parameters(self, execution: str) -> dict[str, str]:
        """Return an execution's parameters as SageMaker has them."""
        with translated("ListPipelineParametersForExecution"):
            pages = self._connections.sagemaker.get_paginator(
                "list_pipeline_parameters_for_execution"
            ).paginate(PipelineExecutionArn=execution)
            return {
                parameter["Name"]: parameter["Value"]
                for page in pages
                for parameter in page["PipelineParameters"]
            }

    # --- watching -------------------------------------------------------------------------------

    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the steps of an execution by native name, as SageMaker lists them now."""
        own = self.short_id(execution)
        with translated("ListPipelineExecutionSteps"):
            pages = self._connections.sagemaker.get_paginator(
                "list_pipeline_execution_steps"
            ).paginate(PipelineExecutionArn=execution, PaginationConfig={"PageSize": 100})
            runs = [
                answers.native_run(step, own)
                for page in pages
                for step in page["PipelineExecutionSteps"]
            ]
        return {run.native: run for run in runs}

    def outcome(self, execution: str) -> Outcome:
        """Return what an execution as a whole is."""
        answer = self._describe(execution)
        status = answer["PipelineExecutionStatus"]
        return Outcome(
            _RUN[status],
            stopping=status == "Stopping",
            started=milliseconds(answer.get("CreationTime")),
            changed=milliseconds(answer.get("LastModifiedTime")),
            failure=answer.get("FailureReason"),
        )

    def _describe(self, execution: str) -> Mapping[str, Any]:
        with translated("DescribePipelineExecution"):
            answer: Any = self._connections.sagemaker.describe_pipeline_execution(
                PipelineExecutionArn=execution
            )
        return answer

    def usage(self, run: NativeRun) -> Sequence[Usage]:
        """Return the machines that SageMaker bills for a job, as it describes it."""
        sagemaker = self._connections.sagemaker
        if run.kind == "TrainingJob":
            with translated("DescribeTrainingJob"):
                training: Any = sagemaker.describe_training_job(TrainingJobName=run.job)
            return billing.of_training(training)
        if run.kind == "ProcessingJob":
            with translated("DescribeProcessingJob"):
                processing: Any = sagemaker.describe_processing_job(ProcessingJobName=run.job)
            return billing.of_processing(processing)
        return ()

    def stop(self, execution: str) -> None:
        """Ask that an execution be stopped."""
        with translated("StopPipelineExecution"):
            self._connections.sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=execution, ClientRequestToken=uuid.uuid4().hex
            )

    # --- logs -----------------------------------------------------------------------------------

    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a job's log streams, one stream after the other."""
        yield from logs.lines(self._connections.logs, run, cursor, first_machine=first_machine)

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        """Yield the last lines of a job's first machine."""
        return logs.tail(self._connections.logs, run)

    def shows(self, line: str) -> bool:
        """Say whether a line is for people, and no metric for SageMaker."""
        return logs.shows(line)

    # --- data -----------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy data that is in S3, by S3 itself."""
        if scheme_of(pinned.uri) not in S3_SCHEMES:
            return False
        from waterflow_sagemaker.store import S3Store

        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        settings = self._settings
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
            if settings.kms_key
            else {"ServerSideEncryption": "AES256"}
        )
        target = f"{settings.prefix}/{folder}/"
        S3Store(pinned.uri).copy(pinned, self._connections.s3, settings.bucket, target, encryption)
        return True


def _unless_absent(operation: str, call: Callable[[], Any]) -> Any:
    """Return what a call answers; None where what it asks for is not there."""
    try:
        with translated(operation):
            return call()
    except NotFoundError:
        return None
