"""A pipeline's document, read strictly, and what the parts of it say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from google.protobuf import json_format

from waterflow_kfp import validate
from waterflow_kfp.emulator.errors import SpecError, TaskError
from waterflow_kfp.emulator.values import checked, kind, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Json = Mapping[str, Any]

_VERSIONS: Final = ("2.0.0", "2.1.0")
SUCCEEDED: Final = "ALL_UPSTREAM_TASKS_SUCCEEDED"
COMPLETED: Final = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that can be run.

    Attributes:
        name: Its name.
        root: The component that it is.
        components: The others, by name.
        executors: What runs components that hold no tasks, by label.
        default_root: Where artifacts go if nothing else says so.
    """

    name: str
    root: Json
    components: Mapping[str, Json]
    executors: Mapping[str, Json]
    default_root: str = ""

    @classmethod
    def parse(cls, document: Json) -> Pipeline:
        """Read a document: the JSON form of ml_pipelines.PipelineSpec.

        Args:
            document: The document.

        Raises:
            SpecError: It is no PipelineSpec, or one that cannot be run.
        """
        from kfp.pipeline_spec import pipeline_spec_pb2  # slow to import

        proto: Any = pipeline_spec_pb2
        spec = _strict(document, proto.PipelineSpec(), "pipeline spec")
        config = _strict(
            spec.get("deploymentSpec", {}), proto.PipelineDeploymentConfig(), "deploymentSpec"
        )
        name = str(spec.get("pipelineInfo", {}).get("name", ""))
        if not name:
            raise SpecError("Invalid pipeline spec: pipelineInfo.name is required")
        version = str(spec.get("schemaVersion", ""))
        if version not in _VERSIONS:
            raise SpecError(
                f"Invalid pipeline spec: schemaVersion '{version}' is not supported; "
                f"supported are {', '.join(_VERSIONS)}"
            )
        pipeline = cls(
            name,
            spec.get("root", {}),
            spec.get("components", {}),
            config.get("executors", {}),
            str(spec.get("defaultPipelineRoot", "")),
        )
        pipeline._check()
        wrong = validate.errors({**spec, "deploymentSpec": config})
        if wrong:
            raise SpecError(f"Invalid pipeline spec: {'; '.join(wrong)}")
        return pipeline

    def component(self, name: str) -> Json:
        """Return a component."""
        return self.components[name]

    def tasks(self, component: Json) -> Mapping[str, Json]:
        """Return the tasks of a component; none for one that an executor runs."""
        return cast("Mapping[str, Json]", component.get("dag", {}).get("tasks", {}))

    def inputs(self, values: Json) -> dict[str, Any]:
        """Return the parameters of a run, with defaults, as their types have them.

        Args:
            values: What the run is given.

        Raises:
            SpecError: One is unknown, missing, or of another type.
        """
        declared = parameters(self.root)
        for name in values:
            if name not in declared:
                raise SpecError(
                    f"The pipeline '{self.name}' has no input parameter '{name}'; it has: "
                    f"{', '.join(sorted(declared)) or 'none'}"
                )
        try:
            return completed(declared, values)
        except TaskError as error:
            raise SpecError(f"Invalid parameters of pipeline '{self.name}': {error}") from None

    def _check(self) -> None:
        """Refuse what points to nothing."""
        if "dag" not in self.root:
            raise SpecError("Invalid pipeline spec: root.dag is required")
        for where, component in (("root", self.root), *self.components.items()):
            label = component.get("executorLabel")
            if label and label not in self.executors:
                raise SpecError(f"Invalid pipeline spec: {where}: no executor '{label}'")
            if not label and "dag" not in component:
                raise SpecError(f"Invalid pipeline spec: {where}: neither a dag nor an executor")
            tasks = self.tasks(component)
            for key, task in tasks.items():
                self._check_task(f"{where}: task '{key}'", task, tasks)
            _check_order(where, tasks)
        for label, executor in self.executors.items():
            if "resolver" in executor or not executor:
                raise SpecError(
                    f"Waterflow's emulator does not run the executor '{label}': it runs containers,"
                    " importers and custom jobs"
                )

    def _check_task(self, where: str, task: Json, tasks: Mapping[str, Json]) -> None:
        name = str(task.get("componentRef", {}).get("name", ""))
        if name not in self.components:
            raise SpecError(f"Invalid pipeline spec: {where}: no component '{name}'")
        for producer in dependencies(task):
            if producer not in tasks:
                raise SpecError(f"Invalid pipeline spec: {where}: no upstream task '{producer}'")


def parameters(component: Json) -> Mapping[str, Json]:
    """Return the parameters that a component takes."""
    return cast("Mapping[str, Json]", component.get("inputDefinitions", {}).get("parameters", {}))


def artifacts(component: Json) -> Mapping[str, Json]:
    """Return the artifacts that a component takes."""
    return cast("Mapping[str, Json]", component.get("inputDefinitions", {}).get("artifacts", {}))


def made(component: Json, what: str) -> Mapping[str, Json]:
    """Return the "parameters" or "artifacts" that a component makes."""
    return cast("Mapping[str, Json]", component.get("outputDefinitions", {}).get(what, {}))


def completed(declared: Mapping[str, Json], values: Json) -> dict[str, Any]:
    """Return values as their types have them, with the defaults of those that are missing.

    Args:
        declared: The parameters.
        values: What there is; what is declared nowhere stays as it is.

    Raises:
        TaskError: One is missing, or of another type.
    """
    whole = dict(values)
    for name, spec in declared.items():
        if name in whole and (whole[name] is not None or not spec.get("isOptional")):
            whole[name] = checked(name, whole[name], kind(spec))
            literals = plain(spec.get("literals", []))
            if literals and whole[name] not in literals:
                raise TaskError(
                    f"input parameter {name} has the value {whole[name]!r}, which is none of "
                    f"{literals}"
                )
        elif "defaultValue" in spec:
            whole[name] = checked(name, spec["defaultValue"], kind(spec))
        elif spec.get("isOptional"):
            whole.pop(name, None)
        elif kind(spec) != "TASK_CONFIG":
            raise TaskError(f"input parameter {name} is required, and has no value")
    return whole


def dependencies(task: Json) -> set[str]:
    """Return the names of the tasks that come before a task."""
    before = {str(name) for name in task.get("dependentTasks", ())}
    before |= {str(source["producerTask"]) for source in _sources(task)}
    return before


def _sources(task: Json) -> Iterator[Json]:
    given = task.get("inputs", {})
    for one in given.get("parameters", {}).values():
        for name in ("taskOutputParameter", "taskFinalStatus"):
            if name in one:
                yield one[name]
    for one in given.get("artifacts", {}).values():
        if "taskOutputArtifact" in one:
            yield one["taskOutputArtifact"]


def _check_order(where: str, tasks: Mapping[str, Json]) -> None:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter({name: dependencies(task) for name, task in tasks.items()}).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise SpecError(
            f"Invalid pipeline spec: {where}: tasks wait for each other: {circle}"
        ) from None


def _strict(document: Json, message: Any, what: str) -> Json:
    """Return a document in the one form of its message, fields unknown to it refused."""
    try:
        json_format.ParseDict(dict(document), message)
    except json_format.ParseError as error:
        raise SpecError(f"Invalid {what}: {error}") from None
    return cast("Json", json_format.MessageToDict(message))
