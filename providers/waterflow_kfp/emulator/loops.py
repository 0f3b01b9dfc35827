"""The iterations of a task: what each is given, how many run at once, and how their loop ends."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from waterflow_kfp.emulator import graphs
from waterflow_kfp.emulator.errors import Failure
from waterflow_kfp.emulator.graphs import Unit
from waterflow_kfp.emulator.records import State, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_kfp.emulator.graphs import Node
    from waterflow_kfp.emulator.records import Values


def prepare(
    node: Node,
    component: Mapping[str, Any],
    inputs: Values,
    name: str,
    items: list[Any],
    *,
    kind: str,
    now: float,
) -> None:
    """Add the iterations of a task, none of which has begun.

    Args:
        node: The task.
        component: Its component.
        inputs: What it is given.
        name: The input that an item becomes.
        items: The items.
        kind: What the component is, as a task's record says it.
        now: The time.

    Raises:
        TaskError: An item is of another type than the component takes.
    """
    assert node.record is not None  # noqa: S101 - it has come up
    for number, item in enumerate(items):
        values = graphs.iteration(node, component, inputs, name, item)
        record = Task(
            id=str(uuid.uuid4().int >> 65),
            name=node.name,
            parent=node.record.id,
            created=now,
            iteration=number,
            kind="iteration" if "dag" in component else kind,
            component=node.record.component,
            execution=str(uuid.uuid4()),
            inputs=values,
        )
        unit = Unit(node, record, component, values)
        node.units.append(unit)
        node.queue.append(unit)


def is_full(node: Node) -> bool:
    """Say whether as many iterations of a task run as may run at once."""
    limit = int(node.spec.get("iteratorPolicy", {}).get("parallelismLimit") or 0)
    begun = len(node.units) - len(node.queue)
    over = sum(one.record.state.final for one in node.units)
    return bool(limit) and begun - over >= limit


def ending(
    node: Node, component: Callable[[str], Mapping[str, Any]], *, stopping: bool
) -> tuple[State, Failure | None] | None:
    """Return how a loop ends, none of whose iterations is to begin any more; None while some run.

    What those have made that ended well is noted as what the loop has made.

    Args:
        node: The task.
        component: Returns a component by its name.
        stopping: Whether the run is being stopped.
    """
    begun = [one.record for one in node.units if one not in node.queue]
    if node.record is None or not all(one.state.final for one in begun):
        return None
    states = {one.state for one in begun}
    if stopping and (node.queue or State.CANCELLED in states):
        return State.CANCELLED, None
    if State.FAILED in states:
        bad = [one for one in begun if one.state is State.FAILED]
        error = bad[0].error or Failure("")
        numbers = ", ".join(str(one.iteration) for one in bad)
        text = f"Iterations [{numbers}] of {node.name} failed: {error.message}"
        return State.FAILED, Failure(text, error.code)
    if node.queue:  # something else has failed, and nothing more begins
        return State.CANCELLED, None
    if node.record.state.final:
        return None
    outputs = [one.record.outputs for one in node.units]
    node.record.outputs = graphs.collected(component(node.record.component), outputs)
    return State.SUCCEEDED, None
