"""Command jobs: an environment, nodes, inputs in folders, a command, and its outputs."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, ClassVar, Final

from waterflow.emulation.cluster import Cluster, End, Workload
from waterflow.emulation.errors import JobError
from waterflow.emulation.faults import SpotPlan
from waterflow.emulation.jobs import Job, JobState
from waterflow_azureml.emulator import distribution, launching, mltables, transfers, variables
from waterflow_azureml.emulator.addresses import AddressError, Addresses, datastore_uri
from waterflow_azureml.emulator.bindings import BindingError, placed, rendered
from waterflow_azureml.emulator.bodies import BodyError, Data, Literal
from waterflow_azureml.emulator.environments import BUILD_LOG, BuildError, EnvironmentMissingError
from waterflow_azureml.emulator.logs import Log, artifact, signed
from waterflow_azureml.emulator.nodes import ComputeError
from waterflow_azureml.emulator.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from waterflow_azureml.emulator.addresses import Place
    from waterflow_azureml.emulator.environments import Environment
    from waterflow_azureml.emulator.nodes import Machine
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.shared import Shared
    from waterflow_azureml.emulator.tasks import Task
    from waterflow_azureml.emulator.workspaces import Workspace

_SYNC: Final = 0.2
"""Seconds between looks at outputs that are mounted."""
_PROCESSES: Final = f"{variables.ROOT}/processes.json"
_OWN_FOLDERS: Final = ("outputs", "logs")
"""The folders where a command starts that become artifacts of its run."""
USER, SYSTEM, SERVICE = "UserError", "SystemError", "ServiceError"

_FAULTS: Final = {
    "capacity": (
        SERVICE,
        "AllocationFailed: there is no capacity for the VM size {size} now. Try another, or later.",
    ),
    "internal": (SYSTEM, "InternalServerError: an internal error has occurred. Please try again."),
    "image": (
        USER, f"Image build failed. For more details, check log file {BUILD_LOG}.",
    ),
    "fail": (USER, "Execution failed: the emulator was asked for this failure."),
}  # fmt: skip


class FailureError(JobError):
    """A job fails.

    Args:
        message: Why.
        code: Whose failure it is: USER, SYSTEM or SERVICE.
    """

    def __init__(self, message: str, code: str = USER) -> None:
        self.code = code
        super().__init__(message)


class CommandJob(Job):
    """One command job, or a step of a pipeline, or a trial of a sweep.

    Args:
        shared: What all jobs share.
        workspace: Where it runs.
        run: Its record.
        task: What it does.
    """

    KIND: ClassVar[str] = "command"
    LONGEST_REASON: ClassVar[int] = 8192

    # A cluster goes on looking for nodes while its jobs are queued; here that has an end.
    ALLOCATIONS = 3

    def __init__(self, shared: Shared, workspace: Workspace, run: Run, task: Task) -> None:
        # The name by which faults know it: the attempts of a step have its name in common.
        step = run.node.replace("_", "-")
        name = f"{run.root}~{step}~{run.uuid[:8]}" if step else run.name
        super().__init__(shared.world.site, name)
        self._shared, self._world, self._workspace = shared, shared.world, workspace
        self.run_record, self.task = run, task
        self._addresses = Addresses(
            self._world.resources,
            run.workspace,
            lambda job, output: shared.output(run.workspace, job, output),
        )
        self._logs: dict[str, Log] = {}
        self._mirrors: list[transfers.Mirror] = []
        self._deadline = self._next_sync = float("inf")
        self._machine_held: Machine | None = None
        self._plan: SpotPlan | None = None

    # --- its life ---------------------------------------------------------------------------------

    def failure(self, fault: str) -> str:
        """Return the service's words for the failure that a fault stands for."""
        code, message = _FAULTS[fault]
        self.run_record.code = code
        if fault == "image":
            self._build_log(["The emulator was asked for this failure."])
        return message.format(size=self.task.work.size or "of the compute")

    def stop(self) -> bool:
        """Make it end; return False when it has ended already."""
        stopped = super().stop()
        if stopped:
            self._shared.runs.move(self.run_record, Status.CANCEL_REQUESTED)
        return stopped

    def finish(self) -> None:
        """Note the end."""
        super().finish()
        runs, run = self._shared.runs, self.run_record
        for log in self._logs.values():
            log.flush()
        if self.shutdown:
            return  # the emulator ends: the run is told as lost when it is there again
        if self.state is JobState.COMPLETED:
            runs.move(run, Status.COMPLETED)
        elif self.state is JobState.STOPPED:
            run.message = self.reason or "The job was canceled."
            runs.move(run, Status.CANCELED)
        else:
            runs.fail(run, run.code or SYSTEM, self.reason or "")

    def grace(self, why: End) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        if why is End.INTERRUPTED:
            return self.site.faults.spot_grace
        return super().grace(why)

    def work(self) -> str | None:
        """Do the job.

        Returns:
            Why the service has canceled it, when it did so by itself.

        Raises:
            JobError: It has failed.
        """
        try:
            return self._do()
        except FailureError as error:
            self.run_record.code = error.code
            raise
        except (AddressError, BindingError, BodyError, EnvironmentMissingError) as error:
            self.run_record.code = USER
            raise JobError(str(error)) from error
        except ComputeError as error:
            self.run_record.code = USER
            raise JobError(f"{error.code}: {error}") from error

    def _do(self) -> str | None:
        run, work = self.run_record, self.task.work
        environment = self._shared.environments.get(work.environment)
        if self._shared.environments.needs_build(environment):
            self._shared.runs.move(run, Status.PREPARING)
            self._build(environment)
        machine = self._machine_held = self._shared.clusters.machine(
            run.workspace, work.compute, work.instances, work.size, work.tier
        )
        run.compute = machine.describe()
        self._plan = SpotPlan(self.site.faults) if machine.spot else None
        self._shared.runs.move(run, Status.QUEUED)
        with self._shared.clusters.held(run, machine, self.stopping) as held:
            if not held:
                return None
            limit, spent = work.timeout, 0.0
            for attempt in range(1, 1000):
                begun = time.monotonic()
                self._deadline = float("inf") if limit is None else begun + limit - spent
                why = self._attempt(environment, machine, self.folder / f"attempt-{attempt}")
                spent += time.monotonic() - begun
                if why is End.TIMEOUT:
                    return (
                        f"The job was canceled: it ran longer than its limit of {limit:g} seconds."
                    )
                if why is not End.INTERRUPTED:
                    return None
                if self._plan is not None:
                    self._plan.spend()
                self._shared.runs.move(run, Status.QUEUED)
        raise FailureError("The job's nodes were taken away too often.", SERVICE)

    def _build(self, environment: Environment) -> None:
        try:
            self._build_log(self._shared.environments.build(environment))
        except BuildError as error:
            self._build_log([f"ERROR: {error}"])
            text = f"Image build failed: {error}. For more details, check log file {BUILD_LOG}."
            raise FailureError(text) from error

    def _build_log(self, lines: list[str]) -> None:
        self._log(BUILD_LOG).write(lines)
        self._log(BUILD_LOG).flush()

    # --- one attempt ------------------------------------------------------------------------------

    def _attempt(self, environment: Environment, machine: Machine, folder: Path) -> End:
        """Run the containers once, and take their outputs; return why they ended."""
        run, work, runs = self.run_record, self.task.work, self._shared.runs
        runs.move(run, Status.STARTING)
        working = variables.working(run)
        names = distribution.hosts(work.instances)
        inputs, outputs = self._paths()
        command = rendered(
            work.command,
            inputs=inputs,
            outputs=outputs,
            space=self.task.space,
            absent=frozenset(work.inputs.keys() - inputs.keys()),
        )
        cluster = Cluster(
            self.site,
            Workload(
                command=[
                    sys.executable, "-I", "-S", launching.__file__, command, working, _PROCESSES,
                ],
                environment=self._variables(machine, inputs, outputs),
                image=self._shared.environments.image(environment),
                hosts=names,
                mounts={variables.ROOT: None},
                start=working,
            ),
            folder,
        )  # fmt: skip
        each = distribution.processes(work.distribution, list(cluster.hosts.values()))
        for host, processes in zip(names, each, strict=True):
            for inside in (working, variables.data(run)):
                cluster.path(host, inside).mkdir(parents=True, exist_ok=True)
            listed = [dict(process.variables) for process in processes]
            cluster.path(host, _PROCESSES).write_text(json.dumps(listed), encoding="utf-8")
            self._fill(cluster, host)
        self._take_up(cluster, names)
        if self._plan is not None:
            self._plan.begin()
        runs.move(run, Status.RUNNING)
        self._next_sync = time.monotonic() + _SYNC
        writers = {
            host: self._writer([self._log(f"user_logs/{one.log}") for one in processes])
            for host, processes in zip(names, each, strict=True)
        }
        why, code = cluster.run(write=writers.__getitem__, check=self._check, grace=self.grace)
        if not self.stopping.is_set() and why is End.DONE:
            runs.move(run, Status.FINALIZING)
        self._leave(cluster, names, failed=why is not End.DONE or bool(code))
        if why is End.DONE and code:
            first = self._log(f"user_logs/{each[0][0].log}")
            program = command.split()[0] if command.split() else "sh"
            raise FailureError(
                f"Execution failed. User process '{program}' exited with status code {code}. "
                f"Please check log file 'user_logs/{each[0][0].log}' for error details. Error: "
                f"{first.tail()}"
            )
        return why

    def _variables(
        self, machine: Machine, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        run = self.run_record
        ports = {f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()}
        ports |= {f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()}
        injected = variables.injected(self._world, self._workspace, run, machine.client)
        return {**injected, **ports, **self.task.work.variables}

    def _check(self) -> End | None:
        moment = time.monotonic()
        for log in list(self._logs.values()):
            if log.due:
                log.flush()
        if self.stopping.is_set():
            return End.STOPPED
        if moment >= self._deadline:
            return End.TIMEOUT
        checkpointed = False
        if moment >= self._next_sync:
            checkpointed = sum(mirror.sync() for mirror in self._mirrors) > 0
            self._next_sync = time.monotonic() + _SYNC
        plan = self._plan
        return End.INTERRUPTED if plan and plan.due(checkpointed=checkpointed) else None

    # --- its logs ---------------------------------------------------------------------------------

    def _log(self, name: str) -> Log:
        log = self._logs.get(name)
        if log is None:
            place = artifact(self._workspace, self.run_record, name)
            log = self._logs[name] = Log(self._world.blobs, place)
            self.run_record.logs[name] = signed(place, self._world.clock.now())
        return log

    @staticmethod
    def _writer(logs: list[Log]) -> Callable[[list[tuple[int, str]]], None]:
        def write(lines: list[tuple[int, str]]) -> None:
            if len(logs) == 1:
                logs[0].write([line for _, line in lines])
                return
            parted: dict[int, list[str]] = {}
            for _, line in lines:
                number, separator, text = line.partition(launching.SEPARATOR)
                which = int(number) if separator and number.isdecimal() else 0
                parted.setdefault(which, []).append(text if separator else line)
            for which, some in parted.items():
                logs[which].write(some)

        return write

    # --- its files --------------------------------------------------------------------------------

    def _mode(self, name: str, data: Data) -> str:
        port = self.task.work.inputs.get(name)
        return data.mode or (port.mode if port else "") or "ro_mount"

    def _paths(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return what stands for the inputs and the outputs in the command."""
        folder = variables.data(self.run_record)
        inputs: dict[str, str] = {}
        for name, given in self.task.inputs.items():
            if isinstance(given, Literal):
                inputs[name] = given.text
                continue
            mode, asset = self._mode(name, given), self._addresses.asset(given.uri)
            if mode == "direct":
                inputs[name] = asset.uri if asset else given.uri
                continue
            path = self._place(given.uri).path.strip("/")
            single = not mode.startswith("eval_") and self._is_file(given)
            inputs[name] = f"{folder}/INPUT_{name}" + (
                f"/{path.rpartition('/')[2]}" if single else ""
            )
        outputs = {
            name: self._target(name) if target.mode == "direct" else f"{folder}/{name}"
            for name, target in self.task.outputs.items()
        }
        return inputs, outputs

    def _is_file(self, data: Data) -> bool:
        place = self._place(data.uri)
        path = place.path.strip("/")
        return path in self._world.blobs.names(place.account, place.container, path)

    def _place(self, uri: str) -> Place:
        return self._addresses.place(uri)

    def _target(self, name: str) -> str:
        """Return where an output goes."""
        target, run, store = self.task.outputs[name], self.run_record, self.task.datastore
        folder = "" if target.kind == "uri_file" else "/"
        uri = target.uri or datastore_uri(store, f"azureml/{run.name}/{name}{folder}")
        return placed(uri, name=run.name, output=name, datastore=store)

    def _fill(self, cluster: Cluster, host: str) -> None:
        """Bring the code and the inputs to a node."""
        run, work = self.run_record, self.task.work
        if work.code:
            place = self._shared.code(work.code)
            target = cluster.path(host, variables.working(run))
            transfers.bring(self._world.blobs, place, target, writable=True)
        for name, given in self.task.inputs.items():
            if isinstance(given, Literal) or self._mode(name, given) == "direct":
                continue
            mode = self._mode(name, given)
            folder = cluster.path(host, f"{variables.data(run)}/INPUT_{name}")
            place = self._place(given.uri)
            if mode.startswith("eval_"):
                if not mltables.evaluate(self._world.blobs, self._addresses, place, folder):
                    raise FailureError(f"Input '{name}': there is no MLTable at {given.uri}")
                continue
            brought = transfers.bring(
                self._world.blobs, place, folder, writable=mode in ("rw_mount", "download")
            )
            if brought is None and mode != "rw_mount" and not given.made:
                raise FailureError(
                    f"Data of input '{name}' cannot be read: NotFound: there is nothing at "
                    f"{given.uri}"
                )
            if mode == "rw_mount":
                source = folder / brought if brought else folder
                mirror = transfers.Mirror(self._world.blobs, source, place, whole=True)
                mirror.note()
                self._mirrors.append(mirror)

    def _take_up(self, cluster: Cluster, names: list[str]) -> None:
        """Make the outputs' places, and have those that are mounted followed."""
        run = self.run_record
        for name, target in self.task.outputs.items():
            if target.mode == "direct":
                continue
            place = self._place(self._target(name))
            for host in reversed(names):  # what the first node writes counts
                path = cluster.path(host, f"{variables.data(run)}/{name}")
                if target.kind != "uri_file":
                    path.mkdir(parents=True, exist_ok=True)
                if target.mode == "upload":
                    continue
                if target.kind != "uri_file":
                    transfers.bring(self._world.blobs, place, path, writable=True)
                mirror = transfers.Mirror(self._world.blobs, path, place, whole=len(names) == 1)
                mirror.note()
                self._mirrors.append(mirror)

    def _leave(self, cluster: Cluster, names: list[str], *, failed: bool) -> None:
        """Take what the containers have left: artifacts, and outputs unless they failed."""
        run, blobs = self.run_record, self._world.blobs
        for mirror in self._mirrors:
            mirror.sync()
        self._mirrors.clear()
        for own in _OWN_FOLDERS:
            folder = cluster.path(names[0], f"{variables.working(run)}/{own}")
            transfers.Mirror(blobs, folder, artifact(self._workspace, run, own), whole=False).sync()
        for name, target in self.task.outputs.items():
            if failed and target.mode == "upload":
                continue
            uri = self._target(name)
            if target.mode == "upload":
                place = self._place(uri)
                for host in reversed(names):
                    path = cluster.path(host, f"{variables.data(run)}/{name}")
                    transfers.Mirror(blobs, path, place, whole=False).sync()
            self._shared.take_output(self._workspace, run, name, target, uri, named=not failed)
        for host in names:
            transfers.emptied(cluster.path(host, variables.ROOT))
