"""The runs of one profile: started once, found again from anywhere, watched, stopped."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import ConfigurationError, ConflictError, NotFoundError
from waterflow.parameters import to_text
from waterflow.state import RunState, Status
from waterflow_sagemaker import naming, records
from waterflow_sagemaker.deployment import Deployment, lineage_tags
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.states import (
    NativeStep,
    StepRun,
    conclude,
    milliseconds,
    native_steps,
    run_state,
    step_run,
)
from waterflow_sagemaker.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow.provider import Build, Document, Submission
    from waterflow_sagemaker.connections import Connections

_RUN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}")
_DISPLAY: Final = 82
"""Characters of an execution's display name."""
_SLOWER: Final = 1.3
"""Factor by which the pause between two looks at a run grows."""
_LOCAL: Final = "sagemaker"
"""The folder below the project's state where answers that cannot change are kept."""


@dataclass
class Execution:
    """What is known of a run for good.

    Attributes:
        run: The run's id.
        arn: Its execution.
        pipeline: The pipeline's name, as the user wrote it.
        spec: The spec that it runs.
        natives: The definition's steps by native name.
        tags: Its lineage.
        record: How it was submitted; None for one that a schedule started.
    """

    run: str
    arn: str
    pipeline: str
    spec: spec.Pipeline
    natives: dict[str, NativeStep]
    build: dict[str, Any]
    record: records.Record | None

    @property
    def id(self) -> str:
        """The native execution id."""
        return self.arn.rpartition("/")[2]


@dataclass
class _Seen:
    """The last look at a run, and when the next one is due."""

    state: RunState
    steps: dict[str, StepRun]
    pause: float
    due: float


class Client:
    """The runs of one profile.

    Args:
        connections: The AWS clients.
        local: A local folder for what need not be asked again.
    """

    def __init__(self, connections: Connections, local: Path) -> None:
        self.connections = connections
        self.settings = connections.settings
        self.local = local / _LOCAL
        self.storage = Storage(connections)
        self.deployment = Deployment(connections, self.storage, local / "wheels")
        self._known: dict[str, Execution] = {}
        self._seen: dict[str, _Seen] = {}

    # --- starting -------------------------------------------------------------------------------

    def deploy(
        self, build: Build, document: Document, profile: str, *, cache: bool = True
    ) -> tuple[str, int]:
        """Bring a pipeline to AWS without starting it; return its ARN and version.

        Raises:
            ProviderError: AWS refuses or fails.
        """
        self.deployment.upload(build, document, lineage_tags(build, document, profile))
        return self.deployment.pipeline(document, cache=cache)

    def deployed(self, name: str) -> tuple[str, spec.Pipeline] | None:
        """Return what a pipeline is now: how to call it, and its spec; None where there is none.

        Raises:
            ProviderError: AWS cannot be asked.
        """
        definition = self.deployment.deployed(name)
        ours = ((definition or {}).get("Metadata") or {}).get("waterflow")
        content = self.storage.get(self.storage.name(ours["build"])) if ours else None
        if content is None:
            return None
        return f"the deployed pipeline {name}", spec.decode(json.loads(content)["spec"])

    def submit(
        self,
        build: Build,
        document: Document,
        submission: Submission,
        tracking: Mapping[str, str],
        profile: str,
    ) -> None:
        """Start a run, unless the same was started before under its id.

        Raises:
            ConfigurationError: The id cannot be used.
            ConflictError: Another pipeline, or other parameters, ran under the id.
            ProviderError: AWS refuses or fails.
        """
        run_id = submission.run_id
        if not _RUN_ID.fullmatch(run_id):
            raise ConfigurationError(
                f"{run_id!r} cannot be a run's id: use letters, digits, '.', '_', '-'."
            )
        record = records.read(self.storage, run_id)
        if record is None:
            native = native_parameters(document, submission.parameters)
            _check_parameters(document, native)
            _, version = self.deploy(build, document, profile, cache=submission.cache)
            record = records.Record(
                run=run_id,
                pipeline=document.content["request"]["PipelineName"],
                digest=build.digest,
                version=version,
                parameters=dict(submission.parameters),
                native=native,
                tracking=dict(tracking),
                created=int(time.time() * 1000),
                resumed=submission.resume,
            )
            if not records.write_new(self.storage, record):
                record = records.read(self.storage, run_id) or record
        if record.digest != build.digest or record.parameters != dict(submission.parameters):
            raise ConflictError(
                f"Run '{run_id}' was started before with another pipeline or other parameters. "
                "Choose another id, or leave --run-id out",
                provider="sagemaker", operation="StartPipelineExecution",
            )  # fmt: skip
        if record.arn is None:
            records.write(self.storage, replace(record, arn=self._start(record)))

    def _start(self, record: records.Record) -> str:
        """Start the run that a record tells of; the token makes a second call find the first."""
        token = _token(record.run)
        if record.resumed is not None:
            arn = self.execution(record.resumed).arn
            with translated("RetryPipelineExecution"):
                answer: Any = self.connections.sagemaker.retry_pipeline_execution(
                    PipelineExecutionArn=arn, ClientRequestToken=token
                )
        else:
            values = [{"Name": name, "Value": value} for name, value in record.native.items()]
            with translated("StartPipelineExecution"):
                answer = self.connections.sagemaker.start_pipeline_execution(
                    PipelineName=record.pipeline,
                    PipelineVersionId=record.version,
                    PipelineExecutionDisplayName=_display_name(record.run),
                    PipelineExecutionDescription=f"waterflow run {record.run}",
                    PipelineParameters=values,  # pyright: ignore[reportArgumentType]
                    ClientRequestToken=token,
                )
        return str(answer["PipelineExecutionArn"])

    # --- finding --------------------------------------------------------------------------------

    def execution(self, run_id: str) -> Execution:
        """Return what is known of a run, wherever it was started.

        Args:
            run_id: The run's id; for one that a schedule started, the execution's id.

        Raises:
            NotFoundError: There is no such run.
        """
        known = self._known.get(run_id)
        if known is None:
            record = records.read(self.storage, run_id) if _RUN_ID.fullmatch(run_id) else None
            arn = record.arn if record else self._find(run_id)
            if record is not None and arn is None:
                # Its submitter was ended between starting it and noting so: the token finds it.
                arn = self._start(record)
                records.write(self.storage, replace(record, arn=arn))
            if arn is None:
                raise NotFoundError(
                    f"There is no run '{run_id}' of a pipeline '{self.settings.prefix}-...' in "
                    f"{self.settings.region}. List them: waterflow runs",
                    provider="sagemaker", operation="find run",
                )  # fmt: skip
            known = self._known[run_id] = self._load(run_id, arn, record)
        return known

    def _find(self, execution_id: str) -> str | None:
        for arn, _ in self._executions():
            if arn.rpartition("/")[2] == execution_id:
                return arn
        return None

    def _load(self, run_id: str, arn: str, record: records.Record | None) -> Execution:
        with translated("DescribePipelineDefinitionForExecution"):
            answer = self.connections.sagemaker.describe_pipeline_definition_for_execution(
                PipelineExecutionArn=arn
            )
        definition: dict[str, Any] = json.loads(answer["PipelineDefinition"])
        ours: dict[str, Any] = definition["Metadata"]["waterflow"]
        content = self.storage.get(self.storage.name(ours["build"]))
        if content is None:
            raise NotFoundError(
                f"The spec of run '{run_id}' is no longer at {ours['build']}. Look at it in the "
                "console of SageMaker",
                provider="sagemaker", operation="GetObject",
            )  # fmt: skip
        build: dict[str, Any] = json.loads(content)
        pipeline = spec.decode(build["spec"])
        natives = native_steps(definition)
        return Execution(run_id, arn, pipeline.name, pipeline, natives, build, record)

    def _executions(self) -> Iterator[tuple[str, int]]:
        """Yield the executions of all of the profile's pipelines: ARN and start time."""
        sagemaker = self.connections.sagemaker
        found: list[tuple[int, str]] = []
        prefix = naming.entity(self.settings.prefix, naming.PIPELINE_LENGTH)
        with translated("ListPipelineExecutions"):
            listed = sagemaker.get_paginator("list_pipelines").paginate(PipelineNamePrefix=prefix)
            for page in listed:
                for pipeline in page["PipelineSummaries"]:
                    name = pipeline.get("PipelineName", "")
                    if not name.startswith(f"{prefix}-"):
                        continue
                    runs = sagemaker.get_paginator("list_pipeline_executions").paginate(
                        PipelineName=name
                    )
                    for some in runs:
                        for one in some["PipelineExecutionSummaries"]:
                            started = milliseconds(one.get("StartTime")) or 0
                            found.append((started, one.get("PipelineExecutionArn", "")))
        for started, arn in sorted(found, reverse=True):
            yield arn, started

    def runs(self) -> Iterator[RunState]:
        """Yield the runs of the profile's pipelines, newest first."""
        by_arn: dict[str, list[str]] = {}
        for name, _ in self.storage.names("submissions/"):
            run_id = name.removeprefix("submissions/").removesuffix(".json")
            record = self._record(run_id)
            if record is not None and record.arn is not None:
                by_arn.setdefault(record.arn, []).append(run_id)
        for arn, _ in self._executions():
            for run_id in sorted(by_arn.get(arn, [arn.rpartition("/")[2]]), reverse=True):
                if run_id not in self._known:
                    self._known[run_id] = self._load(run_id, arn, self._record(run_id))
                yield self.status(run_id)

    def _record(self, run_id: str) -> records.Record | None:
        known = self._known.get(run_id)
        return known.record if known is not None else records.read(self.storage, run_id)

    # --- watching -------------------------------------------------------------------------------

    def status(self, run_id: str) -> RunState:
        """Return a run's state: one call while it runs, none before the next look is due."""
        seen = self._seen.get(run_id)
        if seen is not None and (seen.state.status.final or time.monotonic() < seen.due):
            return seen.state
        found = self.execution(run_id)
        listed = self._steps(found)
        state = run_state(
            run_id, found.pipeline, [step.name for step in found.spec.steps], found.natives,
            listed, self.settings.region,
        )  # fmt: skip
        state.started = found.record.created if found.record is not None else None
        state.execution = found.id
        state.url = self._link(found)
        if not any(one.status is Status.RUNNING for one in listed.values()):
            with translated("DescribePipelineExecution"):
                answer = self.connections.sagemaker.describe_pipeline_execution(
                    PipelineExecutionArn=found.arn
                )
            conclude(state, answer)
        pause = self.settings.poll if seen is None else min(seen.pause * _SLOWER, self._slowest)
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - so that watchers do not ask in step
        self._seen[run_id] = _Seen(state, listed, pause, time.monotonic() + pause * jitter)
        return state

    @property
    def _slowest(self) -> float:
        return self.settings.poll * 6

    def steps(self, run_id: str) -> dict[str, StepRun]:
        """Return a run's native steps, as of the last look."""
        self.status(run_id)
        return self._seen[run_id].steps

    def _steps(self, found: Execution) -> dict[str, StepRun]:
        with translated("ListPipelineExecutionSteps"):
            pages = self.connections.sagemaker.get_paginator(
                "list_pipeline_execution_steps"
            ).paginate(PipelineExecutionArn=found.arn, PaginationConfig={"PageSize": 100})
            runs = [step_run(one, found.id) for p in pages for one in p["PipelineExecutionSteps"]]
        return {one.native: one for one in runs}

    def _link(self, found: Execution) -> str:
        region = self.settings.region
        name = found.arn.split("pipeline/")[1].partition("/")[0]
        return (
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}"
            f"#/pipelines/{name}/executions/{found.id}"
        )

    def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is."""
        found = self.execution(run_id)
        self._seen.pop(run_id, None)
        if self.status(run_id).status.final:
            return
        with translated("StopPipelineExecution"):
            self.connections.sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=found.arn, ClientRequestToken=_token(f"stop {found.arn}")
            )
        self._seen.pop(run_id, None)


def _check_parameters(document: Document, native: Mapping[str, str]) -> None:
    from waterflow_sagemaker.checks import submission_errors

    errors = submission_errors(document.content["request"]["PipelineDefinition"], native)
    if errors:
        raise ConfigurationError(
            "SageMaker would not take these parameters:\n" + "\n".join(f"  {e}" for e in errors)
        )


def native_parameters(document: Document, values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as SageMaker takes them: text, in the encoding that was compiled.

    Args:
        document: The compiled pipeline.
        values: Every parameter's value.
    """
    found: dict[str, str] = {}
    content = document.content
    for name, encoding in content["parameters"].items():
        value = values[name]
        if encoding == "data":
            found[name] = content["none"] if value is None else content["data"][value]
        elif encoding == "text" and isinstance(value, str):
            found[name] = value
        elif encoding == "number":
            found[name] = repr(float(value))
        else:
            found[name] = to_text(value)
    return found


def _token(text: str) -> str:
    return hashlib.sha256(f"waterflow {text}".encode()).hexdigest()


def _display_name(run_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", run_id)[:_DISPLAY].strip("-") or "run"
