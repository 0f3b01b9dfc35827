"""Reading back a pipeline spec of Waterflow's own: its origin, its steps, what caches compare."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.fingerprint import Fingerprint, NativeExpression
from waterflow.cloud.service import Origin
from waterflow.cloud.states import NativeRun, NativeStep, joined
from waterflow.provider.state import ItemCounts, Status
from waterflow_kfp import naming
from waterflow_kfp.layout import Layout, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

RESULT: Final = naming.RESULT
ITEMS: Final = "waterflow_items"
"""The input artifact of the task that gathers the items of a map."""
RENEWED: Final = "--at=renewed="
"""The job whose result was lost, as an argument: caches compare those."""
_PROGRAM: Final = naming.OWN
_CONTROL: Final = re.compile(r"control/[0-9a-f]{64}|^--at=code=[0-9a-f]{64}$")


def origin(spec: Mapping[str, Any]) -> Origin | None:
    """Return what a pipeline spec says of its origin; None for one that is none of Waterflow's."""
    declared = _parameters(spec)
    if naming.BUILD not in declared or naming.PIPELINE not in declared:
        return None
    return Origin(
        str(declared[naming.BUILD].get("defaultValue")),
        str(declared[naming.PIPELINE].get("defaultValue")),
    )


def name(spec: Mapping[str, Any]) -> str:
    """Return the native pipeline's name."""
    return str((spec.get("pipelineInfo") or {}).get("name", ""))


def tasks(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all tasks, those of inner DAGs too."""
    for place in Layout(spec).places():
        yield place.name


def natives(spec: Mapping[str, Any]) -> dict[str, NativeStep]:
    """Return the steps and the conditions of a pipeline spec, each after what it stands on."""
    layout = Layout(spec)
    steps: dict[str, NativeStep] = {}
    for place in layout.places():
        gate = layout.gate(place)
        if gate is not None:
            native, shown, _ = gate
            steps.setdefault(native, NativeStep(native, None, shown, chain=layout.chain(place)))
        elif layout.is_step(place):
            steps[place.name] = NativeStep(
                place.name,
                str(place.task["taskInfo"]["name"]),
                None,
                layout.chain(place),
                tuple(layout.needs(place)),
                _image(layout.executor(place)),
            )
    return steps


def _image(executor: Mapping[str, Any]) -> str:
    """Return the image of an executor; of a custom job that of its first pool."""
    if "container" in executor:
        return str(executor["container"].get("image") or "")
    job: Mapping[str, Any] = (executor.get("customJob") or {}).get("customJob") or {}
    pools: list[Mapping[str, Any]] = (job.get("jobSpec") or {}).get("workerPoolSpecs") or []
    containers = (pool.get("containerSpec") or {} for pool in pools)
    return next((str(one["imageUri"]) for one in containers if one.get("imageUri")), "")


def native_runs(spec: Mapping[str, Any], runs: Mapping[str, NativeRun]) -> dict[str, NativeRun]:
    """Return the runs of a pipeline spec's steps and conditions, from those of its tasks.

    Args:
        spec: The pipeline spec.
        runs: The tasks, by name, that were begun, or that are over: one whose condition does not
            hold is SKIPPED, one that a cache has answered CACHED.
    """
    layout = Layout(spec)
    result: dict[str, NativeRun] = {}
    for native, step in natives(spec).items():
        if step.gate is not None:
            outcome = _outcome(native, runs)
            if outcome is not None:
                result[native] = outcome
            continue
        run = _whole(native, layout, runs)
        closed = any(
            one is not None and one.status is Status.SKIPPED
            for one in (runs.get(dag) for dag in layout.around(native))
        )
        if closed or (run is not None and _lacks(step, result)):
            result[native] = replace(
                run or NativeRun(native, Status.SKIPPED), status=Status.SKIPPED, job="", kind=""
            )
        elif run is not None:
            result[native] = run
    return result


def _whole(native: str, layout: Layout, runs: Mapping[str, NativeRun]) -> NativeRun | None:
    """Return the run of a step, put together of its tasks' where it has a job for each item."""
    parts = layout.parts(layout.place(native))
    if not parts:
        return runs.get(native)
    names = [parts[part].name for part in (naming.COUNT, naming.ITEM) if part in parts]
    begun = [run for name in (*names, native) if (run := runs.get(name)) is not None]
    known = layout.iterations(parts[naming.ITEMS])
    items = _items(runs.get(parts[naming.ITEM].name), known)
    if not begun:
        loop = runs.get(parts[naming.ITEMS].name)
        return None if loop is None else replace(loop, native=native, job="", kind="")
    # Between the items' end and what gathers them it is not over.
    over = begun[-1].native == native or begun[-1].status in (Status.FAILED, Status.CANCELLED)
    whole = joined(native, begun, over=over)
    return whole if whole.status is Status.CACHED else replace(whole, items=items)


def _items(run: NativeRun | None, known: int | None) -> ItemCounts | None:
    """Return how far the jobs of a map's items have come; None where nobody can say.

    Args:
        run: The items' task, made of all that were begun.
        known: How many items there are, where the pipeline spec says so.
    """
    jobs = run.jobs if run is not None else ()
    if known is None and not jobs:
        return None
    states = [job.status for job in jobs]
    return ItemCounts(
        total=max(known or 0, len(jobs)),
        done=sum(one in (Status.SUCCEEDED, Status.CACHED) for one in states),
        failed=states.count(Status.FAILED),
        running=states.count(Status.RUNNING),
    )


def _outcome(gate: str, runs: Mapping[str, NativeRun]) -> NativeRun | None:
    """Return what a gate has decided; None before, or where it decides nothing."""
    for then in (True, False):
        run = runs.get(naming.side_task(gate, then=then))
        other = runs.get(naming.side_task(gate, then=not then))
        if run is None or run.status is Status.PENDING:
            continue
        taken = run.status is not Status.SKIPPED
        if not taken and other is not None and other.status is Status.SKIPPED:
            continue  # neither side: it reads of a step that was skipped
        return replace(
            run, native=gate, status=Status.SUCCEEDED, job="", kind="", failure=None,
            outcome=then if taken else not then,
        )  # fmt: skip
    return None


def _lacks(step: NativeStep, runs: Mapping[str, NativeRun]) -> bool:
    """Say whether of what a step needs one part is made by nobody."""
    return any(
        group and all((run := runs.get(one)) is not None and run.status is Status.SKIPPED
                      for one in group)
        for group in step.needs
    )  # fmt: skip


# --- what caches see ------------------------------------------------------------------------------


def fingerprints(spec: Mapping[str, Any]) -> dict[str, Fingerprint]:
    """Return what caches know steps by: component, executor and inputs; and what gates compare.

    https://cloud.google.com/vertex-ai/docs/pipelines/configure-caching
    """
    layout = Layout(spec)
    prints: dict[str, Fingerprint] = {}
    for place in layout.places():
        gate = layout.gate(place)
        if gate is not None:
            native, _, _ = gate
            if layout.is_side(place) and native not in prints:
                prints[native] = Fingerprint(
                    {
                        "condition": place.task["triggerPolicy"]["condition"],
                        "inputs": _expressions(layout, place, "parameters"),
                    }
                )
            elif not layout.is_side(place):
                continue
        elif layout.is_step(place):
            prints[place.name] = _fingerprint(layout, place)
    return prints


_APART: Final = ("executorLabel", "inputDefinitions")


def _fingerprint(layout: Layout, place: Place) -> Fingerprint:
    parts = layout.parts(place)
    own = _known(layout, place)
    if parts:
        # What its items make is told by what they are given.
        own.part["artifacts"].pop(ITEMS, None)
        whole = {part: _known(layout, one).part for part, one in parts.items()
                 if part != naming.ITEMS}  # fmt: skip
        return Fingerprint({"": own.part, **whole}, own.lifetime)
    return own


def _known(layout: Layout, place: Place) -> Fingerprint:
    """Return what the cache knows one task by."""
    cached = bool((place.task.get("cachingOptions") or {}).get("enableCache"))
    component = layout.component(place)
    # A parameter's type is its value's, and a value that a number cannot hold travels as text.
    taken: Mapping[str, Any] = component.get("inputDefinitions") or {}
    part = {
        "component": {
            **{key: one for key, one in component.items() if key not in _APART},
            "inputArtifacts": taken.get("artifacts") or {},
        },
        "executor": layout.executor(place),
        "artifacts": _expressions(layout, place, "artifacts"),
        "parameters": _expressions(layout, place, "parameters"),
    }
    return Fingerprint(part, math.inf if cached else None)


def _expressions(layout: Layout, place: Place, kind: str) -> dict[str, Any]:
    bound: Mapping[str, Any] = (place.task.get("inputs") or {}).get(kind) or {}
    return {key: _expression(layout, place, kind, value) for key, value in bound.items()}


def _expression(layout: Layout, place: Place, kind: str, bound: Mapping[str, Any]) -> Any:
    """Return what an input is bound to, as far as it is known before a run."""
    source = layout.source(place, kind, bound)
    text = json.dumps(source.text, sort_keys=True)
    if kind == "artifacts" and len(source.steps) > 1:  # of a branch that was taken, whichever
        return NativeExpression(text, choice=source.steps)
    steps = frozenset(source.steps)
    if source.parameter is not None:
        return NativeExpression(text, parameters=frozenset({source.parameter}))
    if not steps:
        return source.text
    if kind == "artifacts":
        return NativeExpression(text, places=steps)
    return NativeExpression(text, contents=steps)


def declared(spec: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the texts of the defaults of a pipeline's parameters; None for required ones."""
    return {
        key: _text(entry) if "defaultValue" in entry else None
        for key, entry in _parameters(spec).items()
        if key not in (naming.BUILD, naming.PIPELINE)
    }


def _text(entry: Mapping[str, Any]) -> str:
    value = entry["defaultValue"]
    kind = entry.get("parameterType")
    if kind == "NUMBER_INTEGER":
        return str(int(value))
    if kind == "NUMBER_DOUBLE":
        return repr(float(value))
    return value if isinstance(value, str) else json.dumps(value)


def _parameters(spec: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    root: Mapping[str, Any] = spec.get("root") or {}
    return (root.get("inputDefinitions") or {}).get("parameters") or {}


# --- the same steps -------------------------------------------------------------------------------


def same_steps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two pipeline specs run the same, whatever the cache may answer.

    What a register step writes down of its origins, such as the commit, is no part of that, nor
    which lost results are passed over.
    """
    return bool(_compared(one) == _compared(other))


def _compared(spec: Mapping[str, Any]) -> dict[str, Any]:
    layout = Layout(spec)
    parts: dict[str, Any] = {}
    registers: set[str] = set()
    for place in layout.places():
        component = layout.component(place)
        executor = layout.executor(place)
        given = (component.get("inputDefinitions") or {}).get("parameters") or {}
        if naming.STARTED in given:
            executor = _without_control(executor)
            bound = (place.task.get("inputs") or {}).get("artifacts") or {}
            control = bound.get(naming.CONTROL, {}).get("taskOutputArtifact") or {}
            control = control or layout.origin(place, naming.CONTROL)
            registers.add(str(control.get("producerTask")))
        task = {key: part for key, part in place.task.items() if key != "cachingOptions"}
        parts[place.name] = [task, component, _without_renewed(executor)]
    for importer in registers & parts.keys():
        parts[importer][0] = _without_control(parts[importer][0])
    defaults = {key: entry for key, entry in _parameters(spec).items() if key != naming.BUILD}
    return {"tasks": parts, "parameters": defaults}


def _without_control(part: Any) -> Any:
    if isinstance(part, dict):
        entries = cast("dict[str, Any]", part)
        return {key: _without_control(value) for key, value in entries.items()}
    if isinstance(part, list):
        return [_without_control(item) for item in cast("list[Any]", part)]
    return _CONTROL.sub("control", part) if isinstance(part, str) else part


def _without_renewed(executor: Mapping[str, Any]) -> Mapping[str, Any]:
    def plain(container: Mapping[str, Any]) -> dict[str, Any]:
        arguments = [one for one in container.get("args", ()) if not one.startswith(RENEWED)]
        if arguments[:1] and arguments[0].startswith(f"{_PROGRAM}:"):
            arguments[0] = _PROGRAM
        return {**container, "args": arguments}

    return _with_containers(executor, plain)


def renewed(spec: Mapping[str, Any], jobs: Mapping[str, str]) -> dict[str, Any]:
    """Return a pipeline spec in which former results of some steps do not stand for them.

    Args:
        spec: The pipeline spec.
        jobs: Task -> the job whose result is gone.
    """
    executors = dict(spec["deploymentSpec"]["executors"])
    layout = Layout(spec)
    # What an item has made may be gone too: it was kept as long, and beside it.
    every = {
        name: job
        for task, job in jobs.items()
        for name in (task, *(one.name for one in layout.parts(layout.place(task)).values()))
    }
    for task, job in every.items():
        mark = job.rpartition("/")[2]

        def marked(container: Mapping[str, Any], mark: str = mark) -> dict[str, Any]:
            arguments = [*container.get("args", ())]
            if arguments and arguments[0].partition(":")[0] == _PROGRAM:
                arguments[0] = f"{_PROGRAM}:{mark}"
            else:
                arguments.append(f"{RENEWED}{mark}")
            return {**container, "args": arguments}

        label = naming.executor(task)
        if label in executors:
            executors[label] = _with_containers(executors[label], marked)
    return {**spec, "deploymentSpec": {**spec["deploymentSpec"], "executors": executors}}


def _with_containers(
    executor: Mapping[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Mapping[str, Any]:
    """Return an executor with its containers changed, of a custom job those of all its pools."""
    if "container" in executor:
        return {**executor, "container": change(executor["container"])}
    if "customJob" not in executor:
        return executor
    job = executor["customJob"]["customJob"]
    pools = [
        {**pool, "containerSpec": change(pool["containerSpec"])}
        for pool in job["jobSpec"]["workerPoolSpecs"]
    ]
    changed = {**job, "jobSpec": {**job["jobSpec"], "workerPoolSpecs": pools}}
    return {"customJob": {"customJob": changed}}


# --- caching --------------------------------------------------------------------------------------


def uncached(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pipeline spec in which no earlier result may stand for a step."""

    def without(options: dict[str, Any]) -> dict[str, Any]:
        return {} if options.get("enableCache") else options

    return _with_caching(spec, without)


def cached(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pipeline spec in which earlier results stand for steps as before `uncached`."""

    def restored(options: dict[str, Any]) -> dict[str, Any]:
        return options or {"enableCache": True}

    return _with_caching(spec, restored)


def _with_caching(
    spec: Mapping[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    def changed(dag: Mapping[str, Any]) -> dict[str, Any]:
        inner = {
            key: {**task, "cachingOptions": change(task["cachingOptions"])}
            if "cachingOptions" in task
            else task
            for key, task in dag["tasks"].items()
        }
        return {**dag, "tasks": inner}

    components = {
        key: {**one, "dag": changed(one["dag"])} if "dag" in one else one
        for key, one in (spec.get("components") or {}).items()
    }
    root = {**spec["root"], "dag": changed(spec["root"]["dag"])}
    return {**spec, "root": root, "components": components}
