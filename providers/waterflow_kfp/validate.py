"""A pipeline spec against itself: what its proto does not see, and services find late or never.

Takes any pipeline spec, whoever wrote it; needs no SDK. It looks for references that lead nowhere
or to another type, for tasks that wait for each other, conditions that cannot be read,
placeholders of what is not declared, and numbers that make no sense.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from waterflow_kfp import cel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Part = Mapping[str, Any]

VERSIONS: Final = ("2.0.0", "2.1.0")
PARAMETERS: Final = frozenset(
    {
        "NUMBER_DOUBLE", "NUMBER_INTEGER", "STRING", "BOOLEAN", "LIST", "STRUCT",
        "TASK_FINAL_STATUS", "TASK_CONFIG",
    }
)  # fmt: skip
STRATEGIES: Final = frozenset(
    {
        "TRIGGER_STRATEGY_UNSPECIFIED", "ALL_UPSTREAM_TASKS_SUCCEEDED",
        "ALL_UPSTREAM_TASKS_COMPLETED",
    }
)  # fmt: skip
_LEGACY: Final = {"INT": "NUMBER_INTEGER", "DOUBLE": "NUMBER_DOUBLE", "STRING": "STRING"}
"""Types of parameters as the first specs say them, with `type`."""
_ANY: Final = "system.Artifact"
_NUMBERS: Final = frozenset({"NUMBER_DOUBLE", "NUMBER_INTEGER"})
_TAKEN: Final = frozenset({("TASK_FINAL_STATUS", "STRUCT")})
"""Types of parameters that are given to others, beside numbers."""
_PLACEHOLDER: Final = re.compile(
    r"\{\{\$\.(inputs|outputs)\.(parameters|artifacts)\[(?:'|\\?\")(.+?)(?:'|\\?\")\]"
)
_DURATION: Final = re.compile(r"\d+(\.\d+)?s")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "NUMBER_DOUBLE": (int, float),
    "NUMBER_INTEGER": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


def errors(spec: Part) -> list[str]:
    """Return what is wrong with a pipeline spec, a line each.

    Args:
        spec: The pipeline spec: the proto `ml_pipelines.PipelineSpec` as JSON.
    """
    return list(_Validator(spec).all())


class _Validator:
    """One look at a pipeline spec."""

    def __init__(self, spec: Part) -> None:
        self._spec = spec
        self._components: Part = spec.get("components") or {}
        self._executors: Part = (spec.get("deploymentSpec") or {}).get("executors") or {}

    def all(self) -> Iterator[str]:
        if self._spec.get("schemaVersion") not in VERSIONS:
            yield f"schemaVersion is {self._spec.get('schemaVersion')!r}, not one of {VERSIONS}"
        if not (self._spec.get("pipelineInfo") or {}).get("name"):
            yield "pipelineInfo.name is missing"
        root: Part = self._spec.get("root") or {}
        if "dag" not in root:
            yield "the root has no DAG"
            return
        yield from self._component("root", root)
        used: Counter[str] = Counter()
        for name, component in self._components.items():
            yield from self._component(name, component)
            if "executorLabel" in component:
                used[component["executorLabel"]] += 1
        for label in self._executors:
            if not used[label]:
                yield f"executor '{label}' is of no component"
        yield from self._recursion()

    # --- components -----------------------------------------------------------------------------

    def _component(self, name: str, component: Part) -> Iterator[str]:
        kinds = [kind for kind in ("dag", "executorLabel") if kind in component]
        if len(kinds) != 1:
            yield f"component '{name}' has {' and '.join(kinds) or 'neither a DAG nor an executor'}"
            return
        for where in ("inputDefinitions", "outputDefinitions"):
            yield from self._declared(name, component.get(where) or {})
        if kinds == ["dag"]:
            yield from self._dag(name, component)
        elif component["executorLabel"] not in self._executors:
            yield f"component '{name}' names executor '{component['executorLabel']}', which is none"
        else:
            yield from self._executor(name, component, self._executors[component["executorLabel"]])

    def _declared(self, name: str, definitions: Part) -> Iterator[str]:
        for key, entry in (definitions.get("parameters") or {}).items():
            kind = entry.get("parameterType") or _LEGACY.get(str(entry.get("type")))
            if kind not in PARAMETERS:
                yield f"component '{name}', parameter '{key}' has type {kind!r}"
            elif "defaultValue" in entry and not _fits(kind, entry["defaultValue"]):
                yield f"component '{name}', parameter '{key}' is {kind}, and not its default"
        for key, entry in (definitions.get("artifacts") or {}).items():
            kind = entry.get("artifactType") or {}
            if not (kind.get("schemaTitle") or kind.get("instanceSchema")):
                yield f"component '{name}', artifact '{key}' has no type"

    def _executor(self, name: str, component: Part, executor: Part) -> Iterator[str]:
        kinds = [one for one in ("container", "importer", "customJob", "resolver")
                 if one in executor]  # fmt: skip
        if len(kinds) != 1:
            yield f"the executor of component '{name}' is {' and '.join(kinds) or 'nothing'}"
            return
        if kinds == ["container"] and not executor["container"].get("image"):
            yield f"the executor of component '{name}' has no image"
        if kinds == ["importer"]:
            uri: Part = executor["importer"].get("artifactUri") or {}
            declared = (component.get("inputDefinitions") or {}).get("parameters") or {}
            key = uri.get("runtimeParameter")
            if key is not None and key not in declared:
                yield f"component '{name}' imports parameter '{key}', which it has not"
        for where, kind, key in sorted(set(_PLACEHOLDER.findall(json.dumps(executor)))):
            declared = (component.get(f"{where[:-1]}Definitions") or {}).get(kind) or {}
            if key not in declared and not (where == "inputs" and self._is_bound(name, kind, key)):
                yield f"component '{name}' fills in {where}.{kind}['{key}'], which it has not"

    def _is_bound(self, component: str, kind: str, key: str) -> bool:
        """Say whether all tasks of a component are given an input that it does not declare.

        kfp's own compiler writes so what a task's settings, such as its machine, take of a run.
        """
        tasks = self._tasks_of.get(component, ())
        return bool(tasks) and all(
            key in ((task.get("inputs") or {}).get(kind) or {}) for task in tasks
        )

    @cached_property
    def _tasks_of(self) -> dict[str, list[Part]]:
        tasks: dict[str, list[Part]] = {}
        for component in (self._spec.get("root") or {}, *self._components.values()):
            for task in ((component.get("dag") or {}).get("tasks") or {}).values():
                tasks.setdefault(_reference(task), []).append(task)
        return tasks

    # --- DAGs -----------------------------------------------------------------------------------

    def _dag(self, name: str, component: Part) -> Iterator[str]:
        tasks: Part = component["dag"].get("tasks") or {}
        where = "the root" if name == "root" else f"component '{name}'"
        for key, task in tasks.items():
            for error in self._task(component, tasks, task):
                yield f"{where}, task '{key}': {error}"
        waits = {
            key: [*(task.get("dependentTasks") or ()), *_producers(task)]
            for key, task in tasks.items()
        }
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as error:
            yield f"{where}: tasks wait for each other: {' -> '.join(error.args[1])}"
        for error in self._outputs(component, tasks):
            yield f"{where}: {error}"

    def _task(self, outer: Part, tasks: Part, task: Part) -> Iterator[str]:
        reference = _reference(task)
        component: Part | None = self._components.get(reference)
        if component is None:
            yield f"component '{reference}' is none"
            return
        for before in task.get("dependentTasks") or ():
            if before not in tasks:
                yield f"it waits for '{before}', which is no task beside it"
        iterated = _iterated(task)
        for kind in ("parameters", "artifacts"):
            declared: Part = (component.get("inputDefinitions") or {}).get(kind) or {}
            bound: Part = (task.get("inputs") or {}).get(kind) or {}
            for key in bound:
                if key in declared or self._is_filled_in(component, task, kind, key):
                    entry = declared.get(key) or {}
                    yield from self._binding(outer, tasks, kind, key, bound[key], entry)
                else:
                    yield f"input '{key}' is none of its component's"
            for key, entry in declared.items():
                optional = entry.get("isOptional") or "defaultValue" in entry
                if key not in bound and not optional and key not in iterated:
                    yield f"input '{key}' is bound to nothing"
        yield from self._policies(component, task)

    def _is_filled_in(self, component: Part, task: Part, kind: str, key: str) -> bool:
        """Say whether a placeholder stands for an input, in a constant or the executor, or is one.

        kfp's own compiler writes so a text that is put together of others, and a task's settings.
        """
        bound: Part = ((task.get("inputs") or {}).get(kind) or {}).get(key) or {}
        if "{{$" in str((bound.get("runtimeValue") or {}).get("constant")):
            return True
        executor = self._executors.get(str(component.get("executorLabel"))) or {}
        written = json.dumps([(task.get("inputs") or {}).get("parameters") or {}, executor])
        return ("inputs", kind, key) in _PLACEHOLDER.findall(written)

    def _binding(
        self, outer: Part, tasks: Part, kind: str, key: str, bound: Part, declared: Part
    ) -> Iterator[str]:
        one = "Artifact" if kind == "artifacts" else "Parameter"
        source: Part | None
        if f"taskOutput{one}" in bound:
            output: Part = bound[f"taskOutput{one}"]
            producer, name = str(output.get("producerTask")), str(output.get(f"output{one}Key"))
            if producer not in tasks:
                yield f"input '{key}' comes from task '{producer}', which is none beside it"
                return
            source = self._given(tasks[producer], kind, name)
            if source is None:
                yield f"input '{key}' comes from '{name}', which task '{producer}' does not give"
                return
            if self._collects(tasks[producer]):
                return
        elif f"componentInput{one}" in bound:
            name = bound[f"componentInput{one}"]
            source = ((outer.get("inputDefinitions") or {}).get(kind) or {}).get(name)
            if source is None:
                yield f"input '{key}' comes from input '{name}', which there is not"
                return
        else:
            if kind == "parameters":
                yield from _constant(key, bound, declared)
            return
        if declared and "parameterExpressionSelector" not in bound:
            yield from _mismatch(kind, key, source, declared)

    def _given(self, task: Part, kind: str, name: str) -> Part | None:
        """Return the declaration of an output of a task."""
        component: Part = self._components.get(_reference(task)) or {}
        return ((component.get("outputDefinitions") or {}).get(kind) or {}).get(name)

    def _collects(self, task: Part) -> bool:
        return "parameterIterator" in task or "artifactIterator" in task

    def _policies(self, component: Part, task: Part) -> Iterator[str]:
        trigger: Part = task.get("triggerPolicy") or {}
        inputs: Part = (component.get("inputDefinitions") or {}).get("parameters") or {}
        if "condition" in trigger:
            try:
                cel.check(trigger["condition"])
            except cel.CelError as error:
                yield f"its condition cannot be read: {error}: {trigger['condition']}"
            for name in sorted(cel.parameters(trigger["condition"]) - inputs.keys()):
                yield f"its condition reads parameter '{name}', which it is not given"
        if trigger.get("strategy", "ALL_UPSTREAM_TASKS_SUCCEEDED") not in STRATEGIES:
            yield f"its trigger strategy is {trigger['strategy']!r}"
        yield from _retry(task.get("retryPolicy") or {})
        yield from _iterator(task.get("parameterIterator") or {}, inputs)

    def _outputs(self, component: Part, tasks: Part) -> Iterator[str]:
        given: Part = component["dag"].get("outputs") or {}
        declared: Part = component.get("outputDefinitions") or {}
        for kind in ("artifacts", "parameters"):
            for name in (declared.get(kind) or {}).keys() - (given.get(kind) or {}).keys():
                yield f"output '{name}' is given by no task"
            for name, output in (given.get(kind) or {}).items():
                if name not in (declared.get(kind) or {}):
                    yield f"output '{name}' is not declared"
                for task, key in _selectors(kind, output):
                    if task not in tasks:
                        yield f"output '{name}' comes from task '{task}', which is none"
                    elif self._given(tasks[task], kind, key) is None:
                        yield f"output '{name}' comes from '{key}', which '{task}' does not give"

    def _recursion(self) -> Iterator[str]:
        """Yield whether a component contains itself, without end."""
        contains = {
            name: {
                _reference(task) for task in (component.get("dag") or {}).get("tasks", {}).values()
            }
            for name, component in self._components.items()
        }
        try:
            TopologicalSorter(contains).prepare()
        except CycleError as error:
            yield f"components contain themselves: {' -> '.join(error.args[1])}"


def _retry(retry: Part) -> Iterator[str]:
    if int(retry.get("maxRetryCount", 0)) < 0:
        yield "it is retried a negative number of times"
    for key in ("backoffDuration", "backoffMaxDuration"):
        if key in retry and not _DURATION.fullmatch(str(retry[key])):
            yield f"retryPolicy.{key} is {retry[key]!r}, no duration such as 30s"


def _iterator(iterator: Part, inputs: Part) -> Iterator[str]:
    if not iterator:
        return
    items: Part = iterator.get("items") or {}
    if iterator.get("itemInput") not in inputs:
        yield f"it iterates into parameter '{iterator.get('itemInput')}', which there is not"
    if "inputParameter" in items:
        name = items["inputParameter"]
        kind = (inputs.get(name) or {}).get("parameterType")
        if kind is None:
            yield f"it iterates over '{name}', which it is not given"
        elif kind not in ("LIST", "STRING", "STRUCT"):
            yield f"it iterates over '{name}', which is no list"
    elif not isinstance(_json(items.get("raw")), list):
        yield "it iterates over what is no list"


def _reference(task: Part) -> str:
    return str((task.get("componentRef") or {}).get("name"))


def _producers(task: Part) -> Iterator[str]:
    for kind in ("artifacts", "parameters"):
        for bound in ((task.get("inputs") or {}).get(kind) or {}).values():
            for one in ("taskOutputArtifact", "taskOutputParameter", "taskFinalStatus"):
                if one in bound and "producerTask" in bound[one]:
                    yield bound[one]["producerTask"]


def _iterated(task: Part) -> set[str]:
    """Return the inputs that an iterator gives."""
    iterators = (task.get("parameterIterator") or {}, task.get("artifactIterator") or {})
    return {str(one["itemInput"]) for one in iterators if "itemInput" in one}


def _selectors(kind: str, output: Part) -> Iterator[tuple[str, str]]:
    if kind == "artifacts":
        for one in output.get("artifactSelectors") or ():
            yield str(one.get("producerSubtask")), str(one.get("outputArtifactKey"))
        return
    several = (output.get("valueFromOneof") or {}).get("parameterSelectors") or ()
    for one in [*several, *([output["valueFromParameter"]] if "valueFromParameter" in output
                            else [])]:  # fmt: skip
        yield str(one.get("producerSubtask")), str(one.get("outputParameterKey"))


def _constant(key: str, bound: Part, declared: Part) -> Iterator[str]:
    if "taskFinalStatus" in bound:
        return
    value = (bound.get("runtimeValue") or {}).get("constant", ...)
    kind = declared.get("parameterType", "")
    if value is ...:
        yield f"input '{key}' is bound to nothing that is known"
    elif not _fits(kind, value) and not (isinstance(value, str) and "{{$" in value):
        yield f"input '{key}' is {kind}, and not {value!r:.60}"


def _mismatch(kind: str, key: str, source: Part, declared: Part) -> Iterator[str]:
    if kind == "parameters":
        one, other = _type(source), _type(declared)
        if one != other and not {one, other} <= _NUMBERS and (one, other) not in _TAKEN:
            yield f"input '{key}' is {other}, and is given {one}"
        return
    one = (source.get("artifactType") or {}).get("schemaTitle", _ANY)
    other = (declared.get("artifactType") or {}).get("schemaTitle", _ANY)
    if one != other and _ANY not in (one, other):
        yield f"input '{key}' is {other}, and is given {one}"
    if bool(source.get("isArtifactList")) != bool(declared.get("isArtifactList")):
        yield f"input '{key}' is one artifact, and is given a list, or the other way round"


def _type(declared: Part) -> str | None:
    return declared.get("parameterType") or _LEGACY.get(str(declared.get("type")))


def _fits(kind: str, value: object) -> bool:
    types = _TYPES.get(kind)
    if value is None or types is None:
        return True
    if isinstance(value, bool):
        return kind == "BOOLEAN"
    if isinstance(value, float) and kind == "NUMBER_INTEGER":
        return value.is_integer()
    return isinstance(value, types)


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
