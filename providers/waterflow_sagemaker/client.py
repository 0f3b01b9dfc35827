"""The runs of one profile: started once, found again from anywhere, watched, stopped."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.errors import ConflictError, NotFoundError, ProviderError
from waterflow.provider import RUN_ID
from waterflow.provider.state import RunState, Status
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.runs import records
from waterflow_sagemaker.runs.deployment import Deployment, describe_build, made_of
from waterflow_sagemaker.runs.starting import Starting, run_ids, value_of
from waterflow_sagemaker.runs.states import (
    NativeStep,
    StepRun,
    conclude,
    milliseconds,
    native_steps,
    run_state,
    step_run,
)
from waterflow_sagemaker.runs.storage import Storage
from waterflow_sagemaker.translation import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow.provider import Build
    from waterflow_sagemaker.connections import Connections
    from waterflow_sagemaker.document import SageMakerDocument
    from waterflow_sagemaker.runs.starting import Order

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
        build: What was written down when it was deployed: its lineage, lock file and data.
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
        self.starting = Starting(connections, self.storage, self.deployment)
        self._known: dict[str, Execution] = {}
        self._seen: dict[str, _Seen] = {}
        self._looking = threading.RLock()

    # --- starting -------------------------------------------------------------------------------

    def deploy(
        self, build: Build, document: SageMakerDocument, *, cache: bool = True
    ) -> tuple[str, int]:
        """Bring a pipeline to AWS without starting it; return its ARN and version.

        Raises:
            ProviderError: AWS refuses or fails.
        """
        return self.deployment.deploy(build, document, cache=cache)

    def deployed(self, name: str) -> tuple[str, spec.Pipeline] | None:
        """Return what a pipeline is now: how to call it, and its spec; None where there is none.

        Raises:
            ProviderError: AWS cannot be asked.
        """
        ours = made_of(self.deployment.deployed(name) or {})
        content = self.storage.get(self.storage.name(ours["build"])) if ours else None
        if content is None:
            return None
        return f"the deployed pipeline {name}", spec.decode(json.loads(content)["spec"])

    def submit(self, order: Order) -> None:
        """Start a run, unless the same was started before under its id.

        Raises:
            ConfigurationError: The id cannot be used.
            ConflictError: Another pipeline, or other parameters, ran under the id; or the run that
                it goes on from cannot be gone on from like that.
            NotFoundError: There is no run to go on from.
            ProviderError: AWS refuses or fails.
        """
        former, resume = None, order.submission.resume
        if resume is not None:
            found = self.execution(resume)
            if found.record is None:
                raise ConflictError(
                    f"Run '{resume}' was started by a schedule. Start a new run: leave "
                    "--resume out; what has not changed comes from the cache",
                    provider="sagemaker", operation="RetryPipelineExecution",
                )  # fmt: skip
            former = found.arn, found.record
            self._seen.pop(resume, None)
        record = self.starting.submit(order, former)
        if record is not None and record.arn is not None:
            # What the first look would ask for is known.
            build, document = order.build, order.document
            self._known[record.run] = Execution(
                record.run, record.arn, build.spec.name, build.spec,
                native_steps(document.definition), describe_build(build, document.tags), record,
            )  # fmt: skip

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
            record = records.read(self.storage, run_id) if RUN_ID.fullmatch(run_id) else None
            arn = self._started(record) if record is not None else self._find(run_id)
            known = self._load(run_id, arn, record) if arn is not None else None
            if known is None:
                raise NotFoundError(
                    f"There is no run '{run_id}' of a pipeline '{self._prefix}-...' in "
                    f"{self.settings.region}. List them: waterflow runs",
                    provider="sagemaker", operation="find run",
                )  # fmt: skip
            self._known[run_id] = known
        return known

    def _started(self, record: records.Record) -> str:
        """Return the execution of a submitted run."""
        if record.arn is not None:
            return record.arn
        # Its submitter is at it, or was ended between starting it and noting so.
        arn = self.starting.found(record)
        if arn is None:
            raise NotFoundError(
                f"Run '{record.run}' was submitted, but has not been started: its submitter is "
                f"still at it, or was ended. Submit it again with --run-id {record.run}: it is "
                "started once",
                provider="sagemaker", operation="find run",
            )  # fmt: skip
        records.write(self.storage, replace(record, arn=arn))
        return arn

    def _find(self, execution_id: str) -> str | None:
        for arn, _ in self._executions():
            if arn.rpartition("/")[2] == execution_id:
                return arn
        return None

    def _load(self, run_id: str, arn: str, record: records.Record | None) -> Execution | None:
        """Read what an execution runs; None for one that is none of this profile's."""
        definition = self.definition(arn)
        place = str(made_of(definition).get("build", ""))
        if not place.startswith(self.storage.uri("")):
            return None
        content = self.storage.get(self.storage.name(place))
        if content is None:
            raise NotFoundError(
                f"The spec of run '{run_id}' is no longer at {place}. Look at it in the "
                "console of SageMaker",
                provider="sagemaker", operation="GetObject",
            )  # fmt: skip
        build: dict[str, Any] = json.loads(content)
        pipeline = spec.decode(build["spec"])
        natives = native_steps(definition)
        return Execution(run_id, arn, pipeline.name, pipeline, natives, build, record)

    def definition(self, arn: str) -> dict[str, Any]:
        """Return the definition that an execution runs."""
        with translated("DescribePipelineDefinitionForExecution"):
            answer = self.connections.sagemaker.describe_pipeline_definition_for_execution(
                PipelineExecutionArn=arn
            )
        return json.loads(answer["PipelineDefinition"])

    @property
    def _prefix(self) -> str:
        return naming.pipeline_prefix(self.settings.prefix)

    def _executions(self) -> Iterator[tuple[str, str]]:
        """Yield the executions of all pipelines with the profile's prefix: ARN and description."""
        sagemaker, prefix = self.connections.sagemaker, self._prefix
        found: list[tuple[int, str, str]] = []
        with translated("ListPipelines"):
            pages = sagemaker.get_paginator("list_pipelines").paginate(PipelineNamePrefix=prefix)
            names = [one.get("PipelineName", "") for page in pages
                     for one in page["PipelineSummaries"]]  # fmt: skip
        # A prefix that ends in a hyphen would be no name to AWS.
        for name in (name for name in names if name.startswith(f"{prefix}-")):
            for arn, began, text in self.starting.executions(name):
                found.append((milliseconds(began) or 0, arn, text))
        for _, arn, text in sorted(found, reverse=True):
            yield arn, text

    def runs(self) -> Iterator[RunState]:
        """Yield the runs of the profile's pipelines, newest first."""
        for arn, text in self._executions():
            for run_id in run_ids(arn, text):
                if run_id not in self._known:
                    record = records.read(self.storage, run_id)
                    try:
                        known = self._load(run_id, arn, record)
                    except NotFoundError:
                        break  # its spec is no longer in the bucket
                    if known is None:
                        break
                    self._known[run_id] = known
                yield self.status(run_id)

    def parameters(self, found: Execution) -> dict[str, Any]:
        """Return the values of a run's parameters; those of a schedule's run as AWS had them."""
        if found.record is not None:
            return found.record.parameters
        values = {name: one.default for name, one in found.spec.parameters.items()}
        for name, text in self.native_parameters(found.arn).items():
            parameter = found.spec.parameters.get(name)
            if parameter is not None:
                values[name] = value_of(parameter, text)
        return values

    def native_parameters(self, arn: str) -> dict[str, str]:
        """Return an execution's parameters as SageMaker has them."""
        with translated("ListPipelineParametersForExecution"):
            pages = self.connections.sagemaker.get_paginator(
                "list_pipeline_parameters_for_execution"
            ).paginate(PipelineExecutionArn=arn)
            return {
                one["Name"]: one["Value"] for page in pages for one in page["PipelineParameters"]
            }

    # --- watching -------------------------------------------------------------------------------

    def status(self, run_id: str) -> RunState:
        """Return a run's state: one call while it runs, none before the next look is due."""
        with self._looking:  # a watcher and the sender of its tracking: one look serves both
            return self._look(run_id)

    def _look(self, run_id: str) -> RunState:
        seen = self._seen.get(run_id)
        if seen is not None and (seen.state.status.final or time.monotonic() < seen.due):
            return seen.state
        found = self.execution(run_id)
        listed = self.native_steps(found.arn)
        state = self._state(found, listed)
        if not any(one.status is Status.RUNNING for one in listed.values()):
            described = self._described(found)
            if conclude(state, described):
                # Steps may have begun and ended between the two looks.
                listed = self.native_steps(found.arn)
                state = self._state(found, listed)
                conclude(state, described)
        pause = self.settings.poll if seen is None else min(seen.pause * _SLOWER, self._slowest)
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - so that watchers do not ask in step
        self._seen[run_id] = _Seen(state, listed, pause, time.monotonic() + pause * jitter)
        return state

    def _state(self, found: Execution, listed: dict[str, StepRun]) -> RunState:
        state = run_state(
            found.run, found.pipeline, [step.name for step in found.spec.steps], found.natives,
            listed, self.settings.region,
        )  # fmt: skip
        starts = [one.started for one in listed.values() if one.started is not None]
        state.started = found.record.created if found.record else min(starts, default=None)
        state.execution = found.id
        state.url = self._link(found)
        return state

    def _described(self, found: Execution) -> Mapping[str, Any]:
        with translated("DescribePipelineExecution"):
            answer: Any = self.connections.sagemaker.describe_pipeline_execution(
                PipelineExecutionArn=found.arn
            )
        return answer

    def run_of(self, arn: str) -> str | None:
        """Return the id of the run that an execution was started for; None where AWS has none."""
        try:
            with translated("DescribePipelineExecution"):
                told = self.connections.sagemaker.describe_pipeline_execution(
                    PipelineExecutionArn=arn
                )
        except NotFoundError:
            return None
        return run_ids(arn, told.get("PipelineExecutionDescription", ""))[0]

    @property
    def _slowest(self) -> float:
        return self.settings.poll * 6

    def steps(self, run_id: str) -> dict[str, StepRun]:
        """Return a run's native steps, as of the last look."""
        with self._looking:
            self._look(run_id)
            return self._seen[run_id].steps

    def native_steps(self, arn: str) -> dict[str, StepRun]:
        """Return the steps of an execution by native name, as SageMaker lists them now."""
        with translated("ListPipelineExecutionSteps"):
            pages = self.connections.sagemaker.get_paginator(
                "list_pipeline_execution_steps"
            ).paginate(PipelineExecutionArn=arn, PaginationConfig={"PageSize": 100})
            own = arn.rpartition("/")[2]
            runs = [step_run(one, own) for p in pages for one in p["PipelineExecutionSteps"]]
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
        try:
            with translated("StopPipelineExecution"):
                self.connections.sagemaker.stop_pipeline_execution(
                    PipelineExecutionArn=found.arn, ClientRequestToken=uuid.uuid4().hex
                )
        except ProviderError:
            self._seen.pop(run_id, None)
            if not self.status(run_id).status.final:  # it has not ended just now
                raise
        self._seen.pop(run_id, None)
