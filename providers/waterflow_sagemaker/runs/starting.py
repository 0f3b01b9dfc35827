"""Starting runs: each id once, whoever is ended or asks again in between."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ProviderError,
    TransientError,
)
from waterflow.provider import RUN_ID
from waterflow.spec.parameters import to_text
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.runs import records
from waterflow_sagemaker.runs.deployment import same_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow import spec
    from waterflow.cloud.document import CloudDocument
    from waterflow.provider import Build, Submission
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.document import SageMakerDocument
    from waterflow_sagemaker.runs.deployment import Deployment
    from waterflow_sagemaker.runs.storage import Storage

_DESCRIBED: Final = re.compile(r"waterflow run (?P<run>\S+)(?P<resumed>(?:, resumed as \S+)*)")
_DESCRIPTION: Final = 3072
"""Characters of an execution's description."""
_DISPLAY: Final = 82
"""Characters of an execution's display name."""
_SKEW: Final = timedelta(days=1)
"""How far the clocks of submitters may be off."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be started.

    Attributes:
        build: The pipeline, with its code.
        document: What it was compiled to.
        submission: How it is to run.
        tracking: `uri` and `experiment` of MLflow.
    """

    build: Build
    document: SageMakerDocument
    submission: Submission
    tracking: Mapping[str, str]


class Starting:
    """Starts the runs of one profile.

    Args:
        connections: The AWS clients.
        storage: The bucket.
        deployment: What brings pipelines to AWS.
    """

    def __init__(self, connections: Connections, storage: Storage, deployment: Deployment) -> None:
        self._connections, self._storage = connections, storage
        self._deployment = deployment

    def submit(
        self, order: Order, former: tuple[str, records.Record] | None = None
    ) -> records.Record | None:
        """Start a run, unless the same was started before under its id.

        Args:
            order: What is to be started.
            former: ARN and record of the run that it goes on from.

        Returns:
            Its record, where this very build is what was started; None where that is not known.

        Raises:
            ConfigurationError: The id cannot be used.
            ConflictError: Another pipeline, or other parameters, ran under the id; or the run that
                it goes on from cannot be gone on from like that.
            ProviderError: AWS refuses or fails.
        """
        submission, run_id = order.submission, order.submission.run_id
        if not RUN_ID.fullmatch(run_id):
            raise ConfigurationError(
                f"{run_id!r} cannot be a run's id: use letters, digits, '.', '_', '-'."
            )
        record = None if submission.fresh else records.read(self._storage, run_id)
        before = record is not None
        if record is None:
            record = self._recorded(order, former)
        if (record.digest, record.parameters, record.resumed) != (
            order.build.digest, dict(submission.parameters), submission.resume,
        ):  # fmt: skip
            raise ConflictError(
                f"Run '{run_id}' was started before with another pipeline or other parameters. "
                "Choose another id, or leave --run-id out",
                provider="sagemaker", operation="StartPipelineExecution",
            )  # fmt: skip
        if record.arn is None:
            arn = self.found(record) if before else None
            arn = arn or self._start(record, former[0] if former else None)
            record = replace(record, arn=arn)
            # Not waited for: without it, whoever looks finds the run by its description.
            threading.Thread(target=self._note, args=(record,)).start()
        return None if before or former else record

    def _note(self, record: records.Record) -> None:
        with contextlib.suppress(ProviderError):
            records.write(self._storage, record)

    def _recorded(self, order: Order, former: tuple[str, records.Record] | None) -> records.Record:
        """Bring the pipeline to AWS, and write down what is to be started of it."""
        document, submission = order.document, order.submission
        if former is None:
            native = native_parameters(document, submission.parameters)
            _check_parameters(document, native)
            _, version = self._deployment.deploy(order.build, document, cache=submission.cache)
        else:
            native, version = former[1].native, former[1].version
            self._check_resumable(document, submission, *former)
        record = records.Record(
            run=submission.run_id,
            pipeline=document.pipeline,
            digest=order.build.digest,
            version=version,
            parameters=dict(submission.parameters),
            native=native,
            tracking=dict(order.tracking),
            created=int(time.time() * 1000),
            resumed=submission.resume,
            tags=dict(document.tags),
        )
        if records.write_new(self._storage, record):
            return record
        return records.read(self._storage, submission.run_id) or record

    # --- the call -------------------------------------------------------------------------------

    def _start(self, record: records.Record, resumed: str | None) -> str:
        """Start what a record tells of; the token makes a second call find what the first did."""
        try:
            if resumed is not None:
                with translated("RetryPipelineExecution"):
                    self._connections.sagemaker.retry_pipeline_execution(
                        PipelineExecutionArn=resumed, ClientRequestToken=self._token(record)
                    )
                self._describe_resumed(record, resumed)
                return resumed
            with translated("StartPipelineExecution"):
                answer = self._connections.sagemaker.start_pipeline_execution(
                    PipelineName=record.pipeline,
                    PipelineVersionId=record.version,
                    PipelineExecutionDisplayName=_display_name(record.run),
                    PipelineExecutionDescription=f"waterflow run {record.run}",
                    PipelineParameters=[
                        {"Name": name, "Value": value} for name, value in record.native.items()
                    ],
                    ClientRequestToken=self._token(record),
                )
            return str(answer["PipelineExecutionArn"])
        except ProviderError as error:
            if not error.retryable and not _may_have_begun(error):
                records.remove(self._storage, record.run)  # nothing runs under the id
                raise
            raise TransientError(
                f"{error}. Whether run '{record.run}' was started is not known: submit it again "
                f"with --run-id {record.run}, and it is started once",
                provider=error.provider, operation=error.operation,
                native_code=error.native_code, retryable=True,
            ) from error  # fmt: skip

    def _describe_resumed(self, record: records.Record, arn: str) -> None:
        """Note in an execution's description that it goes on under another id; best effort."""
        with contextlib.suppress(ProviderError):
            self._note_resumed(record, arn)

    def _note_resumed(self, record: records.Record, arn: str) -> None:
        sagemaker = self._connections.sagemaker
        with translated("DescribePipelineExecution"):
            found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        text = found.get("PipelineExecutionDescription", "")
        more = f"{text}, resumed as {record.run}"
        if record.run not in run_ids(arn, text) and len(more) <= _DESCRIPTION:
            with translated("UpdatePipelineExecution"):
                sagemaker.update_pipeline_execution(
                    PipelineExecutionArn=arn, PipelineExecutionDescription=more
                )

    def _token(self, record: records.Record) -> str:
        """Return what makes two requests one: the record, of which there is one for each id."""
        place = self._storage.uri(record.run)
        return hashlib.sha256(
            f"{place} {record.created} {record.version} {record.resumed}".encode()
        ).hexdigest()

    # --- what was started before ----------------------------------------------------------------

    def found(self, record: records.Record) -> str | None:
        """Return the execution that was started for a record; None where none was.

        A token is good for a while only, and so no proof against a second start.
        """
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListPipelineExecutions.html
        since = datetime.fromtimestamp(record.created / 1000, UTC) - _SKEW
        for arn, _, text in self.executions(
            record.pipeline, **({} if record.resumed else {"CreatedAfter": since})
        ):
            if record.run in run_ids(arn, text):
                return arn
        return None

    def executions(self, pipeline: str, **which: Any) -> Iterator[tuple[str, Any, str]]:
        """Yield a pipeline's executions, newest first: ARN, start and description."""
        with translated("ListPipelineExecutions"):
            pages = self._connections.sagemaker.get_paginator("list_pipeline_executions")
            for page in pages.paginate(PipelineName=pipeline, **which):
                for one in page["PipelineExecutionSummaries"]:
                    yield (
                        one.get("PipelineExecutionArn", ""),
                        one.get("StartTime"),
                        one.get("PipelineExecutionDescription", ""),
                    )

    def _check_resumable(
        self, document: CloudDocument, submission: Submission, arn: str, former: records.Record
    ) -> None:
        """Refuse to go on from a run in a way that SageMaker does not: it repeats what failed.

        Raises:
            ConflictError: It has not failed, or what is to run is not what it ran.
        """
        sagemaker = self._connections.sagemaker
        with translated("DescribePipelineExecution"):
            found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        status = found.get("PipelineExecutionStatus", "")
        why = {
            "Succeeded": "has succeeded: there is nothing to go on with. Start a new run: leave "
            "--resume out",
            "Executing": f"is still running. Watch it: waterflow status {former.run}",
            "Stopping": f"is being stopped. Try again when it has: waterflow status {former.run}",
        }.get(status)
        if why is None:
            changed = sorted(
                name for name, value in submission.parameters.items()
                if former.parameters.get(name) != value
            )  # fmt: skip
            given = " ".join(f"-p {name}={_typed(former.parameters.get(name))}" for name in changed)
            with translated("DescribePipelineDefinitionForExecution"):
                definition = sagemaker.describe_pipeline_definition_for_execution(
                    PipelineExecutionArn=arn
                )["PipelineDefinition"]
            if not same_steps(json.loads(definition), document.definition):
                why = (
                    "ran another version of its code or of its settings, and SageMaker repeats "
                    "failed steps only as they were. Start a new run (leave --resume out): what "
                    "has not changed comes from the cache"
                )
            elif given:
                why = (
                    "ran with other parameters, and SageMaker repeats failed steps only as they "
                    f"were. Give it the same: {given}"
                )
        if why is not None:
            raise ConflictError(
                f"Run '{former.run}' {why}",
                provider="sagemaker", operation="RetryPipelineExecution",
            )  # fmt: skip


def run_ids(arn: str, description: str) -> list[str]:
    """Return the ids under which an execution is known, the latest first.

    Args:
        arn: The execution.
        description: Its description; a schedule gives it none, and its id is the execution's.
    """
    told = _DESCRIBED.fullmatch(description)
    if told is None:
        return [arn.rpartition("/")[2]]
    return [*reversed(told["resumed"].split(", resumed as ")[1:]), told["run"]]


def native_parameters(document: CloudDocument, values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as SageMaker takes them: text, in the encoding that was compiled.

    Args:
        document: The compiled pipeline.
        values: Every parameter's value.
    """
    found: dict[str, str] = {}
    for name, encoding in document.encodings.items():
        value = values[name]
        if encoding == "data":
            found[name] = document.none if value is None else document.data[value]
        elif encoding == "text" and isinstance(value, str):
            found[name] = value
        elif encoding == "number":
            found[name] = repr(float(value))
        else:
            found[name] = to_text(value)
    return found


def value_of(parameter: spec.Parameter, text: str) -> Any:
    """Return a parameter's value from the text that SageMaker was given for it."""
    if parameter.type == "data":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # for a container's command, texts travel as they are


def _check_parameters(document: CloudDocument, native: Mapping[str, str]) -> None:
    from waterflow_sagemaker.checks import submission_errors

    errors = submission_errors(document.definition, native)
    if errors:
        raise ConfigurationError(
            "SageMaker would not take these parameters:\n" + "\n".join(f"  {e}" for e in errors)
        )


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)


def _may_have_begun(error: ProviderError) -> bool:
    """Say whether a refusal may be that of a second try, after a first whose reply was lost."""
    answer: Any = getattr(error.__cause__, "response", None) or {}
    tries = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return bool(tries) and isinstance(error, AuthenticationError)


def _display_name(run_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", run_id)[:_DISPLAY].strip("-") or "run"
