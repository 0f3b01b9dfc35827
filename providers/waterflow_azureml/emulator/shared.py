"""What all jobs share: their records, environments, nodes, earlier results; and who starts them."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from waterflow_azureml.emulator import reuse
from waterflow_azureml.emulator.addresses import AddressError, Addresses, Place
from waterflow_azureml.emulator.environments import EnvironmentMissingError, Environments
from waterflow_azureml.emulator.job_tracking import JobTracking
from waterflow_azureml.emulator.nodes import Nodes
from waterflow_azureml.emulator.reuse import Results
from waterflow_azureml.emulator.runs import Run, Runs
from waterflow_azureml.emulator.tasks import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow_azureml.emulator.bodies import Target
    from waterflow_azureml.emulator.spaces import Sweep
    from waterflow_azureml.emulator.tasks import Plan, Task
    from waterflow_azureml.emulator.tracking import Tracking
    from waterflow_azureml.emulator.workspaces import Workspace
    from waterflow_azureml.emulator.world import World

    Ended = Callable[[Run], None]


class Shared(ABC):
    """What all jobs share.

    Args:
        world: What there is.
        tracking: The MLflow servers.
    """

    def __init__(self, world: World, tracking: Tracking) -> None:
        self.world = world
        self.runs = Runs(world.clock)
        self.results = Results()
        self.environments = Environments(world.resources, world.site.images)
        self.clusters = Nodes(world.resources)
        self.tracking = JobTracking(self.runs, tracking)

    # --- who starts them --------------------------------------------------------------------------

    @abstractmethod
    def run_command(
        self, workspace: Workspace, run: Run, task: Task, on_end: Ended | None = None
    ) -> None:
        """Start a command; its end is told whatever becomes of it.

        Args:
            workspace: Where it runs.
            run: Its record.
            task: What it does.
            on_end: Takes it when it has ended.
        """

    @abstractmethod
    def run_pipeline(
        self, workspace: Workspace, run: Run, plan: Plan, on_end: Ended | None = None
    ) -> None:
        """Start a pipeline, as `run_command` starts a command."""

    @abstractmethod
    def run_sweep(
        self,
        workspace: Workspace,
        run: Run,
        search: Sweep,
        task: Task,
        on_end: Ended | None = None,
    ) -> None:
        """Start a sweep, as `run_command` starts a command."""

    @abstractmethod
    def stop(self, run: Run) -> None:
        """Ask that a run be stopped."""

    @abstractmethod
    def ended(self, run: Run) -> None:
        """Take note that a run has ended."""

    # --- what runs share --------------------------------------------------------------------------

    @staticmethod
    def new_name() -> str:
        """Return the name of a step's run."""
        return str(uuid.uuid4())

    @staticmethod
    def node_id(run: Run, node: str) -> str:
        """Return the id of a step within its pipeline."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{run.name}/{node}").hex[:8]

    def nodes(self, compute: str) -> list[dict[str, Any]]:
        """Return the nodes of a compute on which jobs run, as their description says it.

        Args:
            compute: The compute's ARM id.
        """
        return self.clusters.running(compute)

    def remove(self, run: Run) -> None:
        """Forget a job that has ended, and its parts: they stand for no others any more."""
        for one in (run, *self.runs.children(run)):
            self.results.forget(one.name)
        self.runs.remove(run)

    def code(self, identity: str) -> Place:
        """Return where the files of a code are.

        Raises:
            AddressError: There is no such code.
        """
        record = self.world.resources.get(identity)
        if record is None:
            raise AddressError(f"there is no code '{identity}'")
        workspace = record.id.partition("/codes/")[0]
        return Addresses(self.world.resources, workspace).place(record.properties["codeUri"])

    def output(self, workspace: str, job: str, name: str) -> str | None:
        """Return where an output of a job is; None where there is none.

        Args:
            workspace: The workspace's ARM id.
            job: The job.
            name: The output.
        """
        run = self.runs.get(workspace, job)
        return run.outputs[name]["uri"] if run and name in run.outputs else None

    def take_output(
        self, workspace: Workspace, run: Run, name: str, one: Target, uri: str, *, named: bool
    ) -> None:
        """Note where an output is, and make the data asset that it is to become.

        Args:
            workspace: The workspace.
            run: The run that made it.
            name: The output.
            one: Where it was to go.
            uri: Where it is.
            named: Whether it becomes an asset.
        """
        asset = (
            f"azureml://locations/{workspace.location}/workspaces/{workspace.guid}/data/"
            f"azureml_{run.name}_output_{name}/versions/1"
        )
        output = {"uri": uri, "type": one.kind, "asset": asset}
        if one.asset and named:
            output |= self._registered(run, one, uri)
        run.outputs[name] = output

    def _registered(self, run: Run, one: Target, uri: str) -> dict[str, str]:
        model = one.kind.endswith("_model")
        kind = "models" if model else "data"
        resources, container = self.world.resources, f"{run.workspace}/{kind}/{one.asset}"
        with resources.lock:
            version = one.version or str(1 + len(resources.below(container, f"{kind}/versions")))
            if resources.get(container) is None:
                resources.put(container, kind, {"properties": {"isArchived": False, "tags": {}}})
            properties: dict[str, Any] = {
                "isAnonymous": False,
                "isArchived": False,
                "tags": {},
                "properties": {},
                **(
                    {"modelUri": uri, "modelType": one.kind, "flavors": {}, "jobName": run.name}
                    if model
                    else {"dataUri": uri, "dataType": one.kind}
                ),
            }
            record = resources.put(
                f"{container}/versions/{version}", f"{kind}/versions", {"properties": properties}
            )
        return {"name": one.asset, "version": version, "id": record.id}

    def reuse_key(self, task: Task) -> str | None:
        """Return what identifies the work of a step; None when it cannot be told."""
        try:
            environment = self.environments.get(task.work.environment).digest
        except EnvironmentMissingError:
            return None
        code = ""
        if task.work.code:
            record = self.world.resources.get(task.work.code)
            if record is None:
                return None
            held = record.properties.get("properties") or {}
            code = str(held.get("hash_sha256") or record.properties.get("codeUri") or record.id)
        return reuse.key(
            task.work,
            environment=environment,
            code=code,
            inputs={name: described(one) for name, one in task.inputs.items()},
            outputs=task.outputs,
        )

    def earlier(self, workspace: str, digest: str) -> Run | None:
        """Return the run whose result stands for some work; None where there is none."""
        name = self.results.find(workspace, digest)
        return None if name is None else self.runs.get(workspace, name)

    def metric(self, run: Run, name: str) -> float | None:
        """Return the last value of a metric that a run has logged; None where there is none."""
        return self.tracking.metric(self.world.workspaces.require(run.scope), run, name)
