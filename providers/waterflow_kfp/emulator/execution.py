"""One run of a pipeline: which task begins when, and what becomes of it all."""

from __future__ import annotations

import queue
import threading
import uuid
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.jobs import JobState
from waterflow_kfp.emulator import caching, graphs, loops
from waterflow_kfp.emulator.documents import Pipeline
from waterflow_kfp.emulator.errors import CANCELLED, INTERNAL, Failure, TaskError
from waterflow_kfp.emulator.expressions import holds
from waterflow_kfp.emulator.graphs import Graph, Node, Unit
from waterflow_kfp.emulator.leaves import Leaf, imported
from waterflow_kfp.emulator.placeholders import Scope
from waterflow_kfp.emulator.records import Attempt, Change, State, Task, Values
from waterflow_kfp.emulator.work import pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.emulation.clock import Clock
    from waterflow_kfp.emulator.caching import Cache, Catalogue
    from waterflow_kfp.emulator.containers import ContainerJob, Launcher
    from waterflow_kfp.emulator.layouts import Layout

FAIL_FAST: Final = "FAIL_FAST"
FAIL_SLOW: Final = "FAIL_SLOW"
LOST: Final = "The emulator ended while the pipeline ran."
_LOOK: Final = 0.1
"""Seconds between looks at the clock while a task waits to be tried again."""


class Execution:
    """One run of a pipeline, driven by a thread of its own.

    Args:
        spec: The document: a PipelineSpec in JSON.
        name: The run's name: a pipeline job's id, a run's name.
        id: The run's id.
        resource_name: The run's full resource name; the name where it has none.
        layout: Where artifacts and files are.
        parameters: What the run is given.
        launcher: Starts jobs.
        catalogue: The metadata store.
        cache: Earlier results; None for none.
        clock: The emulator's clock.
        platform: The platform's own document: a SinglePlatformSpec in JSON; None for none.
        failure_policy: FAIL_SLOW or FAIL_FAST.
        caching: Whether earlier results may stand for tasks; None for what each task says.
        scheduled: When a schedule has asked for it, in seconds since the epoch; None for now.
        on_change: Called, from the run's thread, when something has changed.
        on_job_end: Called with a task, the number of its try and its job, from the job's thread,
            before the end is seen.

    Raises:
        SpecError: The document or a parameter is wrong.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        *,
        name: str,
        id: str,  # noqa: A002 - what it is
        layout: Layout,
        launcher: Launcher,
        catalogue: Catalogue,
        clock: Clock,
        parameters: Mapping[str, Any] | None = None,
        cache: Cache | None = None,
        resource_name: str = "",
        platform: Mapping[str, Any] | None = None,
        failure_policy: str = FAIL_SLOW,
        caching: bool | None = None,
        scheduled: float | None = None,
        on_change: Callable[[Execution], None] | None = None,
        on_job_end: Callable[[Task, int, ContainerJob], None] | None = None,
    ) -> None:
        self.pipeline = Pipeline.parse(spec)
        self.name, self.id = name, id
        self._layout, self._launcher, self._catalogue = layout, launcher, catalogue
        self._cache, self._clock, self._caching = cache, clock, caching
        self._platform = (platform or {}).get("deploymentSpec", {}).get("executors", {})
        self._fast = failure_policy == FAIL_FAST
        self._on_change, self._on_job_end = on_change, on_job_end
        self.tasks: list[Task] = []
        """All tasks that came up, the pipeline itself first."""
        values = self.pipeline.inputs(parameters or {})
        created = clock.now()
        self._about = {
            "pipeline_job_name": name,
            "pipeline_job_uuid": id,
            "pipeline_job_resource_name": resource_name or name,
            "pipeline_job_create_time_utc": _utc(created),
            "pipeline_job_schedule_time_utc": _utc(scheduled or created),
            "pipeline_root": layout.root,
            "workspace_path": "/kfp-workspace",
        }
        record = self._record(self.pipeline.name, "", "root")
        record.inputs = Values(values)
        self.root = Unit(None, record, self.pipeline.root, record.inputs)
        self._events: queue.SimpleQueue[tuple[Unit, ContainerJob, Leaf] | None]
        self._events = queue.SimpleQueue()
        self._dirty: deque[Graph] = deque()
        self._loops: deque[Node] = deque()
        self._retries: list[Unit] = []
        self._running: dict[Unit, ContainerJob] = {}
        self._stopping = self._closed = self._stop_sent = False
        self._broken = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pipeline-{name}", daemon=True)

    # --- for those who ask ------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the run is."""
        return self.tasks[0].state

    @property
    def error(self) -> Failure | None:
        """Why it has failed; None where it has not."""
        return self.tasks[0].error

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> bool:
        """Ask that the run be stopped; return False when it has ended already."""
        if self.state.final:
            return False
        self._stopping = True
        self._events.put(None)
        return True

    def wait(self, timeout: float | None = None) -> State:
        """Wait until it has ended, or so many seconds; return where it is."""
        self._ended.wait(timeout)
        return self.state

    def close(self) -> None:
        """Leave it as it is: the emulator ends."""
        self._closed = True
        self._events.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return its tasks as plain data; see `restored`."""
        return [one.snapshot() for one in self.tasks]

    # --- the loop ---------------------------------------------------------------------------------

    def _run(self) -> None:
        record = self.root.record
        try:
            record.move(State.RUNNING, self._now())
            self._begin_graph(self.root)
            while not self.root.record.state.final:
                self._advance()
                self._tell()
                if self.root.record.state.final:
                    break
                self._next()
                if self._closed:
                    break
        except Exception as error:
            # Whatever happens here, a run that nobody drives is not told as running.
            failure = Failure(f"Internal error: {type(error).__name__}: {error}", INTERNAL)
            for one in self.tasks:
                one.move(State.FAILED, self._now(), failure)
            raise
        finally:
            self._ended.set()
            self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change(self)

    def _next(self) -> None:
        """Wait for what happens next, and take it."""
        while True:
            try:
                event = self._events.get(timeout=_LOOK if self._retries else None)
            except queue.Empty:
                event = None
            if event is not None:
                self._take(*event)
            if self._stopping and not self._stop_sent:
                self._stop()
            due = [one for one in self._retries if (one.due or 0.0) <= self._now()]
            for unit in due:
                self._retries.remove(unit)
                self._begin(unit)
            if event is not None or due or self._closed or self._stopping:
                return

    def _advance(self) -> None:
        """Begin what can begin, and end what is over, until nothing changes."""
        while self._dirty or self._loops:
            if self._loops:
                self._feed(self._loops.popleft())
                continue
            graph = self._dirty.popleft()
            while graph.ready:
                self._trigger(graph.ready.popleft())
            if graph.over and not graph.unit.record.state.final:
                self._finish_graph(graph)

    def _now(self) -> float:
        return self._clock.now()

    # --- one task ---------------------------------------------------------------------------------

    def _record(self, name: str, parent: str, component: str) -> Task:
        number = uuid.uuid4()
        record = Task(
            id=str(number.int >> 65),
            name=name,
            parent=parent,
            created=self._clock.now(),
            component=component,
            execution=str(number),
        )
        record.history.append(Change(State.PENDING, record.created))
        self.tasks.append(record)
        return record

    def _trigger(self, node: Node) -> None:
        """Begin a task that waits for nothing more, if its policy lets it."""
        graph = node.graph
        if self._stopping:
            node.dropped = True
            self._end_node(node)
            return
        name = str(node.spec["componentRef"]["name"])
        node.record = record = self._record(node.name, graph.unit.record.id, name)
        if not graph.triggered(node) or (self._fast and self._broken and not node.any_end):
            self._settle(node, State.NOT_TRIGGERED)
            return
        component = self.pipeline.component(name)
        record.kind = self._kind(component)
        try:
            inputs = record.inputs = graph.inputs(
                node, component, lambda values: self._scope(node, record, values)
            )
            self._name_statuses(node, inputs)
            condition = node.spec.get("triggerPolicy", {}).get("condition")
            if condition and not holds(condition, inputs.parameters):
                self._settle(node, State.NOT_TRIGGERED)
                return
            iterated = graphs.items(node, inputs)
            if iterated is None:
                node.units.append(Unit(node, record, component, inputs))
            else:
                record.kind = "loop"
                kind = self._kind(component)
                loops.prepare(node, component, inputs, *iterated, kind=kind, now=self._now())
        except TaskError as error:
            self._settle(node, State.FAILED, Failure(str(error), error.code))
            return
        if iterated is None:
            self._begin(node.units[0])
        else:
            record.move(State.RUNNING, self._now())
            self._loops.append(node)

    def _feed(self, node: Node) -> None:
        """Begin iterations up to the limit; end the loop when all are over."""
        while node.queue and not self._stopping and not (self._fast and self._broken):
            if loops.is_full(node):
                return
            unit = node.queue.popleft()
            unit.record.created = self._now()
            unit.record.history.append(Change(State.PENDING, unit.record.created))
            self.tasks.append(unit.record)
            self._begin(unit)
        ending = loops.ending(node, self.pipeline.component, stopping=self._stopping)
        if ending is not None:
            self._settle(node, *ending)

    def _kind(self, component: Mapping[str, Any]) -> str:
        if "dag" in component:
            return "dag"
        executor = self.pipeline.executors[component["executorLabel"]]
        return {"customJob": "custom_job", "importer": "importer"}.get(
            next(iter(executor)), "container"
        )

    def _name_statuses(self, node: Node, inputs: Values) -> None:
        """Complete the final statuses among what a task is given."""
        for name, one in node.spec.get("inputs", {}).get("parameters", {}).items():
            if "taskFinalStatus" in one:
                inputs.parameters[name] |= {
                    "pipelineJobResourceName": self._about["pipeline_job_resource_name"],
                    "pipelineJobName": self._about["pipeline_job_name"],
                    "pipelineJobUuid": self._about["pipeline_job_uuid"],
                }

    def _scope(self, node: Node, record: Task, values: Values) -> Scope:
        document: dict[str, Any] = {
            "inputs": {
                "parameterValues": values.parameters,
                "artifacts": {
                    name: {"artifacts": [one.runtime() for one in some]}
                    for name, some in values.artifacts.items()
                },
            }
        }
        return Scope(run=self._said(node, record), executor_input=document)

    def _said(self, node: Node | None, record: Task) -> dict[str, str]:
        name = record.name if node is None else node.spec.get("taskInfo", {}).get("name")
        return {
            **self._about,
            "pipeline_task_name": str(name or record.name),
            "pipeline_task_uuid": record.id,
        }

    # --- one execution ----------------------------------------------------------------------------

    def _begin(self, unit: Unit) -> None:
        """Begin one execution, or the next attempt at it."""
        unit.tries, unit.due = unit.tries + 1, None
        if self._stopping:
            self._end(unit, State.CANCELLED)
            return
        if "dag" in unit.component:
            unit.record.move(State.RUNNING, self._now())
            self._begin_graph(unit)
            return
        executor = self.pipeline.executors[unit.component["executorLabel"]]
        try:
            if "importer" in executor:
                unit.record.move(State.RUNNING, self._now())
                unit.record.outputs = imported(
                    unit, executor, self._catalogue, self._said(unit.node, unit.record)
                )
                self._end(unit, State.SUCCEEDED)
                return
            if self._reused(unit, executor):
                self._end(unit, State.SKIPPED)
                return
            self._launch(unit, executor)
        except TaskError as error:
            self._failed(unit, Failure(str(error), error.code))

    def _begin_graph(self, unit: Unit) -> None:
        unit.graph = Graph(unit, self.pipeline.tasks(unit.component))
        self._dirty.append(unit.graph)

    def _launch(self, unit: Unit, executor: Mapping[str, Any]) -> None:
        record = unit.record
        leaf = Leaf(unit, executor, self._layout, self._catalogue, self._said(unit.node, record))
        platform = self._platform.get(unit.component["executorLabel"], {})
        work = leaf.work(f"{self.name}~{record.name.replace('_', '-')}", platform)
        ready, number = threading.Event(), unit.tries - 1

        def ended(job: ContainerJob) -> None:
            ready.wait()
            if self._on_job_end is not None:
                self._on_job_end(record, number, job)
            self._events.put((unit, job, leaf))

        job = self._launcher.start(work, ended)
        record.attempts.append(Attempt(job.id, self._now()))
        record.move(State.RUNNING, self._now())
        unit.job = self._running[unit] = job
        ready.set()

    def _take(self, unit: Unit, job: ContainerJob, leaf: Leaf) -> None:
        """Take the end of a job."""
        self._running.pop(unit, None)
        attempt, unit.job = unit.record.attempts[-1], None
        attempt.ended, attempt.error = self._now(), job.error
        if job.shutdown:
            return  # the emulator ends: the run is told as lost when it is there again
        if job.state is JobState.COMPLETED:
            attempt.state = State.SUCCEEDED
            unit.record.outputs = leaf.outputs
            for some in leaf.outputs.artifacts.values():
                self._catalogue.keep(some)
            if self._cache is not None and unit.key:
                self._cache.add(unit.key, unit.record, self.id)
            self._end(unit, State.SUCCEEDED)
        elif job.state is JobState.STOPPED:
            attempt.state = State.CANCELLED
            self._end(unit, State.CANCELLED)
        else:
            attempt.state = State.FAILED
            self._failed(unit, job.error or Failure("", INTERNAL))

    def _failed(self, unit: Unit, failure: Failure) -> None:
        """Try it again later if its policy says so, or let it have failed."""
        policy = unit.node.spec.get("retryPolicy", {}) if unit.node else {}
        if self._stopping or unit.tries > int(policy.get("maxRetryCount") or 0):
            self._end(unit, State.FAILED, failure)
            return
        unit.due = self._now() + pause(policy, unit.tries)
        if unit.record.state is State.RUNNING:
            unit.record.state = State.PENDING
            unit.record.history.append(Change(State.PENDING, self._now(), failure))
        self._retries.append(unit)

    def _reused(self, unit: Unit, executor: Mapping[str, Any]) -> bool:
        """Let an earlier result stand for a task if there is one."""
        options = unit.node.spec.get("cachingOptions", {}) if unit.node else {}
        enabled = options.get("enableCache", False) if self._caching is None else self._caching
        if self._cache is None or not enabled:
            return False
        own = str(options.get("cacheKey", ""))
        unit.key = caching.key(self.pipeline.name, unit.component, executor, unit.inputs, own)
        earlier = self._cache.find(unit.key)
        if earlier is None:
            return False
        _, unit.record.cached_from, outputs = earlier
        unit.record.outputs = outputs
        return True

    # --- ends -------------------------------------------------------------------------------------

    def _end(self, unit: Unit, state: State, error: Failure | None = None) -> None:
        """Let an execution have ended, and its task or loop with it."""
        self._broken = self._broken or state is State.FAILED
        node = unit.node
        if node is None or unit.record is not node.record:
            unit.record.move(state, self._now(), error)
            if node is not None:
                self._loops.append(node)
            return
        self._settle(node, state, error)

    def _settle(self, node: Node, state: State, error: Failure | None = None) -> None:
        """Let a task have come to its final state."""
        assert node.record is not None  # noqa: S101 - it has come up
        if node.record.state.final:
            return
        self._broken = self._broken or state is State.FAILED
        node.record.move(state, self._now(), error)
        self._end_node(node)

    def _end_node(self, node: Node) -> None:
        node.graph.ended(node)
        self._dirty.append(node.graph)

    def _finish_graph(self, graph: Graph) -> None:
        unit, failed = graph.unit, graph.failed()
        cancelled = [one for one in graph.nodes.values() if one.state is State.CANCELLED]
        if failed and not self._stopping:
            names = ", ".join(failed)
            text = f"The DAG failed because some tasks failed. The failed tasks are: [{names}]."
            if unit.node is None:
                self._end(unit, State.FAILED, Failure(text))
            else:
                self._failed(unit, Failure(text))
        elif self._stopping and (cancelled or failed or graph.dropped):
            error = Failure("The pipeline was cancelled.", CANCELLED) if not unit.node else None
            self._end(unit, State.CANCELLED, error)
        else:
            unit.record.outputs = graph.outputs()
            self._end(unit, State.SUCCEEDED)

    def _stop(self) -> None:
        """Stop what runs, and let go of what waits."""
        self._stop_sent = True
        for one in self.tasks:
            if not one.state.final:
                one.move(State.CANCELLING, self._now())
        for unit in list(self._retries):
            self._retries.remove(unit)
            self._end(unit, State.CANCELLED)
        for job in list(self._running.values()):
            job.stop()


def restored(saved: list[dict[str, Any]], now: float) -> list[Task]:
    """Return the tasks of a snapshot; what ran then has failed.

    Args:
        saved: What `Execution.snapshot` returned.
        now: The emulator's time.
    """
    tasks = [Task.restored(one) for one in saved]
    for one in tasks:
        one.move(State.FAILED, now, Failure(LOST, INTERNAL))
    return tasks


def _utc(seconds_: float) -> str:
    return datetime.fromtimestamp(seconds_, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
