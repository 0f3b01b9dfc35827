"""Pipelines that tests write by hand, and the kit on which they run in this process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from waterflow_kfp.emulator.caching import Cache, Catalogue
from waterflow_kfp.emulator.containers import STEP, Launcher
from waterflow_kfp.emulator.execution import Execution
from waterflow_kfp.emulator.layouts import VertexLayout

from waterflow.emulation import isolation
from waterflow.emulation.clock import Clock
from waterflow.emulation.faults import FaultRules, Faults
from waterflow.emulation.images import Images
from waterflow.emulation.site import Site, Slots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow_kfp.emulator.layouts import Layout
    from waterflow_kfp.emulator.records import Task

    from waterflow.emulation.isolation import Isolation

ROOT = "gs://bucket/root"


class Machine:
    """An emulator's insides, without its wire.

    Args:
        folder: An empty folder.
        walls: How jobs are walled in.
        faults: As `--fault` has them.
    """

    def __init__(self, folder: Path, walls: Isolation, faults: str | None = None) -> None:
        self.gcs = folder / "gcs"
        (self.gcs / "bucket").mkdir(parents=True)
        self.site = Site(
            isolation=walls,
            images=Images({}, folder / "bin"),
            faults=Faults.parse(faults, FaultRules(step=STEP)),
            work=folder / "jobs",
            slots=Slots(4),
            grace=0.5,
        )
        self.logs: dict[str, list[str]] = {}
        self.clock = Clock()
        self.cache, self.catalogue = Cache(), Catalogue(self.clock, "artifacts/")
        self.launcher = Launcher(self.site, sink=self._sink, clustered=True)
        self._number = 0

    def _sink(self, job: Any, host: str) -> Any:
        lines = self.logs.setdefault(f"{job.name.split('~')[1]}/{host}", [])
        return lambda some: lines.extend(line for _, line in some)

    def begin(
        self,
        spec: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        *,
        layout: Layout | None = None,
        **more: Any,
    ) -> Execution:
        """Start a run of a pipeline."""
        self._number += 1
        name = f"run-{self._number}"
        execution = Execution(
            spec,
            name=name,
            id=str(self._number),
            layout=layout or VertexLayout(ROOT, "123", name, self.gcs),
            launcher=self.launcher,
            catalogue=self.catalogue,
            clock=self.clock,
            parameters=parameters,
            cache=self.cache,
            **more,
        )
        execution.start()
        return execution

    def run(
        self, spec: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, **more: Any
    ) -> Execution:
        """Run a pipeline to its end."""
        execution = self.begin(spec, parameters, **more)
        assert execution.wait(60).final, states(execution)
        return execution

    def read(self, uri: str) -> str:
        """Return what is at an address."""
        return (self.gcs / uri.removeprefix("gs://")).read_text()


class Reached:
    """Waits until a run's task has come to a state."""

    def __init__(self, name: str, state: str) -> None:
        self._name, self._state, self._event = name, state, threading.Event()

    def __call__(self, execution: Execution) -> None:
        if any(one.name == self._name and one.state == self._state for one in execution.tasks):
            self._event.set()

    def wait(self) -> None:
        """Wait for it."""
        assert self._event.wait(60)


def walls() -> Isolation:
    """Return how this machine walls jobs in."""
    return isolation.probe(("/gcs",))


def states(execution: Execution) -> dict[str, str]:
    """Return the state of each task by its name, iterations with their number."""
    return {_name(one): str(one.state) for one in execution.tasks[1:]}


def task(execution: Execution, name: str) -> Task:
    """Return a task by its name, iterations with their number."""
    return next(one for one in execution.tasks if _name(one) == name)


def _name(one: Task) -> str:
    return one.name if one.iteration is None else f"{one.name}[{one.iteration}]"


# --- documents ------------------------------------------------------------------------------------


def pipeline(
    tasks: Mapping[str, Any],
    components: Mapping[str, Any],
    executors: Mapping[str, Any],
    **root: Any,
) -> dict[str, Any]:
    """Return a document of tasks, components and executors."""
    return {
        "pipelineInfo": {"name": "tested"},
        "schemaVersion": "2.1.0",
        "root": {"dag": {"tasks": tasks}, **root},
        "components": components,
        "deploymentSpec": {"executors": executors},
    }


def sh(script: str, *args: str, **more: Any) -> dict[str, Any]:
    """Return an executor that runs a script of the shell; `$1` is its first argument."""
    return {
        "container": {
            "image": "busybox", "command": ["sh", "-ec", script, "sh"], "args": list(args), **more,
        }
    }  # fmt: skip


def parameters(**kinds: str) -> dict[str, Any]:
    """Return definitions of parameters by their types; a type with a ? is optional."""
    return {
        "parameters": {
            name: {
                "parameterType": kind.rstrip("?"),
                **({"isOptional": True} if kind.endswith("?") else {}),
            }
            for name, kind in kinds.items()
        }
    }


def constant(value: Any) -> dict[str, Any]:
    """Return an input that is a constant."""
    return {"runtimeValue": {"constant": value}}


def output(producer: str, key: str = "out") -> dict[str, Any]:
    """Return an input that is another task's output parameter."""
    return {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}


def outer(name: str) -> dict[str, Any]:
    """Return an input that is a parameter of what holds the task."""
    return {"componentInputParameter": name}


def call(
    component: str,
    inputs: Mapping[str, Any] | None = None,
    artifacts: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a task."""
    given: dict[str, Any] = {}
    if inputs:
        given["parameters"] = dict(inputs)
    if artifacts:
        given["artifacts"] = dict(artifacts)
    return {"componentRef": {"name": component}, "inputs": given, **more}


def made(producer: str, key: str = "data") -> dict[str, Any]:
    """Return an input that is another task's output artifact."""
    return {"taskOutputArtifact": {"producerTask": producer, "outputArtifactKey": key}}


def artifact(schema: str = "system.Dataset", **more: Any) -> dict[str, Any]:
    """Return the definition of an artifact."""
    return {"artifactType": {"schemaTitle": schema, "schemaVersion": "0.0.1"}, **more}
