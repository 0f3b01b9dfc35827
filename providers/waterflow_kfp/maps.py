"""A map with a job for each item: the task that is iterated, and those around it.

A step of that kind is up to four tasks. Its own, which has its outputs, gathers what the items'
jobs have made: a list of artifacts, one for each item. Before it stands a DAG that is iterated over
the numbers of the items, and holds one task, the item's job, which reads its item out of the
list's artifact: so neither the size nor the type of an item matters to the service. The numbers
come from the step that makes the list, as a parameter; from the definition where that knows them;
or else from a task that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.runtime.contract import COUNT as RUNTIME_COUNT
from waterflow.runtime.contract import ITEM as RUNTIME_ITEM
from waterflow.runtime.contract import ITEMS as RUNTIME_ITEMS
from waterflow.spec.references import sources
from waterflow_kfp import naming, types
from waterflow_kfp.dags import Flow, bind
from waterflow_kfp.tasks import (
    Job,
    StepTask,
    TaskParts,
    as_given,
    finished,
    give_outputs,
    launched,
    take_inputs,
    task_of,
    with_values,
)

if TYPE_CHECKING:
    from waterflow_kfp.dags import Dag
    from waterflow_kfp.planning import KfpPlanning
    from waterflow_kfp.scopes import Scopes


def map_tasks(planning: KfpPlanning, scopes: Scopes, step: spec.Step) -> dict[str, StepTask]:
    """Add the tasks of a map with a job for each item to their DAGs, and return them by name.

    Args:
        planning: The pipeline and its settings.
        scopes: The DAGs.
        step: The step.

    Raises:
        UnsupportedFeatureError: The service cannot honour a setting.
        ConfigurationError: The profile does not fit the step.
        DefinitionError: A name or a value is none that the service takes.
    """
    tasks = _Tasks(planning, scopes, step)
    indexes = tasks.indexes()
    items = tasks.items(indexes)
    tasks.gather(items)
    return tasks.finished


class _Tasks:
    """The tasks of one step."""

    def __init__(self, planning: KfpPlanning, scopes: Scopes, step: spec.Step) -> None:
        self._planning, self._scopes, self._step = planning, scopes, step
        self._names, self._dag = planning.parts[step.name], scopes.of(step.branch)
        self.finished: dict[str, StepTask] = {}

    # --- how many items there are ---------------------------------------------------------------

    def indexes(self) -> Flow | int:
        """Return what gives the numbers of the items, or of how many the definition knows."""
        assert isinstance(self._step.run, spec.Function)  # noqa: S101 - only functions are mapped
        over = str(self._step.run.over)
        # A first of several is one input to a job, and yet no step's own output.
        source = self._planning.list_of(self._planning.without_static(self._step))
        if self._planning.is_counted(source):
            assert isinstance(source, spec.FromStep)  # noqa: S101 - none else is counted
            return self._scopes.value(source.step, naming.count(source.output))
        known: int | None = None
        if isinstance(source, spec.FromList):
            known = len(source.items)
        elif isinstance(source, spec.FromValue) and isinstance(source.value, list):
            known = len(source.value)  # pyright: ignore[reportUnknownArgumentType]
        if known is None:
            return self._count(over)
        most = self._planning.dialect.most_items
        if known > most:
            raise UnsupportedFeatureError(
                self._step.name,
                f'fan_out="jobs" over {known:,} items',
                self._planning.dialect.provider,
                f'A step can have {most:,} jobs. Use fan_out="processes", or a list of fewer '
                "items, each of which is more.",
            )
        return known

    def _count(self, over: str) -> Flow:
        """Add the task that counts the items."""
        step = self._lighter({over: self._step.inputs[over]}, {})
        native = self._names[naming.COUNT]
        parts = self._parts(self._dag, native, naming.COUNT)
        inputs = take_inputs(self._planning, self._scopes, step, plain := self._given(step), parts)
        self._wait(parts)
        flow = Flow("parameters", "LIST", self._dag, native, naming.INDEXES)
        job = Job(
            inputs=inputs,
            results={naming.INDEXES: {"value": RUNTIME_COUNT, "form": "indexes"}},
            files={naming.INDEXES: parts.give(flow)},
            values={RUNTIME_COUNT: RUNTIME_COUNT},
            part=naming.COUNT,
        )
        self._finish(step, plain, native, parts, job)
        return flow

    # --- the items ------------------------------------------------------------------------------

    def items(self, indexes: Flow | int) -> Flow:
        """Add the DAG that is iterated, with the job of an item; return what all items make."""
        step, native = self._step, self._names[naming.ITEM]
        shown = naming.part_shown(step.name, naming.ITEMS)
        dag = self._dag.child(self._names[naming.ITEMS], shown)
        dag.iterate(RUNTIME_ITEM, indexes)
        parts = self._parts(dag, native, naming.ITEM)
        plain = self._given(step)
        inputs = take_inputs(self._planning, self._scopes, step, plain, parts)
        self._wait(parts)
        bind(parts.task, "parameters", RUNTIME_ITEM, {"componentInputParameter": RUNTIME_ITEM})
        declared = parts.component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
        declared[RUNTIME_ITEM] = {"parameterType": "NUMBER_INTEGER"}
        number = naming.input_value(RUNTIME_ITEM)
        words = (f"--at=item={number}", f"--param={RUNTIME_ITEM}={number}")
        self._finish(step, plain, native, parts,
                     Job(inputs=inputs, part=naming.ITEM, words=words))  # fmt: skip
        return dag.give(RUNTIME_ITEMS, types.ARTIFACT, (native, naming.RESULT), several=True)

    # --- what they have made --------------------------------------------------------------------

    def gather(self, items: Flow) -> None:
        """Add the task that has the step's outputs."""
        native = self._planning.native[self._step.name]
        unsure = {n: one for n, one in self._step.inputs.items() if self._is_unsure(one.source)}
        step = self._lighter(unsure, self._step.outputs)
        parts = TaskParts(self._dag, task_of(self._planning, self._step, native, self._step.name))
        plain = self._given(step)
        inputs = take_inputs(self._planning, self._scopes, step, plain, parts)
        parts.take(RUNTIME_ITEMS, items)
        parts.component["inputDefinitions"]["artifacts"][RUNTIME_ITEMS]["isOptional"] = True
        inputs[RUNTIME_ITEMS] = {"from": RUNTIME_ITEMS, "output": RUNTIME_ITEMS}
        give_outputs(self._scopes, self._step, parts, native)
        words = (f"--at=executor={naming.EXECUTOR_INPUT}",)
        job = Job(inputs=inputs, part=naming.GATHER, words=words)
        job = with_values(self._planning, self._scopes, self._step, parts, job)
        self._finish(step, plain, native, parts, job)

    def _is_unsure(self, source: spec.Source) -> bool:
        """Say whether an input may be nothing, so that there may be no items either."""
        if isinstance(source, spec.FromFirst):
            return not self._planning.is_complete(self._step, source)
        return any(
            isinstance(one, spec.FromStep) and one.step in self._planning.unsure
            for one in sources(source)
        )

    # --- all of them ----------------------------------------------------------------------------

    def _parts(self, dag: Dag, native: str, part: str) -> TaskParts:
        shown = naming.part_shown(self._step.name, part)
        return TaskParts(dag, task_of(self._planning, self._step, native, shown))

    def _given(self, step: spec.Step) -> spec.Step:
        return as_given(self._planning, step)

    def _lighter(self, inputs: dict[str, spec.Input], outputs: dict[str, spec.Output]) -> spec.Step:
        """Return the step for a job that does not call its function."""
        step = self._step
        return msgspec.structs.replace(
            step,
            inputs=inputs,
            outputs=outputs,
            resources=spec.Resources(),
            retry=spec.Retry(),
            timeout=None,
            environment=msgspec.structs.replace(step.environment, secrets={}),
            metrics=msgspec.UNSET,
        )

    def _wait(self, parts: TaskParts) -> None:
        for before in self._step.after:
            self._scopes.wait_for(parts.dag, parts.task, self._step.name, before)

    def _finish(
        self, step: spec.Step, plain: spec.Step, native: str, parts: TaskParts, job: Job
    ) -> None:
        image, _, _ = self._planning.image(step)
        container: dict[str, Any] = {"image": image}
        control = launched(self._planning, self._scopes, plain, parts, job, container)
        self.finished[native] = finished(self._planning, step, native, parts, container, control)
