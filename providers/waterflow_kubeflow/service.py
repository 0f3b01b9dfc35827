"""Kubeflow Pipelines' answers to what `waterflow.cloud` asks of a cloud, by its REST API."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_kfp import reading, runtime_values
from waterflow_kfp.service import ROOT, SpecService

from waterflow.cloud.fingerprint import SKIPPED, Side, same
from waterflow.cloud.logs import split_lines
from waterflow.cloud.naming import entity
from waterflow.cloud.outside import CopyingStore
from waterflow.cloud.service import Listed, Start
from waterflow.cloud.states import NativeRun, Outcome
from waterflow.data.stores import scheme_of, store
from waterflow.errors import ConflictError, NotFoundError, ProviderError
from waterflow.project import progress
from waterflow.provider.state import Status
from waterflow.spec.quantities import show_size
from waterflow_kubeflow import answers
from waterflow_kubeflow.answers import TaskRun
from waterflow_kubeflow.bucket import endpoint_of
from waterflow_kubeflow.examining import Examination
from waterflow_kubeflow.profile import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from waterflow import spec
    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.cloud.objects import Bucket
    from waterflow.data import Pinned
    from waterflow.provider import Check
    from waterflow_kubeflow.connections import Connections

_NAME: Final = 60
_DIGEST: Final = 12
_LOOKED_AT: Final = 20
"""Earlier runs of a pipeline among which the one is searched whose result the cache has taken."""
_DONE: Final = (Status.SUCCEEDED, Status.CACHED)
_EQUALS: Final = 1
"""https://github.com/kubeflow/pipelines/blob/master/backend/api/v2beta1/filter.proto"""
_SAID: Final = "waterflow: "
"""How the lines begin that a job itself has to say, the last of which is why it has failed."""
_NEXT: Final = f"{_SAID}attempt "
_KEPT_LOG: Final = "executor-logs"
"""The object in which the launcher leaves what a pod has printed."""
_WITHIN: Final = {"s3": ("s3", "s3a"), "minio": ("s3", "s3a"), "gs": ("gs",)}
"""Scheme of a bucket -> those of data that may be in the same store."""


class KubeflowService(SpecService):
    """Kubeflow Pipelines, for one profile; an execution is named by its run's id.

    Args:
        connections: The ways to the API server.
        bucket: The profile's bucket, where documents lie.
    """

    provider = "kubeflow"
    title = "Kubeflow Pipelines"
    job_names = "________-____-____-____-____________/%"
    SPEC = "pipeline_spec"

    def __init__(self, connections: Connections, bucket: Bucket) -> None:
        super().__init__(bucket, f"in the UI: {connections.ui}/#/runs")
        self._connections = connections
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._folders: dict[str, str] = {}
        self._ended: dict[str, Mapping[str, Any]] = {}
        self._experiment: str | None = None
        self._reasons: dict[str, str | None] = {}
        self._resolved: dict[str, dict[str, NativeRun]] = {}

    # --- examining ------------------------------------------------------------------------------

    def identity(self) -> str | None:
        """Return where who asks is known from: the API server tells nobody who they are."""
        place, _ = self._connections.credentials()
        self._connections.call("GetHealthz", "GET", "healthz")
        return place

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at the server, the namespace, the experiment and the image's Python."""
        return Examination(self._connections).all(pipeline)

    # --- without asking -------------------------------------------------------------------------

    def link(self, execution: str) -> str:
        """Return the page of a run in the UI."""
        return f"{self._connections.ui}/#/runs/details/{execution}"

    def job_link(self, run: NativeRun) -> str | None:
        """Return the page of the run that has a task's job: the UI shows tasks within it."""
        return self.link(run.job.partition("/")[0]) if run.job else None

    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a task writes.

        Its folder has a name that the server makes up and tells nobody: it is seen in the bucket.
        """
        if not run.job:
            return f"{ROOT}/none/"
        if run.job not in self._folders:
            execution, _, task = run.job.partition("/")
            above = f"{ROOT}/{self._pipeline(execution)}/{execution}/{task}"
            names = [name for name, _ in self._bucket.names(above)]
            if not names:
                return f"{above}/none/"
            folder = names[-1][len(above) + 1 :].partition("/")[0]
            self._folders[run.job] = f"{above}/{folder}/"
        return self._folders[run.job]

    def connect(self) -> None:
        """Make what several threads use."""
        self._connections.connect()

    # --- starting -------------------------------------------------------------------------------

    def display_name(self, run_id: str) -> str:
        """Return what the run of Kubeflow's is called: of a prefix's runs, no two have the same."""
        digest = hashlib.sha256(self._bucket.uri(run_id).encode()).hexdigest()[:_DIGEST]
        return f"{entity(run_id, _NAME)}-{digest}"

    @property
    def experiment(self) -> str:
        """The id of the profile's experiment, made where there is none."""
        if self._experiment is None:
            self._experiment = self._find_experiment() or self._make_experiment()
        return self._experiment

    def _find_experiment(self) -> str | None:
        settings = self._connections.settings
        query = {"filter": named(settings.experiment), **self._namespaced()}
        listed = self._connections.pages("ListExperiments", "experiments", "experiments", query)
        return next((str(one["experiment_id"]) for one in listed), None)

    def _make_experiment(self) -> str:
        settings = self._connections.settings
        body = {"display_name": settings.experiment, **self._namespaced()}
        try:
            made = self._connections.call("CreateExperiment", "POST", "experiments", body)
        except ConflictError:  # another was quicker, or a first reply was lost
            return self._find_experiment() or ""
        return str(made["experiment_id"])

    def _namespaced(self) -> dict[str, str]:
        namespace = self._connections.settings.namespace
        return {"namespace": namespace} if namespace else {}

    def _start(self, start: Start, definition: Mapping[str, Any]) -> str:
        name = self.display_name(start.run)
        begun = self._of_name(name)
        if begun:
            self._check_same(begun[0], start)
            return str(begun[0]["run_id"])
        body = {
            "display_name": name,
            "description": json.dumps({"waterflow": start.run, "document": start.version}),
            "experiment_id": self.experiment,
            **self.body(definition, start.parameters),
        }
        try:
            made = self._connections.call("CreateRun", "POST", "runs", body, again=False)
        except ProviderError as error:
            begun = self._of_name(name) if error.retryable else []
            if not begun:
                raise
            return str(begun[0]["run_id"])  # its reply was lost
        # The server knows no tokens: of two that were started at once, the first one goes on.
        first, *others = [str(one["run_id"]) for one in self._of_name(name)] or [made["run_id"]]
        if str(made["run_id"]) in others:
            self.stop(str(made["run_id"]))
        return first

    def body(self, definition: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return what a run and a recurring run say alike.

        Args:
            definition: The document.
            parameters: The native parameters' texts.
        """
        settings = self._connections.settings
        definition = self.exact(definition, parameters)
        platforms = (definition.get("platform_spec") or {}).get("platforms")
        spec: Any = dict(definition) if platforms else self.spec_of(definition)
        body: dict[str, Any] = {
            "pipeline_spec": spec,
            "runtime_config": {
                "parameters": runtime_values.typed(self.spec_of(definition), parameters),
                "pipeline_root": settings.root,
            },
        }
        if settings.service_account is not None:
            body["service_account"] = settings.service_account
        return body

    def _of_name(self, name: str) -> list[Mapping[str, Any]]:
        """Return the runs of a name, the first first: those that were stopped at once are last."""
        query = {
            "experiment_id": self.experiment,
            "filter": named(name),
            "sort_by": "created_at asc",
        }
        listed = list(self._connections.pages("ListRuns", "runs", "runs", query))
        return sorted(listed, key=lambda one: (str(one.get("created_at")), str(one["run_id"])))

    def _check_same(self, run: Mapping[str, Any], start: Start) -> None:
        """Refuse a run of another pipeline.

        Raises:
            ConflictError: It is one.
        """
        if _noted(run).get("document") != start.version:
            raise ConflictError(
                f"There is a run '{run['display_name']}' in Kubeflow already, of another pipeline. "
                "Choose another id for the run: --run-id",
                provider=self.provider,
                operation="CreateRun",
            )

    def may_have_begun(self, error: ProviderError) -> bool:
        """Say whether a refusal may be that of a second try."""
        return error.retryable

    # --- finding --------------------------------------------------------------------------------

    def get(self, execution: str) -> Mapping[str, Any]:
        """Return a run, as the server has it; one that has ended is asked for once."""
        if execution not in self._ended:
            run = self._connections.call("GetRun", "GET", f"runs/{execution}")
            if not answers.STATES.get(str(run.get("state")), Status.RUNNING).final:
                return run
            self._ended[execution] = run
        return self._ended[execution]

    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the run whose name is made of a run's id."""
        del pipeline, since
        return next((str(one["run_id"]) for one in self._of_name(self.display_name(run_id))), None)

    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the runs of a pipeline, or of all of the profile's, newest first."""
        query = {"experiment_id": self.experiment, "sort_by": "created_at desc"}
        for run in self._connections.pages("ListRuns", "runs", "runs", query):
            definition = _definition(run)
            origin = self.origin(definition) if definition else None
            if origin is None or self._bucket.name(origin.build) is None:
                continue
            self._definitions[str(run["run_id"])] = definition
            if pipeline in (None, reading.name(self.spec_of(definition))):
                yield _listed(run)

    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another run by its id."""
        del execution
        try:
            return _listed(self.get(short_id))
        except NotFoundError:
            return Listed(short_id, 0, (short_id,))

    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the document that a run runs; nothing for one that is not the profile's."""
        if execution not in self._definitions:
            definition = _definition(self.get(execution))
            origin = self.origin(definition) if definition else None
            ours = origin is not None and self._bucket.name(origin.build) is not None
            self._definitions[execution] = definition if ours else {}
        return self._definitions[execution]

    def _pipeline(self, execution: str) -> str:
        definition = self.definition(execution)
        return reading.name(self.spec_of(definition)) if definition else "none"

    def parameters(self, execution: str) -> dict[str, str]:
        """Return the texts of a run's parameters."""
        run = self.get(execution)
        values = (run.get("runtime_config") or {}).get("parameters") or {}
        return runtime_values.texts(self.spec_of(_definition(run) or {"root": {}}), values)

    # --- watching -------------------------------------------------------------------------------

    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the tasks that a run has begun, or that the cache or a condition has ended."""
        definition = self.definition(execution)
        if not definition:
            return {}
        runs = self._resolved.get(execution)
        if runs is None:
            runs = self._tasks(execution, now := self.get(execution))
            if any(run.status is Status.CACHED for run in runs.values()):
                runs = self._with_origins(execution, runs)
            if now is self._ended.get(execution):  # nothing more becomes of it
                self._resolved[execution] = runs
        runs = {name: self._reasoned(run) for name, run in runs.items()}
        return dict(reading.native_runs(self.spec_of(definition), runs))

    def _reasoned(self, run: NativeRun) -> NativeRun:
        """Return a task that has failed with the reason that its job has printed last.

        The server itself says of a job's own failure with which code it has exited.
        """
        if run.status is not Status.FAILED or not run.job:
            return run
        if run.job not in self._reasons:
            with suppress(ProviderError):
                said = [text for _, text in self.log(run, {}) if text.startswith(_SAID)]
                known = bool(said) and not said[-1].startswith(_NEXT)
                self._reasons[run.job] = said[-1].removeprefix(_SAID) if known else None
        return replace(run, failure=self._reasons.get(run.job) or run.failure)

    def _tasks(self, execution: str, run: Mapping[str, Any] | None = None) -> dict[str, NativeRun]:
        """Return the tasks that a run has begun, as it was seen, or as it is now."""
        names = reading.tasks(self.spec_of(self.definition(execution)))
        nodes = answers.Nodes(run or self.get(execution))
        return cast("dict[str, NativeRun]", nodes.runs(list(names)))

    def _with_origins(self, execution: str, runs: dict[str, NativeRun]) -> dict[str, NativeRun]:
        """Return tasks with the jobs whose results the cache has taken, which no answer names.

        The cache's own rule finds them: the newest earlier task that was given the same.
        """
        own = self.get(execution)
        created = answers.moment(own.get("created_at")) or 0
        prints = self.fingerprints(self.definition(execution))
        side = Side(dict(self.parameters(execution)), jobs := {})
        formers: list[tuple[str, dict[str, NativeRun]]] = []
        for one in self.executions(self._pipeline(execution)):
            if one.execution != execution and one.started <= created:
                formers.append((one.execution, self._tasks(one.execution)))
            if len(formers) == _LOOKED_AT:
                break
        resolved = dict(runs)
        for name in self.natives(self.definition(execution)):
            run = runs.get(name)
            if run is None:
                continue
            if run.status is Status.CACHED and name in prints:
                run = self._origin_of(run, prints[name], side, formers)
            resolved[name] = run
            jobs |= _jobs({name: run})
        return resolved

    def _origin_of(
        self,
        run: NativeRun,
        fingerprint: Fingerprint,
        side: Side,
        formers: list[tuple[str, dict[str, NativeRun]]],
    ) -> NativeRun:
        doubtful: NativeRun | None = None
        for execution, tasks in formers:
            other = tasks.get(run.native)
            if other is None or other.status is not Status.SUCCEEDED:
                continue
            old = self.fingerprints(self.definition(execution)).get(run.native)
            if old is None or old.lifetime is None:  # what ran without the cache is none of it
                continue
            resolved = self.steps(execution)
            theirs = _jobs(resolved)
            answer = same(
                fingerprint.part, side, old.part, Side(dict(self.parameters(execution)), theirs)
            )
            if answer is True:
                return replace(run, job=other.job, kind=other.kind, origin=execution)
            if answer is None and doubtful is None:
                doubtful = replace(run, job=other.job, kind=other.kind, origin=execution)
        return doubtful or run

    def outcome(self, execution: str) -> Outcome:
        """Return what a run as a whole is."""
        run = self.get(execution)
        state = str(run.get("state"))
        words = str((run.get("error") or {}).get("message") or "").strip()
        return Outcome(
            answers.STATES.get(state, Status.RUNNING),
            stopping=state == answers.STOPPING,
            started=answers.moment(run.get("created_at")),
            changed=answers.moment(run.get("finished_at")),
            failure=words or None,
        )

    def stop(self, execution: str) -> None:
        """Ask that a run be ended.

        A run that is ending already is refused: its first reply was lost, or another asked first.
        """
        try:
            self._connections.call("TerminateRun", "POST", f"runs/{execution}:terminate")
        except ProviderError:
            now = self.outcome(execution)
            if not (now.stopping or now.status.final):
                raise

    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a task's pods, which bear no times.

        Where a cluster has removed a pod, and keeps no archive of logs, what its launcher has left
        in the bucket stands for it.
        """
        del first_machine  # there is one machine
        pods: tuple[str, ...] = run.pods if isinstance(run, TaskRun) else ()
        for number, pod in enumerate(pods):
            execution = run.job.partition("/")[0] or run.origin
            content = self._connections.log(execution, pod)
            if content is None and run.status.final and pod not in cursor:
                content = self._kept_log(run, number, last=number == len(pods) - 1)
            if content is None:
                continue
            read = int(cursor.get(pod, "0"))
            fresh = content[read:]
            if not run.status.final:  # the rest of its last line is yet to come
                fresh = fresh[: fresh.rfind(b"\n") + 1]
            cursor[pod] = str(read + len(fresh))
            for line in split_lines(fresh) if fresh else ():
                yield run.started or 0, line

    def _kept_log(self, run: NativeRun, number: int, *, last: bool) -> bytes | None:
        """Return the log of a pod that the launcher has left beside the task's outputs.

        It does so unless the server is set up without, of older ones only where the pod has
        succeeded; and it numbers them from 2.17 on, before which the last pod's was the one there
        is. https://github.com/kubeflow/pipelines/blob/master/backend/src/v2/component/launcher_v2.go
        """
        kept = self._bucket.get(f"{self.outputs(run)}{_KEPT_LOG}-{number}")
        if kept is None and last:
            kept = self._bucket.get(f"{self.outputs(run)}{_KEPT_LOG}")
        return kept

    # --- data -----------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy data that is in the bucket's own store, by the store itself."""
        settings = self._connections.settings
        scheme = scheme_of(pinned.uri)
        if scheme not in _WITHIN[place(settings.bucket)["scheme"]]:
            return False
        source = store(pinned.uri)
        # Another is fsspec's, which knows the data as files.
        if not isinstance(source, CopyingStore) or not source.is_at(endpoint_of(settings)):
            return False
        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        source.copy_to(pinned, self._bucket.uri(f"{folder}/"))
        return True


def named(name: str) -> str:
    """Return a filter for what has a display name, as the API takes it."""
    predicate = {"operation": _EQUALS, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _definition(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a run: beside a platform's own the spec is a part of it."""
    kept: Mapping[str, Any] = run.get("pipeline_spec") or {}
    if not kept or "pipeline_spec" in kept:
        return dict(kept)
    return {"pipeline_spec": kept, "platform_spec": {}}


def _jobs(runs: Mapping[str, NativeRun]) -> dict[str, str]:
    """Return the job whose result each step has, or that it is skipped."""
    jobs = {name: run.job for name, run in runs.items() if run.status in _DONE and run.job}
    return jobs | {n: SKIPPED for n, run in runs.items() if run.status is Status.SKIPPED}


def _noted(run: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        noted: Any = json.loads(str(run.get("description") or "{}"))
    except ValueError:
        return {}
    return cast("dict[str, Any]", noted) if isinstance(noted, dict) else {}


def _listed(run: Mapping[str, Any]) -> Listed:
    name = str(run["run_id"])
    started = answers.moment(run.get("created_at")) or 0
    return Listed(name, started, (str(_noted(run).get("waterflow") or name),))
