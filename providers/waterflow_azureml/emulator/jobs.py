"""The part that has the jobs: made, run, found, canceled; and what all of them share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.jobs import JobRefusedError, JobTable, QuotaExceededError
from waterflow_azureml.emulator.addresses import AddressError, Addresses
from waterflow_azureml.emulator.bindings import BindingError
from waterflow_azureml.emulator.bodies import (
    BodyError,
    Target,
    command_work,
    given,
    mapping,
    said,
    seconds,
    target,
)
from waterflow_azureml.emulator.commands import SERVICE, CommandJob
from waterflow_azureml.emulator.environments import EnvironmentMissingError
from waterflow_azureml.emulator.errors import conflict, invalid
from waterflow_azureml.emulator.graphs import Reader
from waterflow_azureml.emulator.nodes import ComputeError
from waterflow_azureml.emulator.pipelines import Pipeline
from waterflow_azureml.emulator.runs import Run
from waterflow_azureml.emulator.shared import Shared
from waterflow_azureml.emulator.spaces import sweep
from waterflow_azureml.emulator.sweeps import Search
from waterflow_azureml.emulator.tasks import Plan, Task, described
from waterflow_azureml.emulator.workspaces import STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_azureml.emulator.bodies import Given
    from waterflow_azureml.emulator.spaces import Sweep
    from waterflow_azureml.emulator.tracking import Tracking
    from waterflow_azureml.emulator.workspaces import Workspace
    from waterflow_azureml.emulator.world import World

    Ended = Callable[[Run], None]

_NOT_RUN: Final = ("automl", "spark", "finetuning", "labeling", "distillation")
_QUOTA: Final = (
    "The requested number of nodes exceeds the quota of this subscription for the VM size: "
    "request an increase, or use fewer nodes or another size. https://aka.ms/azureml-quota"
)
_LOST: Final = "The emulator ended while the job ran."
_CHANGEABLE: Final = frozenset({"tags", "description", "displayName", "isArchived"})
"""What of a job may be put again."""
_LONGEST: Final = 255


class Jobs(Shared):
    """The jobs of all workspaces.

    Args:
        world: What there is.
        tracking: The MLflow servers.
    """

    def __init__(self, world: World, tracking: Tracking) -> None:
        super().__init__(world, tracking)
        self._table = JobTable[CommandJob]()
        self._driven: dict[str, Pipeline | Search | CommandJob] = {}
        self._callbacks: dict[str, Ended] = {}
        self._lock = threading.RLock()

    # --- for the wire -----------------------------------------------------------------------------

    def create(self, workspace: Workspace, name: str, body: Mapping[str, Any]) -> tuple[Run, bool]:
        """Make a job and start it, or change one that there is.

        Args:
            workspace: Where it is to run.
            name: Its name.
            body: Its properties.

        Returns:
            Its record, and whether it is new.

        Raises:
            Refusal: It cannot be.
        """
        with self._lock:
            before = self.runs.get(workspace.scope.id, name)
            if before is not None:
                self._change(before, body)
                return before, False
            kind = str(body.get("jobType", ""))
            run = Run(
                name=name,
                workspace=workspace.scope.id,
                kind=kind,
                body=dict(body),
                display_name=str(body.get("displayName") or name),
                experiment=str(body.get("experimentName") or "Default"),
                description=str(body.get("description") or ""),
                tags={key: str(value) for key, value in mapping(body, "tags").items()},
                properties={key: str(one) for key, one in mapping(body, "properties").items()},
                hidden=bool(body.get("isArchived")),
            )
            if not name or len(name) > _LONGEST:
                raise invalid(f"A job's name has 1 to {_LONGEST} characters")
            try:
                start = self._prepared(workspace, run)
            except (BodyError, BindingError, AddressError) as error:
                raise invalid(f"The job cannot be run: {error}") from None
            except (EnvironmentMissingError, ComputeError) as error:
                raise invalid(str(error)) from None
            self.runs.add(run)
            start()
            return run, True

    def get(self, workspace: Workspace, name: str) -> Run | None:
        """Return a job; None when there is none."""
        return self.runs.get(workspace.scope.id, name)

    def cancel(self, run: Run) -> None:
        """Ask that a job be stopped; one that has ended stays as it is."""
        self.stop(run)

    def _change(self, run: Run, body: Mapping[str, Any]) -> None:
        """Change what of a job may be changed.

        Raises:
            Refusal: Something else is to be.
        """
        first = {key: one for key, one in run.body.items() if key not in _CHANGEABLE}
        second = {key: one for key, one in body.items() if key not in _CHANGEABLE}
        if _plain(first) != _plain(second):
            raise conflict(
                "A job with this name already exists. If you are trying to create a new job, use a "
                "different name. If you are trying to update an existing job, only its tags, "
                "description, display name and whether it is archived can be updated."
            )
        run.tags = {key: str(value) for key, value in mapping(body, "tags").items()}
        run.description = str(body.get("description") or "")
        run.display_name = str(body.get("displayName") or run.name)
        run.hidden = bool(body.get("isArchived"))

    # --- what a job runs --------------------------------------------------------------------------

    def _prepared(self, workspace: Workspace, run: Run) -> Callable[[], None]:
        """Return what starts a job, all that can be wrong with it having been looked at."""
        kind, body = run.kind, run.body
        inputs = _inputs(body)
        run.inputs = {name: described(one) for name, one in inputs.items()}
        if kind == "Pipeline":
            plan = self._plan(workspace, body, inputs)
            return lambda: self.run_pipeline(workspace, run, plan)
        if kind in ("Command", "Sweep"):
            task = self._task(workspace, body, kind, inputs)
            if kind == "Command":
                return lambda: self.run_command(workspace, run, task)
            search = sweep(body)
            return lambda: self.run_sweep(workspace, run, search, task)
        if kind.lower() in _NOT_RUN:
            raise BodyError(
                f"Waterflow's emulator runs no jobs of type {kind}: use a command, a sweep or a "
                "pipeline, or test it against Azure"
            )
        raise BodyError(f"there is no type of job '{kind}'")

    def _plan(
        self, workspace: Workspace, body: Mapping[str, Any], inputs: Mapping[str, Given]
    ) -> Plan:
        held = mapping(body, "settings")
        compute = str(said(held, "default_compute") or body.get("computeId") or "")
        graph = Reader(self.world.resources, workspace.scope.id, compute).job(body)
        for node in graph.nodes.values():
            if node.work is not None:
                self._check(workspace, node.name, node.work)
        for name, port in graph.ports.items():
            if name not in inputs and port.default is None and not port.optional:
                raise BodyError(f"the pipeline's required input '{name}' is missing")
        for name in inputs.keys() - graph.ports.keys():
            raise BodyError(f"the pipeline has no input '{name}'")
        store = str(said(held, "default_datastore") or STORE).rpartition("/")[2]
        timeout = said(mapping(body, "limits"), "timeout")
        outputs = {name: target(name, value) for name, value in mapping(body, "outputs").items()}
        for name, one in outputs.items():
            self._check_target(workspace, name, one, store)
        return Plan(
            graph=graph,
            inputs=inputs,
            outputs=outputs,
            datastore=store.removeprefix("azureml:"),
            go_on=str(said(held, "continue_on_step_failure", True)).lower() == "true",
            rerun=str(said(held, "force_rerun", False)).lower() == "true",
            limit=None if timeout is None else seconds(timeout),
        )

    def _task(
        self, workspace: Workspace, body: Mapping[str, Any], kind: str, inputs: Mapping[str, Given]
    ) -> Task:
        whole = {**body, **mapping(body, "trial"), "limits": {}} if kind == "Sweep" else body
        work = command_work(whole)
        limits = mapping(body, "limits")
        if kind == "Sweep" and said(limits, "trial_timeout") is not None:
            work = command_work({**whole, "limits": {"timeout": limits["trialTimeout"]}})
        if not work.command:
            raise BodyError("it has no command")
        self._check(workspace, "the job", work)
        outputs: dict[str, Target] = {}
        for name, value in mapping(body, "outputs").items():
            one = target(name, value)
            self._check_target(workspace, name, one, STORE)
            outputs[name] = Target(
                one.kind or "uri_folder", one.uri, one.mode or "rw_mount", one.asset, one.version
            )
        return Task(work=work, inputs=inputs, outputs=outputs, datastore=STORE)

    def _check(self, workspace: Workspace, where: str, work: Any) -> None:
        """Refuse what names an environment, code or compute that there is not."""
        try:
            self.environments.get(work.environment)
            self.clusters.machine(
                workspace.scope.id, work.compute, work.instances, work.size, work.tier
            )
        except ComputeError as error:
            if error.code == "ComputeNotFound":
                raise BodyError(f"{where}: {error}") from None
        except EnvironmentMissingError as error:
            raise BodyError(f"{where}: {error}") from None
        if work.code and self.world.resources.get(work.code) is None:
            raise BodyError(f"{where}: there is no code '{work.code}'")

    def _check_target(self, workspace: Workspace, name: str, one: Target, store: str) -> None:
        if one.uri:
            whole = one.uri.replace("${{default_datastore}}", store)
            try:
                Addresses(self.world.resources, workspace.scope.id).place(whole)
            except AddressError as error:
                raise BodyError(f"output '{name}': {error}") from None

    # --- running ----------------------------------------------------------------------------------

    def run_command(
        self, workspace: Workspace, run: Run, task: Task, on_end: Ended | None = None
    ) -> None:
        """Start a command; its end is told whatever becomes of it."""
        job = CommandJob(self, workspace, run, task)
        self._keep(run, job, on_end)
        try:
            self._table.start(job, lambda _: self.ended(run))
        except QuotaExceededError:
            self.runs.fail(run, SERVICE, f"ResourceQuotaExceeded: {_QUOTA}")
            self.ended(run)
        except JobRefusedError as error:
            self.runs.fail(run, SERVICE, str(error))
            self.ended(run)

    def run_pipeline(
        self, workspace: Workspace, run: Run, plan: Plan, on_end: Ended | None = None
    ) -> None:
        """Start a pipeline, as `run_command` starts a command."""
        pipeline = Pipeline(self, workspace, run, plan)
        self._keep(run, pipeline, on_end)
        pipeline.start()

    def run_sweep(
        self,
        workspace: Workspace,
        run: Run,
        search: Sweep,
        task: Task,
        on_end: Ended | None = None,
    ) -> None:
        """Start a sweep, as `run_command` starts a command."""
        search_run = Search(self, workspace, run, search, task)
        self._keep(run, search_run, on_end)
        search_run.start()

    def stop(self, run: Run) -> None:
        """Ask that a run be stopped."""
        driven = self._driven.get(run.uuid)
        if driven is not None:
            driven.stop()

    def ended(self, run: Run) -> None:
        """Take note that a run has ended."""
        with self._lock:
            self._driven.pop(run.uuid, None)
            on_end = self._callbacks.pop(run.uuid, None)
        if on_end is not None:
            on_end(run)

    def _keep(self, run: Run, driven: Pipeline | Search | CommandJob, on_end: Ended | None) -> None:
        with self._lock:
            self._driven[run.uuid] = driven
            if on_end is not None:
                self._callbacks[run.uuid] = on_end

    # --- its life ---------------------------------------------------------------------------------

    def close(self) -> None:
        """End all jobs, and begin no more."""
        for driven in list(self._driven.values()):
            if not isinstance(driven, CommandJob):
                driven.close()
        self._table.close()

    def snapshot(self) -> dict[str, Any]:
        """Return all jobs as JSON."""
        return {
            "runs": self.runs.snapshot(),
            "results": self.results.snapshot(),
            "images": self.environments.snapshot(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take the jobs of a snapshot; what ran then has failed."""
        self.runs.restore(saved["runs"], lambda run: self.runs.fail(run, "SystemError", _LOST))
        self.results.restore(saved["results"])
        self.environments.restore(saved["images"])


def _inputs(body: Mapping[str, Any]) -> dict[str, Given]:
    there: dict[str, Given] = {}
    for name, value in mapping(body, "inputs").items():
        one = given(name, value)
        if one is not None:
            there[name] = one
    return there


def _plain(value: Any) -> Any:
    """Return a body without what says nothing: nulls, and empty objects."""
    if isinstance(value, dict):
        whole = {key: _plain(one) for key, one in value.items()}
        return {key: one for key, one in whole.items() if one not in (None, {}, [])}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
