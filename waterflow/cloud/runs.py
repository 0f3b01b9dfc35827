"""The runs of one profile: found again from anywhere, watched, stopped."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.cloud.parameters import value_of
from waterflow.cloud.records import BuildRecord, Record
from waterflow.cloud.starting import Former, Order, Starter
from waterflow.cloud.states import conclude, run_state
from waterflow.errors import ConflictError, NotFoundError, ProviderError, UnknownNameError
from waterflow.provider import RUN_ID, Lineage
from waterflow.provider.state import RunState, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.records import Records
    from waterflow.cloud.service import Service
    from waterflow.cloud.states import NativeRun, NativeStep

_RECENT: Final = 100
"""Executions among which a mistyped run is looked for."""
_SLOWER: Final = 1.3
"""Factor by which the pause between two looks at a run grows."""
_SLOWEST: Final = 6
"""How many times the first pause the longest is."""


@dataclass(frozen=True)
class Execution:
    """What is known of a run for good.

    Attributes:
        run: The run's id.
        native: Its execution, as the cloud names it.
        id: The short id by which its jobs know it.
        pipeline: The pipeline's name, as the user wrote it.
        spec: The spec that it runs.
        natives: The native document's steps by native name.
        build: What was kept of the build when it was deployed.
        record: How it was submitted; None for one that a schedule started.
    """

    run: str
    native: str
    id: str
    pipeline: str
    spec: spec.Pipeline
    natives: Mapping[str, NativeStep]
    build: BuildRecord
    record: Record | None

    def step_of(self, run: NativeRun) -> spec.Step | None:
        """Return the spec's step that a native one runs; None for a condition."""
        native = self.natives.get(run.native)
        return None if native is None or native.step is None else self.spec.step(native.step)


@dataclass(frozen=True)
class Look:
    """One look at a run.

    Attributes:
        execution: The run.
        state: Its state; a copy for whoever is handed it.
        steps: What the cloud tells of its steps, by native name.
    """

    execution: Execution
    state: RunState
    steps: Mapping[str, NativeRun]

    def native_run(self, step: str) -> NativeRun | None:
        """Return what the cloud tells of a step of the spec; None where it has not begun."""
        for run in self.steps.values():
            native = self.execution.natives.get(run.native)
            if native is not None and native.step == step:
                return run
        return None


@dataclass(frozen=True)
class _Latest:
    """The latest look at a run, and when the next one is due."""

    look: Look
    pause: float
    due: float


class Runs:
    """The runs of one profile.

    Args:
        service: The cloud.
        bucket: The bucket.
        records: The records in it.
        starter: What starts them.
        poll: Seconds between two looks at a run, at first.
        where: Where they run, in words, for messages: "a pipeline 'x-...' in eu-central-1".
    """

    def __init__(
        self,
        service: Service[Any],
        bucket: Bucket,
        records: Records,
        starter: Starter,
        poll: float,
        where: str,
    ) -> None:
        self.service, self.bucket, self.poll = service, bucket, poll
        self._records, self._starter, self._where = records, starter, where
        self._known: dict[str, Execution] = {}
        self._origins: dict[str, str] = {}
        self._latest: dict[str, _Latest] = {}
        self._looking = threading.RLock()

    # --- starting -------------------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        """Start a run, unless the same was started before under its id.

        Raises:
            ConfigurationError: The cloud would not take its parameters.
            ConflictError: Another pipeline, or other parameters, ran under the id; or the run that
                it goes on from cannot be gone on from like that.
            NotFoundError: There is no run to go on from.
            ProviderError: The cloud refuses or fails.
        """
        former, resume = None, order.submission.resume
        if resume is not None:
            execution = self.execution(resume)
            if execution.record is None:
                raise ConflictError(
                    f"Run '{resume}' was started by a schedule. Start a new run: leave "
                    "--resume out; what has not changed comes from the cache",
                    provider=self.service.provider,
                    operation="resume run",
                )
            former = Former(execution.native, execution.record)
            self._latest.pop(resume, None)
        record = self._starter.submit(order, former)
        if record is not None and record.execution is not None:
            # What the first look would ask for is known.
            build, document = order.build, order.document
            self._known[record.run] = Execution(
                run=record.run,
                native=record.execution,
                id=self.service.short_id(record.execution),
                pipeline=build.spec.name,
                spec=build.spec,
                natives=self.service.natives(document.definition),
                build=BuildRecord.of(build, record.tags),
                record=record,
            )

    # --- finding --------------------------------------------------------------------------------

    def execution(self, run_id: str) -> Execution:
        """Return what is known of a run, wherever it was started.

        Args:
            run_id: The run's id; for one that a schedule started, the execution's short id.

        Raises:
            NotFoundError: There is no such run.
        """
        known = self._known.get(run_id)
        if known is None:
            record = self._records.read(run_id) if RUN_ID.fullmatch(run_id) else None
            native = self._started(record) if record is not None else self._by_short_id(run_id)
            known = self._load(run_id, native, record) if native is not None else None
            if known is None:
                raise UnknownNameError(
                    f"There is no run '{run_id}' of {self._where}. List them: waterflow runs.",
                    name=run_id,
                    known=self._names(),
                    provider=self.service.provider,
                    operation="find run",
                )
            self._known[run_id] = known
        return known

    def _started(self, record: Record) -> str:
        """Return the execution of a submitted run."""
        if record.execution is not None:
            return record.execution
        # Its submitter is at it, or was ended between starting it and noting so.
        native = self._starter.search(record)
        if native is None:
            raise NotFoundError(
                f"Run '{record.run}' was submitted, but has not been started: its submitter is "
                f"still at it, or was ended. Submit it again with --run-id {record.run}: it is "
                "started once",
                provider=self.service.provider,
                operation="find run",
            )
        self._records.replace(replace(record, execution=native))
        return native

    def _by_short_id(self, short_id: str) -> str | None:
        for listed in self.service.executions():
            if self.service.short_id(listed.execution) == short_id:
                return listed.execution
        return None

    def _names(self) -> list[str]:
        """Return the ids of the latest runs, of which one may have been meant."""
        return [name for one in islice(self.service.executions(), _RECENT) for name in one.runs]

    def _load(self, run_id: str, native: str, record: Record | None) -> Execution | None:
        """Read what an execution runs; None for one that is none of this profile's."""
        definition = self.service.definition(native)
        origin = self.service.origin(definition)
        name = None if origin is None else self.bucket.name(origin.build)
        if origin is None or name is None:
            return None
        content = self.bucket.get(name)
        if content is None:
            raise NotFoundError(
                f"The spec of run '{run_id}' is no longer at {origin.build}. Look at it in the "
                f"console of {self.service.title}",
                provider=self.service.provider,
                operation="find run",
            )
        build = BuildRecord.from_json(content)
        pipeline = spec.decode(build.spec)
        return Execution(
            run=run_id,
            native=native,
            id=self.service.short_id(native),
            pipeline=pipeline.name,
            spec=pipeline,
            natives=self.service.natives(definition),
            build=build,
            record=record,
        )

    def deployed(self, pipeline: str) -> spec.Pipeline | None:
        """Return the spec that a native pipeline has now; None where there is none of ours.

        Raises:
            ProviderError: The cloud cannot be asked.
        """
        build = self.deployed_build(pipeline)
        return None if build is None else spec.decode(build.spec)

    def deployed_build(self, pipeline: str) -> BuildRecord | None:
        """Return what is kept of the build that a native pipeline is now; None for others' ones.

        Raises:
            ProviderError: The cloud cannot be asked.
        """
        definition = self.service.deployed(pipeline)
        origin = None if definition is None else self.service.origin(definition)
        name = None if origin is None else self.bucket.name(origin.build)
        content = None if name is None else self.bucket.get(name)
        return None if content is None else BuildRecord.from_json(content)

    def runs(self) -> Iterator[Look]:
        """Yield the runs of the profile's pipelines, newest first."""
        for listed in self.service.executions():
            for run_id in listed.runs:
                if run_id not in self._known:
                    record = self._records.read(run_id)
                    try:
                        known = self._load(run_id, listed.execution, record)
                    except NotFoundError:
                        break  # its spec is no longer in the bucket
                    if known is None:
                        break
                    self._known[run_id] = known
                yield self.look(run_id)

    def former(self, run_id: str) -> str | None:
        """Return the run of the same native pipeline before one; None where there is none."""
        execution = self.execution(run_id)
        natives = self.service.executions(execution.build.tags.get("waterflow.native_pipeline"))
        earlier = dropwhile(lambda one: one.execution != execution.native, natives)
        former = next(islice(earlier, 1, None), None)
        return None if former is None else former.runs[0]

    def lineage(self, run_id: str) -> Lineage:
        """Return where a run comes from."""
        execution = self.execution(run_id)
        record, files = execution.record, {"requirements.lock": execution.build.lock}
        for name, place in (record.files if record is not None else {}).items():
            content = self.bucket.get(place)
            if content is not None:
                files[name] = content.decode(errors="replace")
        return Lineage(
            tags=record.tags if record is not None else execution.build.tags,
            files=files,
            experiment=record.tracking.get("experiment", "") if record is not None else "",
        )

    def parameters(self, execution: Execution) -> dict[str, Any]:
        """Return the values of a run's parameters; those of a schedule's run as the cloud's are."""
        if execution.record is not None:
            return execution.record.parameters
        declared = execution.spec.parameters
        values = {name: parameter.default for name, parameter in declared.items()}
        for name, text in self.service.parameters(execution.native).items():
            if name in declared:
                values[name] = value_of(declared[name], text)
        return values

    def origin(self, execution: Execution, run: NativeRun) -> str | None:
        """Return the run that has done the work of a cached step; None where nobody says."""
        if not run.origin or run.origin == execution.id:
            return None
        if run.origin not in self._origins:
            try:
                listed = self.service.sibling(execution.native, run.origin)
            except ProviderError:
                return run.origin
            self._origins[run.origin] = next(iter(listed.runs), run.origin)
        return self._origins[run.origin]

    # --- watching -------------------------------------------------------------------------------

    def look(self, run_id: str) -> Look:
        """Return a run's state: one call while it runs, none before the next look is due."""
        with self._looking:  # a watcher and the sender of its tracking: one look serves both
            latest = self._latest.get(run_id)
            if latest is None or not (
                latest.look.state.status.final or time.monotonic() < latest.due
            ):
                latest = self._looked_at(self.execution(run_id), latest)
                self._latest[run_id] = latest
            return latest.look

    def _looked_at(self, execution: Execution, before: _Latest | None) -> _Latest:
        steps = self.service.steps(execution.native)
        state = self._state(execution, steps)
        if not any(run.status is Status.RUNNING for run in steps.values()):
            outcome = self.service.outcome(execution.native)
            if conclude(state, outcome):
                # Steps may have begun and ended between the two looks.
                steps = self.service.steps(execution.native)
                state = self._state(execution, steps)
                conclude(state, outcome)
        pause = self.poll if before is None else min(before.pause * _SLOWER, self.poll * _SLOWEST)
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - so that watchers do not ask in step
        look = Look(execution, state, steps)
        return _Latest(look, pause, time.monotonic() + pause * jitter)

    def _state(self, execution: Execution, steps: Mapping[str, NativeRun]) -> RunState:
        links = {name: self.service.job_link(run) for name, run in steps.items()}
        state = run_state(
            execution.run,
            execution.pipeline,
            [step.name for step in execution.spec.steps],
            execution.natives,
            steps,
            links,
        )
        starts = [run.started for run in steps.values() if run.started is not None]
        record = execution.record
        state.started = record.created if record else min(starts, default=None)
        state.execution = execution.id
        state.url = self.service.link(execution.native)
        return state

    def cancel(self, run_id: str) -> None:
        """Stop a run; one that has ended stays as it is."""
        execution = self.execution(run_id)
        self._forget(run_id)
        if self.look(run_id).state.status.final:
            return
        try:
            self.service.stop(execution.native)
        except ProviderError:
            self._forget(run_id)
            if not self.look(run_id).state.status.final:  # it has not ended just now
                raise
        self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        self._latest.pop(run_id, None)
