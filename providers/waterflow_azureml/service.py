"""Azure ML's answers to what `waterflow.cloud` asks of a cloud, by requests of azure-core."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.document import CloudDocument
from waterflow.cloud.documents import Documents
from waterflow.cloud.naming import entity
from waterflow.cloud.service import Deployed, Listed, Origin, Service, Start, Usage
from waterflow.cloud.states import NativeRun, NativeStep, Outcome
from waterflow.errors import ConflictError, NotFoundError, ProviderError
from waterflow.project import progress
from waterflow.provider.state import Status
from waterflow.spec.quantities import show_size
from waterflow_azureml import answers, billing, logs, reading, wire
from waterflow_azureml.connections import (
    ARM_SCOPE,
    ENVIRONMENTS,
    ML_SCOPE,
    Connections,
)
from waterflow_azureml.examining import Examination
from waterflow_azureml.translation import naming, quoting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from waterflow import spec
    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.cloud.objects import Bucket
    from waterflow.data import Pinned
    from waterflow.provider import Check

CONSOLE: Final = "https://ml.azure.com"
DOCUMENT: Final = "waterflow.document"
PLACE: Final = "waterflow.place"
NATIVE: Final = "waterflow.native"
RUN: Final = "waterflow.run"
TOKEN: Final = "waterflow.token"  # noqa: S105 - the name of a property
"""What is noted in a job's properties, outside of its document."""
TAG: Final = "waterflow.build"
"""The tag that all jobs of Waterflow's have."""
DECISION: Final = "decision/decision.json"
"""Where a gate's job writes what it has decided, below its outputs."""
TRIGGERED: Final = "${{creation_context.trigger_time}}"
"""When a scheduled job is started, as Azure ML fills it in.
https://learn.microsoft.com/azure/machine-learning/how-to-schedule-pipeline-job"""
_CLEARED: Final = "waterflow: cleared foreign MLFLOW_"
_AT_ONCE: Final = 8
_NAME: Final = 60
"""Characters of a run's id in its job's name, which may have 255."""


class AzureMLService(Service[CloudDocument]):
    """Azure ML, for one profile; an execution is named by its job's name.

    Args:
        connections: The ways to Azure.
        bucket: The profile's bucket, where documents lie.
    """

    provider = "azureml"
    title = "Azure ML"
    job_names = "________-____-____-____-____________"

    def __init__(self, connections: Connections, bucket: Bucket) -> None:
        self._connections, self._bucket = connections, bucket
        self._documents = Documents(bucket, self.provider, f"in the studio: {CONSOLE}")
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._decisions: dict[str, bool | None] = {}

    # --- examining ------------------------------------------------------------------------------

    def identity(self) -> str | None:
        """Return whose the token is that Azure gives."""
        return answers.identity(self._connections.token(ARM_SCOPE))

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at the workspace, the identities' roles, the clusters and the secrets."""
        return Examination(self._connections).all(pipeline)

    # --- without asking -------------------------------------------------------------------------

    def short_id(self, execution: str) -> str:
        """Return the id by which jobs know their execution: its own name."""
        return execution

    def link(self, execution: str) -> str:
        """Return the page of an execution in the studio."""
        return f"{CONSOLE}/runs/{execution}?wsid={self._connections.workspace}"

    def job_link(self, run: NativeRun) -> str | None:
        """Return the page of a job in the studio."""
        return self.link(run.job) if run.job else None

    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a step writes."""
        return f"runs/{run.job}/"

    def spool(self, run: NativeRun) -> str:
        """Return what the names begin with of its spool: it has an output of its own."""
        return f"{self.outputs(run)}{naming.RESULT}/"

    def origin(self, definition: Mapping[str, Any]) -> Origin | None:
        """Return what a document says of its origin."""
        return reading.origin(definition)

    def natives(self, definition: Mapping[str, Any]) -> dict[str, NativeStep]:
        """Return the steps of a document by native name."""
        return reading.natives(definition)

    def fingerprints(self, definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Return what Azure's cache knows the steps of a document by."""
        return reading.fingerprints(definition)

    def renewed(
        self, definition: Mapping[str, Any], jobs: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Return a document in which former results of some steps do not stand for them."""
        return reading.renewed(definition, jobs)

    def same_steps(self, definition: Mapping[str, Any], document: CloudDocument) -> bool:
        """Say whether an execution could go on as this document."""
        return reading.same_steps(definition, document.definition)

    def declared(self, definition: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the texts of the defaults of a document's parameters."""
        return reading.declared(definition)

    # --- deploying ------------------------------------------------------------------------------

    def connect(self) -> None:
        """Make what several threads use."""
        self._connections.connect()

    def newest(self, pipeline: str) -> str | None:
        """Return nothing: a document is no version of anything here."""
        del pipeline

    def deploy(self, document: CloudDocument, newest: str | None, *, cache: bool) -> Deployed:
        """Put a document into the bucket under its digest, its components registered before."""
        del newest
        definition = _forced(document.definition, not cache)

        def register() -> None:
            self._register(wire.wired(definition, self._connections.workspace))

        version = self._documents.put(definition, register)
        return Deployed(self._bucket.uri(self._documents.name(version)), version)

    def _register(self, wired: wire.Wired) -> None:
        """Bring the environments and the components of a document to the workspace."""
        self.connect()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for where, body in wired.environments.items():
                path = f"{self._connections.workspace}/environments/{where}"
                self._connections.arm("CreateEnvironment", "PUT", path, body, version=ENVIRONMENTS)
            calls = [
                pool.submit(self._connections.arm, "CreateComponent", "PUT", path, body)
                for version, body in wired.components.items()
                for path in [
                    f"{self._connections.workspace}/components/{wire.ANONYMOUS}/versions/{version}"
                ]
            ]
            for call in calls:
                call.result()

    def deployed(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the document of the newest job of a pipeline."""
        listed = next(self.executions(pipeline), None)
        return None if listed is None else self.definition(listed.execution)

    def document(self, version: str) -> Mapping[str, Any]:
        """Return a document that was deployed.

        Raises:
            NotFoundError: It is no longer in the bucket.
        """
        return self._documents.get(version)

    # --- starting -------------------------------------------------------------------------------

    def job_name(self, run_id: str) -> str:
        """Return the name of the job of a run: of a prefix's runs, no two have the same."""
        digest = hashlib.sha256(self._bucket.uri(run_id).encode()).hexdigest()[:12]
        return f"{entity(run_id, _NAME)}-{digest}"

    def start(self, start: Start) -> str:
        """Start a job, once for each run: its name is made of the run's id."""
        return self._start(start, self.document(start.version))

    def resume(self, execution: str, start: Start) -> str:
        """Start a new job: what was done is reused by Azure's cache."""
        del execution
        return self._start(start, _forced(self.document(start.version), False))

    def _start(self, start: Start, definition: Mapping[str, Any]) -> str:
        name = self.job_name(start.run)
        if self._begun(name, start):
            return name
        wired = wire.wired(definition, self._connections.workspace)
        notes = {
            DOCUMENT: start.version,
            PLACE: self._bucket.uri(),
            NATIVE: start.pipeline,
            RUN: start.run,
            TOKEN: start.token,
        }
        properties = self.job_properties(wired, start.parameters, notes)
        try:
            self._put(name, properties)
        except NotFoundError:
            # A workspace that was made anew has none of what an earlier one was given.
            self._register(wired)
            self._put(name, properties)
        except ProviderError as error:
            if error.retryable or not self._begun(name, start):
                raise
        return name

    def job_properties(
        self, wired: wire.Wired, parameters: Mapping[str, str], notes: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return a job's `properties` for one start.

        Args:
            wired: The document.
            parameters: The native parameters' texts.
            notes: What is noted of the start.
        """
        inputs: Mapping[str, Any] = wired.properties["inputs"]
        texts = {
            name: quoting.escaped(text) if _is_literal(inputs.get(name)) else text
            for name, text in parameters.items()
        }
        if naming.STARTED in inputs:
            now = str(int(time.time() * 1000))
            texts[naming.STARTED] = now if RUN in notes else TRIGGERED
        return wire.started(wired.properties, texts, notes)

    def _put(self, name: str, properties: Mapping[str, Any]) -> None:
        self._connections.arm(
            "CreateJob",
            "PUT",
            self._job(name),
            {"properties": properties},
            headers={"x-azureml-token": self._connections.token(ML_SCOPE)},
        )

    def _begun(self, name: str, start: Start) -> bool:
        """Say whether a run's job is there.

        Raises:
            ConflictError: It is another run's.
        """
        try:
            notes = self._get(name)["properties"].get("properties") or {}
        except NotFoundError:
            return False
        if notes.get(RUN) != start.run or notes.get(DOCUMENT) != start.version:
            raise ConflictError(
                f"There is a job '{name}' in the workspace already, of another pipeline. Choose "
                "another id for the run: --run-id",
                provider=self.provider,
                operation="CreateJob",
            )
        return True

    # --- finding --------------------------------------------------------------------------------

    def _job(self, name: str) -> str:
        return f"{self._connections.workspace}/jobs/{name}"

    def _get(self, name: str) -> Mapping[str, Any]:
        return self._connections.arm("GetJob", "GET", self._job(name))

    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the job whose name is made of a run's id."""
        del pipeline, since
        name = self.job_name(run_id)
        try:
            self._get(name)
        except NotFoundError:
            return None
        return name

    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the jobs of a pipeline, or of all of the profile's, newest first."""
        path = f"{self._connections.workspace}/jobs"
        place = self._bucket.uri()
        query = {"jobType": "Pipeline", "tag": TAG}
        for job in self._connections.pages("ListJobs", path, query=query):
            properties: Mapping[str, Any] = job["properties"]
            notes: Mapping[str, Any] = properties.get("properties") or {}
            if notes.get(PLACE) == place and pipeline in (None, notes.get(NATIVE)):
                yield _listed(job)

    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another job by its name."""
        del execution
        try:
            return _listed(self._get(short_id))
        except NotFoundError:
            return Listed(short_id, 0, (short_id,))

    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the document that a job runs; nothing for one that is not Waterflow's."""
        notes = self._get(execution)["properties"].get("properties") or {}
        if notes.get(PLACE) != self._bucket.uri() or DOCUMENT not in notes:
            return {}
        return self.document(str(notes[DOCUMENT]))

    def parameters(self, execution: str) -> dict[str, str]:
        """Return the texts of a job's inputs."""
        inputs: Mapping[str, Any] = self._get(execution)["properties"].get("inputs") or {}
        return {
            name: quoting.plain(str(value["value"])) if "value" in value else str(value["uri"])
            for name, value in inputs.items()
            if name != naming.STARTED
        }

    # --- watching -------------------------------------------------------------------------------

    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the steps that a job has begun, as run history lists its children now.

        A step behind a closed gate runs too, and does nothing: what decides is in the bucket.
        """
        natives = self.natives(self._known(execution))
        children = {
            native: answers.native_run(native, child, execution)
            for child in self._children(execution)
            if (native := str(child.get("displayName"))) in natives
        }
        runs: dict[str, NativeRun] = {}
        for native in natives.values():
            run = children.get(native.name)
            if run is None:
                continue
            if _excluded(native, runs):
                run = _skipped(run)
            elif native.gate is not None and run.status in (Status.SUCCEEDED, Status.CACHED):
                run = self._decided(run)
            runs[native.name] = run
        return runs

    def _known(self, execution: str) -> Mapping[str, Any]:
        """Return the document that a job runs, asked for once."""
        if execution not in self._definitions:
            self._definitions[execution] = self.definition(execution)
        return self._definitions[execution]

    def _children(self, execution: str) -> Iterator[Mapping[str, Any]]:
        query: dict[str, str] = {"$top": "500"}
        while True:
            answer = self._connections.history("ListChildren", f"runs/{execution}/children", query)
            yield from answer["value"]
            token = answer.get("continuationToken")
            if not token:
                return
            query["$continuationtoken"] = str(token)

    def _decided(self, run: NativeRun) -> NativeRun:
        """Return a gate's run with its decision; one that could not decide is skipped."""
        if run.job not in self._decisions:
            content = self._bucket.get(f"{self.outputs(run)}{DECISION}")
            if content is None:
                return run
            self._decisions[run.job] = json.loads(content)["decision"]
        decision = self._decisions[run.job]
        return _skipped(run) if decision is None else replace(run, outcome=decision)

    def outcome(self, execution: str) -> Outcome:
        """Return what a job as a whole is."""
        run = self._connections.history("GetRun", f"runs/{execution}")
        status = str(run["status"])
        return Outcome(
            _whole(status),
            stopping=status == "CancelRequested",
            started=answers.moment(run.get("startTimeUtc") or run.get("createdTimeUtc")),
            changed=answers.moment(run.get("endTimeUtc")),
            failure=answers.failure(run),
        )

    def usage(self, run: NativeRun) -> Sequence[Usage]:
        """Return the machines that Azure bills for a job, be it one that did nothing."""
        compute = run.compute if isinstance(run, answers.JobRun) else {}
        return billing.usage(compute, run.started, run.ended)

    def stop(self, execution: str) -> None:
        """Ask that a job be cancelled."""
        self._connections.arm("CancelJob", "POST", f"{self._job(execution)}/cancel")

    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a job's logs, one file after the other."""
        return logs.lines(self._connections, run, cursor, first_machine=first_machine)

    def log_tail(self, run: NativeRun) -> Iterator[str]:
        """Yield the last lines of what a job's first process has printed."""
        return logs.tail(self._connections, run)

    def shows(self, line: str) -> bool:
        """Say whether a line is for people: Azure sets MLflow's variables in every job."""
        return not line.startswith(_CLEARED)

    # --- data -----------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy data that is in Blob Storage, by Blob Storage itself."""
        from waterflow_azureml.store import AzureStore, is_azure

        if not is_azure(pinned.uri):
            return False
        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        settings = self._connections.settings
        target = f"{settings.prefix}/{folder}/"
        AzureStore(pinned.uri).copy(pinned, settings.account, settings.container, target)
        return True


def _is_literal(value: Mapping[str, Any] | None) -> bool:
    return value is None or value["jobInputType"] == "literal"


def _forced(definition: Mapping[str, Any], forced: bool) -> Mapping[str, Any]:
    """Return a document in which earlier results may stand for steps, or may not."""
    settings: Mapping[str, Any] = definition.get("settings") or {}
    if bool(settings.get("force_rerun")) == forced:
        return definition
    return {**definition, "settings": {**settings, "force_rerun": forced}}


def _listed(job: Mapping[str, Any]) -> Listed:
    name = str(job["name"])
    notes: Mapping[str, Any] = job["properties"].get("properties") or {}
    created = (job.get("systemData") or {}).get("createdAt")
    return Listed(name, answers.moment(created) or 0, (str(notes.get(RUN) or name),))


def _whole(status: str) -> Status:
    known = answers.STATUSES.get(status, Status.RUNNING)
    return Status.RUNNING if known is Status.PENDING else known


def _excluded(native: NativeStep, runs: Mapping[str, NativeRun]) -> bool:
    """Say whether a step stands behind a closed gate, or lacks what it needs."""
    for gate, side in native.chain:
        run = runs.get(gate)
        if run is not None and (run.status is Status.SKIPPED or run.outcome not in (None, side)):
            return True
    return any(
        group and all(_is_skipped(runs.get(name)) for name in group) for group in native.needs
    )


def _is_skipped(run: NativeRun | None) -> bool:
    return run is not None and run.status is Status.SKIPPED


def _skipped(run: NativeRun) -> NativeRun:
    """Return a job that does nothing as the step that it stands for: skipped."""
    if run.status in (Status.FAILED, Status.CANCELLED):
        return run
    return replace(run, status=Status.SKIPPED, job="", kind="")
