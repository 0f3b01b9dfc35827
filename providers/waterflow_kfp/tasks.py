"""The tasks of steps: component, executor, and what both are given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from waterflow import spec
from waterflow.cloud.control import LAUNCH, control_digest
from waterflow.cloud.document import Control
from waterflow.cloud.libraries import Libraries
from waterflow.cloud.naming import value_keys
from waterflow.spec.job import leaves
from waterflow_kfp import containers, naming, types
from waterflow_kfp.dags import Dag, Flow, bind
from waterflow_kfp.scopes import value_kind, value_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_kfp.planning import KfpPlanning
    from waterflow_kfp.scopes import Scopes

_FORMS = {
    "NUMBER_INTEGER": "integer", "NUMBER_DOUBLE": "number", "BOOLEAN": "boolean", "STRING": "text",
}  # fmt: skip


@dataclass
class TaskParts:
    """What a task is given and gives, while it is put together.

    Attributes:
        dag: The DAG that it is a task of.
        task: The task.
        component: Its component.
        artifacts: Input -> the input artifact that holds it.
        parameters: Input -> the input parameter that holds it.
    """

    dag: Dag
    task: dict[str, Any]
    component: dict[str, Any] = field(default_factory=dict[str, Any])
    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    parameters: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, name: str, flow: Flow) -> str:
        """Let the task be given something, and return the placeholder for it."""
        bind(self.task, flow.kind, name, self.dag.reach(flow, self.task))
        self._declare("inputDefinitions", flow, name)
        return naming.input_path(name) if flow.kind == "artifacts" else naming.input_value(name)

    def constant(self, name: str, value: str) -> str:
        """Let the task be given a text, and return the placeholder for it."""
        bind(self.task, "parameters", name, {"runtimeValue": {"constant": value}})
        declared = self.component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
        declared[name] = {"parameterType": "STRING"}
        return naming.input_value(name)

    def give(self, flow: Flow) -> str:
        """Let the task give something, and return the placeholder for where it writes it."""
        self._declare("outputDefinitions", flow, flow.key)
        artifact = flow.kind == "artifacts"
        return naming.output_path(flow.key) if artifact else naming.output_file(flow.key)

    def _declare(self, where: str, flow: Flow, name: str) -> None:
        self.component.setdefault(where, {}).setdefault(flow.kind, {})[name] = flow.declared()


@dataclass(frozen=True)
class StepTask:
    """A step's task, as the document has it.

    Attributes:
        component: Its component.
        executor: Its executor.
        control: What its jobs are given besides their inputs; None for a program.
        kubernetes: What Kubernetes is told of its pods.
    """

    component: dict[str, Any]
    executor: dict[str, Any]
    control: Control | None
    kubernetes: dict[str, Any]


def step_task(planning: KfpPlanning, scopes: Scopes, step: spec.Step) -> StepTask:
    """Add a step's task to its DAG.

    Args:
        planning: The pipeline and its settings.
        scopes: The DAGs.
        step: The step.

    Raises:
        UnsupportedFeatureError: The service cannot honour a setting.
        ConfigurationError: The profile does not fit the step.
        DefinitionError: A name or a value is none that the service takes.
    """
    native, dag = planning.native[step.name], scopes.of(step.branch)
    parts = TaskParts(dag, task_of(planning, step, native, step.name))
    task = parts.task
    image, _, _ = planning.image(step)
    container: dict[str, Any] = {"image": image}
    control = None
    plain = as_given(planning, step)
    launch = take_inputs(planning, scopes, step, plain, parts)
    for before in step.after:
        scopes.wait_for(dag, task, step.name, before)
    give_outputs(scopes, step, parts, native)
    if isinstance(step.run, spec.Container):
        words = containers.command(planning, plain, step.run, parts.artifacts, parts.parameters)
        container |= {"command": words[:3], "args": words[3:]}
        variables = sorted(step.environment.variables.items())
        if variables:
            container["env"] = [{"name": name, "value": value} for name, value in variables]
        if step.retry.retries:
            task["retryPolicy"] = _own_retry(step.retry)
    else:
        job = with_values(planning, scopes, step, parts, Job(inputs=launch))
        control = launched(planning, scopes, plain, parts, job, container)
    return finished(planning, step, native, parts, container, control)


def task_of(planning: KfpPlanning, step: spec.Step, native: str, shown: str) -> dict[str, Any]:
    """Return a task of a step, to which nothing is bound yet.

    Args:
        planning: The pipeline.
        step: The step.
        native: The task's name.
        shown: What people are shown of it.
    """
    return {
        "taskInfo": {"name": shown},
        "componentRef": {"name": naming.component(native)},
        "cachingOptions": {"enableCache": planning.is_cached(step)},
    }


def as_given(planning: KfpPlanning, step: spec.Step) -> spec.Step:
    """Return a step as its job has it: what no run changes is constant."""
    return planning.without_static(_without_complete(planning, step))


def give_outputs(scopes: Scopes, step: spec.Step, parts: TaskParts, native: str) -> None:
    """Let a task give the outputs of its step."""
    for name, output in sorted(step.outputs.items()):
        kind = types.schema("path" if output.raw else output.type)
        flow = Flow("artifacts", kind, parts.dag, native, name)
        parts.give(flow)
        scopes.gives(step.name, flow)


def finished(
    planning: KfpPlanning,
    step: spec.Step,
    native: str,
    parts: TaskParts,
    container: dict[str, Any],
    control: Control | None,
) -> StepTask:
    """Add a task to its DAG, and return it.

    Args:
        planning: The pipeline.
        step: The step, with what this job of it asks for.
        native: The task's name.
        parts: What it is given and gives.
        container: Its container.
        control: What its jobs are given besides their inputs; None for a program.
    """
    retry = planning.dialect.retry
    if control is not None and retry is not None:
        parts.task["retryPolicy"] = _retry(retry.count, retry.delay, retry.factor, retry.longest)
    parts.dag.tasks[native] = parts.task
    parts.component["executorLabel"] = naming.executor(native)
    return StepTask(
        parts.component,
        planning.dialect.executor(planning.pipeline.name, step, container, native),
        control,
        planning.dialect.kubernetes(planning.pipeline.name, step),
    )


def _retry(count: int, delay: float, factor: float, longest: float) -> dict[str, Any]:
    return {
        "maxRetryCount": count,
        "backoffDuration": f"{delay:g}s",
        "backoffFactor": factor,
        "backoffMaxDuration": f"{longest:g}s",
    }


def _own_retry(retry: spec.Retry) -> dict[str, Any]:
    """Return the retries that a user asks for, of a program: no runtime of ours is in its job."""
    longest = min(retry.delay * retry.backoff**retry.retries, 3600)
    return _retry(retry.retries, retry.delay, retry.backoff, max(longest, retry.delay))


# --- inputs -------------------------------------------------------------------------------------


def _without_complete(planning: KfpPlanning, step: spec.Step) -> spec.Step:
    """Return a step in which a first of several is one input, where exactly one is made."""
    inputs = {
        name: msgspec.structs.replace(one, source=one.source.options[0])
        for name, one in step.inputs.items()
        if isinstance(one.source, spec.FromFirst) and planning.is_complete(step, one.source)
    }
    return msgspec.structs.replace(step, inputs={**step.inputs, **inputs}) if inputs else step


def take_inputs(
    planning: KfpPlanning, scopes: Scopes, step: spec.Step, plain: spec.Step, parts: TaskParts
) -> dict[str, dict[str, Any]]:
    """Add a step's inputs; return how launch.json says its artifacts and outside data.

    Args:
        planning: The pipeline.
        scopes: The DAGs.
        step: The step, as the spec has it.
        plain: The step, as its job has it.
        parts: Its task.
    """
    launch: dict[str, dict[str, Any]] = {}
    named = list(leaves(plain))
    keys = value_keys(name for name, _ in named)
    for name, source in named:
        key = keys[name]
        if isinstance(source, spec.FromStep):
            flow, maybe = _artifact(scopes, step, name, source)
            if maybe:  # `reading` takes those together that are options of one input
                argument, _, option = name.rpartition(".")
                key = f"{argument}--{option}"
            parts.take(key, flow)
            parts.artifacts[name] = key
            launch[name] = {"from": key, "output": source.output}
            raw = planning.is_raw(source)
            if raw:
                launch[name]["raw"] = True  # without a manifest: the reader seals it
            if maybe or (raw and source.step in planning.unsure):
                launch[name]["type"] = planning.steps[source.step].outputs[source.output].type
        elif isinstance(source, spec.FromData):
            address = planning.data(source.uri)
            parts.take(key, scopes.imported(f"data-{step.name}-{name}", address))
            parts.artifacts[name] = key
            launch[name] = {"data": key, "optional": False}
        else:
            parameter = planning.pipeline.parameters[source.name]
            if parameter.type == "data":
                parts.take(key, scopes.imported_parameter(source.name))
                parts.artifacts[name] = key
                launch[name] = {"data": key, "optional": parameter.optional}
            else:
                parts.take(key, scopes.parameter(source.name))
                parts.parameters[name] = key
    return launch


def _artifact(
    scopes: Scopes, step: spec.Step, name: str, source: spec.FromStep
) -> tuple[Flow, bool]:
    """Return what a step takes of another, and whether it may be nothing."""
    whole = step.inputs[name.partition(".")[0]].source
    if not isinstance(whole, spec.FromFirst):
        return scopes.artifact(source.step, source.output), False
    if scopes.planning.is_complete(step, whole):
        return scopes.one_of(step, whole), False
    return scopes.or_nothing(step, source), True


# --- a step that our launcher starts ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a job does of a step that our launcher starts.

    Attributes:
        inputs: How launch.json says its artifacts and outside data.
        results: Output parameter -> the value that the place writes to it, and in which form.
        files: Output parameter -> the placeholder for its file.
        values: Value, as the runtime tells it -> its key; the step's own where nothing is said.
        part: What it does of a map, in the runtime's words; "" for all of the step.
        words: Arguments for its part.
    """

    inputs: dict[str, dict[str, Any]]
    results: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, dict[str, str]])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    part: str = ""
    words: tuple[str, ...] = ()


def launched(
    planning: KfpPlanning,
    scopes: Scopes,
    step: spec.Step,
    parts: TaskParts,
    job: Job,
    container: dict[str, Any],
) -> Control:
    """Make the container of a job that our launcher starts.

    Args:
        planning: The pipeline.
        scopes: The DAGs.
        step: The step, as the job has it.
        parts: Its task.
        job: What it does.
        container: What there is of its container: the image.
    """
    dialect = planning.dialect
    _, python, libraries = planning.image(step)
    if job.part == naming.GATHER:
        libraries = Libraries()  # it moves files, and reads none that a library has written
    inputs = job.inputs
    mounts = {entry["from"]: entry["from"] for entry in inputs.values() if "from" in entry}
    launch: dict[str, Any] = {
        "version": 1,
        **planning.launch(step, python, libraries, inputs, mounts),
        "values": dict(job.values),
        "depth": dialect.depth,
        "marks": dialect.retry is not None,
        "results": {name: dict(one) for name, one in job.results.items()},
        **dialect.launch(step),
    }
    planning.mlflow.add_to(launch, planning.build, step)
    document = planning.step_document(step, job.part)
    digest = control_digest(launch, document, planning.build.code(step.name), planning.programs)
    shown = naming.part_shown(step.name, job.part) if job.part else step.name
    control = _brought(planning, scopes, parts, naming.CONTROL, f"control/{digest}",
                       f"control-{shown}")  # fmt: skip
    words = [f"{control}/{LAUNCH}"]
    if dialect.path(dialect.base) is None:
        # The cache of a service need not look at what an artifact is, but at arguments it does.
        words.append(f"--at=code={digest}")
    if libraries.wheels is not None:
        wheels = _brought(planning, scopes, parts, naming.WHEELS, f"wheels/{libraries.wheels}",
                          "wheels")  # fmt: skip
        words.append(f"--at=wheels={wheels}")
    if step.resources.spot:
        checkpoint = dialect.path(planning.uri(f"checkpoints/{digest}"))
        if checkpoint is not None:
            words.append(f"--at=checkpoint={checkpoint}")
    result = parts.give(Flow("artifacts", types.ARTIFACT, parts.dag, None, naming.RESULT))
    words.append(f"--at=result={result}")
    # What an item has made is one artifact, so that one list of them is all there is to gather.
    words += [f"--at=out.{name}={result}/{name}" if job.part == naming.ITEM
              else f"--at=out.{name}={naming.output_path(name)}"
              for name in sorted(step.outputs)]  # fmt: skip
    words += [f"--at=in.{key}={naming.input_path(key)}" for key in parts.artifacts.values()]
    words += [f"--at=value.{name}={file}" for name, file in job.files.items()]
    if isinstance(step.run, spec.Register):
        started = parts.constant(naming.STARTED, "{{$.pipeline_job_create_time_utc}}")
        words.append(f"--at=started={started}")
    words += [_parameter(planning, parts, name, source) for name, source in leaves(step)
              if isinstance(source, spec.FromParameter) and name in parts.parameters]  # fmt: skip
    words += job.words
    # What Python would write beside its programs is nobody's.
    brought = control.startswith("{{$")
    container["command"] = ["python3", "-B", *([] if brought else words[:1])]
    container["args"] = words if brought else words[1:]
    return Control(digest=digest, source=step.name, launch=launch, step=document)


def _parameter(
    planning: KfpPlanning, parts: TaskParts, name: str, source: spec.FromParameter
) -> str:
    flag = "text" if planning.encodings.get(source.name) == "text" else "param"
    return f"--{flag}={name}={naming.input_value(parts.parameters[name])}"


def _brought(
    planning: KfpPlanning, scopes: Scopes, parts: TaskParts, key: str, place: str, shown: str
) -> str:
    """Return where a job sees what lies below the profile's prefix."""
    address = planning.uri(place)
    path = planning.dialect.path(address)
    return path if path is not None else parts.take(key, scopes.imported(shown, address))


def with_values(
    planning: KfpPlanning, scopes: Scopes, step: spec.Step, parts: TaskParts, job: Job
) -> Job:
    """Return a job that also tells what conditions and maps read of its step.

    Args:
        planning: The pipeline.
        scopes: The DAGs.
        step: The step.
        parts: Its task, which is given the output parameters.
        job: What else it does.
    """
    results: dict[str, dict[str, str]] = {}
    files: dict[str, str] = {}
    values = dict(planning.keys(step.name))

    def give(parameter: str, native_kind: str, key: str, form: str) -> None:
        flow = Flow("parameters", native_kind, parts.dag, planning.native[step.name], parameter)
        files[parameter] = parts.give(flow)
        scopes.gives(step.name, flow)
        results[parameter] = {"value": key, "form": form}

    for name, key in values.items():
        output, dot, entry = name.partition(".")
        kind = value_kind(planning, spec.FromStep(step.name, output, entry if dot else None))
        kinds = [types.PLAIN[kind]] if kind != "any" else ["STRING", "STRING", "NUMBER_DOUBLE"]
        forms = [_FORMS[kinds[0]]] if kind != "any" else ["any", "kind", "number"]
        for parameter, native_kind, form in zip(
            value_parameters(key, kind), kinds, forms, strict=True
        ):
            give(parameter, native_kind, key, form)
    for output in planning.counted.get(step.name, ()):
        key = values[naming.count(output)] = naming.count(output)
        give(key, "LIST", key, "indexes")
    return replace(job, results=results, files=files, values=values)
