"""Vertex AI's answers to what `waterflow.cloud` asks of a cloud, by requests of google-auth."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp import reading, runtime_values
from waterflow_kfp.service import ROOT, SpecService

from waterflow.cloud.naming import entity
from waterflow.cloud.service import Listed, Start, Usage
from waterflow.cloud.states import NativeRun, Outcome
from waterflow.errors import ConflictError, NotFoundError, ProviderError
from waterflow.project import progress
from waterflow.provider.state import Status
from waterflow.spec.quantities import show_size
from waterflow_vertex import answers, billing
from waterflow_vertex.answers import TaskRun
from waterflow_vertex.examining import Examination, identity
from waterflow_vertex.logs import JobLogs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from waterflow import spec
    from waterflow.cloud.objects import Bucket
    from waterflow.data import Pinned
    from waterflow.provider import Check
    from waterflow_vertex.connections import Connections

CONSOLE: Final = "https://console.cloud.google.com/vertex-ai"
RUN: Final = "waterflow-run"
DOCUMENT: Final = "waterflow-document"
PLACE: Final = "waterflow-place"
"""Labels of a pipeline job that are noted at its start, outside of its document."""
LABEL: Final = 63
"""Characters of a label's value: https://cloud.google.com/vertex-ai/docs/general/labels"""
_ESCAPED: Final = {"_": "__", ".": "_1"}
_PLAIN: Final = {text: sign for sign, text in _ESCAPED.items()}
_NAME: Final = 60
"""Characters of a run's id in its job's id, which may have 128."""
_PAGE: Final = 100
_LISTED: Final = "name,displayName,labels,createTime"
"""What is read of listed jobs, of which each may have a document of a megabyte."""


class VertexService(SpecService):
    """Vertex AI, for one profile; an execution is named by its pipeline job's id.

    Args:
        connections: The ways to Google Cloud.
        bucket: The profile's bucket, where documents lie.
    """

    provider = "vertex"
    title = "Vertex AI"
    job_names = "pipelineJobs/%/tasks/%"
    SPEC, DIGITS = "pipelineSpec", 40

    def __init__(self, connections: Connections, bucket: Bucket) -> None:
        project = connections.settings.project
        super().__init__(bucket, f"in the console: {CONSOLE}/pipelines?project={project}")
        self._connections = connections
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._reasons: dict[str, str | None] = {}
        self._logs = JobLogs(connections)

    @property
    def place(self) -> str:
        """What tells the profile's jobs from others in the same project, as a label."""
        return hashlib.sha256(self._bucket.uri().encode()).hexdigest()[:16]

    # --- examining ------------------------------------------------------------------------------

    def identity(self) -> str | None:
        """Return whose the credentials are."""
        return identity(self._connections)

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at the project, its APIs, the bucket, the service accounts, quotas and secrets."""
        return Examination(self._connections).all(pipeline)

    # --- without asking -------------------------------------------------------------------------

    def link(self, execution: str) -> str:
        """Return the page of a pipeline job in the console."""
        settings = self._connections.settings
        return (
            f"{CONSOLE}/locations/{settings.region}/pipelines/runs/{execution}"
            f"?project={settings.project}"
        )

    def job_link(self, run: NativeRun) -> str | None:
        """Return the page of a task's custom job; of one that the cache answered, its origin's."""
        if not run.job:
            return None
        machines = run.machines if isinstance(run, TaskRun) else ()
        if not machines:
            return self.link(run.origin)
        settings = self._connections.settings
        return (
            f"{CONSOLE}/locations/{settings.region}/training/{machines[-1]}"
            f"?project={settings.project}"
        )

    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a task writes."""
        folder = run.folder if isinstance(run, TaskRun) else ""
        return f"{ROOT}/{folder}"

    def connect(self) -> None:
        """Make what several threads use."""
        self._connections.connect()

    # --- starting -------------------------------------------------------------------------------

    def job_id(self, run_id: str) -> str:
        """Return the id of the pipeline job of a run: of a prefix's runs, no two have the same.

        https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs/create
        """
        digest = hashlib.sha256(self._bucket.uri(run_id).encode()).hexdigest()[:12]
        name = entity(run_id.lower(), _NAME)
        return f"{name if name[0].isalpha() else f'run-{name}'}-{digest}"

    def _start(self, start: Start, definition: Mapping[str, Any]) -> str:
        name = self.job_id(start.run)
        if self._begun(name, start):
            return name
        body = self.job(definition, start.parameters, start.version, start.run)
        try:
            self._connections.vertex(
                "CreatePipelineJob", "POST", "pipelineJobs", body, query={"pipelineJobId": name}
            )
        except ProviderError as error:
            if error.retryable or not self._begun(name, start):
                raise
        return name

    def job(
        self,
        definition: Mapping[str, Any],
        parameters: Mapping[str, str],
        version: str,
        run_id: str | None,
    ) -> dict[str, Any]:
        """Return a PipelineJob as it is sent.

        Args:
            definition: The document.
            parameters: The native parameters' texts.
            version: What `deploy` returned.
            run_id: The run; None for those of a schedule.
        """
        definition = self.exact(definition, parameters)
        values = runtime_values.typed(self.spec_of(definition), parameters)
        labels = {DOCUMENT: version, PLACE: self.place}
        if run_id is not None:
            labels |= run_labels(run_id)
        config: Mapping[str, Any] = definition.get("runtimeConfig") or {}
        return {
            **definition,
            "labels": {**(definition.get("labels") or {}), **labels},
            "runtimeConfig": {
                **config,
                "parameterValues": {**(config.get("parameterValues") or {}), **values},
            },
        }

    def _begun(self, name: str, start: Start) -> bool:
        """Say whether a run's job is there.

        Raises:
            ConflictError: It is another run's.
        """
        try:
            labels = self._get(name).get("labels") or {}
        except NotFoundError:
            return False
        if labels.get(PLACE) != self.place or labels.get(DOCUMENT) != start.version:
            raise ConflictError(
                f"There is a pipeline job '{name}' in the project already, of another pipeline. "
                "Choose another id for the run: --run-id",
                provider=self.provider,
                operation="CreatePipelineJob",
            )
        return True

    # --- finding --------------------------------------------------------------------------------

    def _get(self, execution: str) -> Mapping[str, Any]:
        return self._connections.vertex("GetPipelineJob", "GET", f"pipelineJobs/{execution}")

    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the pipeline job whose id is made of a run's."""
        del pipeline, since
        name = self.job_id(run_id)
        try:
            self._get(name)
        except NotFoundError:
            return None
        return name

    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the jobs of a pipeline, or of all of the profile's, newest first."""
        wanted = f'labels.{PLACE}="{self.place}"'
        if pipeline is not None:
            wanted += f' AND display_name="{pipeline}"'
        query = {
            "filter": wanted,
            "orderBy": "create_time desc",
            "pageSize": _PAGE,
            "readMask": _LISTED,
        }
        for job in self._connections.listed("ListPipelineJobs", "pipelineJobs", query):
            yield _listed(job)

    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another job by its id."""
        del execution
        try:
            return _listed(self._get(short_id))
        except NotFoundError:
            return Listed(short_id, 0, (short_id,))

    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the document that a job runs; nothing for one that is not the profile's."""
        if execution not in self._definitions:
            labels = self._get(execution).get("labels") or {}
            ours = labels.get(PLACE) == self.place and DOCUMENT in labels
            self._definitions[execution] = self.document(str(labels[DOCUMENT])) if ours else {}
        return self._definitions[execution]

    def parameters(self, execution: str) -> dict[str, str]:
        """Return the texts of a job's parameters."""
        job = self._get(execution)
        values = (job.get("runtimeConfig") or {}).get("parameterValues") or {}
        return runtime_values.texts(job.get("pipelineSpec") or {"root": {}}, values)

    # --- watching -------------------------------------------------------------------------------

    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the tasks that a job has begun, or that the cache or a condition has ended."""
        spec = self.spec_of(self.definition(execution))
        tasks = {name: self._explained(task) for name, task in self._tasks(execution).items()}
        return dict(reading.native_runs(spec, tasks))

    def _explained(self, task: TaskRun) -> TaskRun:
        """Return a task that has failed with the reason that its job has left in the bucket.

        Vertex AI itself says of a job's own failure with which code it has exited.
        """
        if task.status is not Status.FAILED or not task.folder:
            return task
        if task.folder not in self._reasons:
            run, _, own = task.folder.rstrip("/").rpartition("/")
            # An item of a map has a mark of its own, by its task's id.
            names = (own.rpartition("_")[0], own)
            marks = (self._bucket.get(f"{ROOT}/{run}/{name}.failed.json") for name in names)
            mark = next(filter(None, marks), None)
            self._reasons[task.folder] = json.loads(mark)["reason"] if mark else None
        reason = self._reasons[task.folder]
        return task if reason is None else replace(task, failure=reason)

    def _tasks(self, execution: str) -> dict[str, TaskRun]:
        return answers.task_runs(self._get(execution), self._bucket.uri(ROOT))

    def outcome(self, execution: str) -> Outcome:
        """Return what a job as a whole is."""
        job = self._get(execution)
        state = answers.state(job)
        return Outcome(
            answers.STATES.get(state, Status.RUNNING),
            stopping=state == answers.STOPPING,
            started=answers.moment(job.get("startTime") or job.get("createTime")),
            changed=answers.moment(job.get("endTime")),
            failure=answers.failure(job.get("error")),
        )

    def usage(self, run: NativeRun) -> Sequence[Usage]:
        """Return the machines that Vertex AI bills for a task: those of all its custom jobs."""
        machines = run.machines if isinstance(run, TaskRun) else ()
        jobs = (
            self._connections.vertex("GetCustomJob", "GET", f"customJobs/{machine}")
            for machine in machines
        )
        return [usage for job in jobs for usage in billing.usage(job)]

    def stop(self, execution: str) -> None:
        """Ask that a job be cancelled."""
        name = f"pipelineJobs/{execution}:cancel"
        self._connections.vertex("CancelPipelineJob", "POST", name, {})

    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a task's custom jobs, as Cloud Logging has them."""
        if not isinstance(run, TaskRun):
            return
        if run.status is Status.CACHED and not run.machines:
            run = self._origin_of(run)
        yield from self._logs.lines(run, cursor, first_machine=first_machine)

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        """Yield the last lines of a task's that are for Waterflow, the latest first."""
        return self._logs.tail(run) if isinstance(run, TaskRun) else iter(())

    def _origin_of(self, run: TaskRun) -> TaskRun:
        """Return the task that did the work of one that the cache has answered."""
        if not run.origin:
            return run
        try:
            former = self._tasks(run.origin)
        except NotFoundError:
            return run
        return next((one for one in former.values() if one.job == run.job), run)

    # --- data -----------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy data that is in Cloud Storage, by Cloud Storage itself."""
        from waterflow_vertex.store import GCSStore, is_gcs

        if not is_gcs(pinned.uri):
            return False
        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        settings = self._connections.settings
        GCSStore(pinned.uri).copy(pinned, settings.bucket, f"{settings.prefix}/{folder}/")
        return True


def run_labels(run_id: str) -> dict[str, str]:
    """Return labels from which a run's id can be read back.

    A value has small letters, digits, `-` and `_`: `_a` is a great A, `_1` a dot, `__` itself.
    https://cloud.google.com/resource-manager/docs/labels-overview#requirements

    Args:
        run_id: The run's id.
    """
    text = "".join(
        _ESCAPED.get(sign) or (f"_{sign.lower()}" if sign.isupper() else sign) for sign in run_id
    )
    parts = [text[start : start + LABEL] for start in range(0, len(text), LABEL)]
    return {RUN if not number else f"{RUN}-{number}": part for number, part in enumerate(parts)}


def run_of(labels: Mapping[str, str]) -> str | None:
    """Return the run's id of a pipeline job's labels; None for one that a schedule has started."""
    if RUN not in labels:
        return None
    names = [RUN, *(f"{RUN}-{number}" for number in range(1, len(labels)))]
    text = "".join(labels.get(name, "") for name in names)
    return re.sub("_(.)", lambda match: _PLAIN.get(match[0]) or match[1].upper(), text)


def _listed(job: Mapping[str, Any]) -> Listed:
    name = str(job["name"]).rpartition("/")[2]
    run = run_of(job.get("labels") or {}) or name
    return Listed(name, answers.moment(job.get("createTime")) or 0, (run,))
