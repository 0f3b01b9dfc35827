"""Earlier results that stand for tasks, and the artifacts that there are."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waterflow_kfp.emulator.records import Artifact, Task, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from waterflow.emulation.clock import Clock


class Catalogue:
    """The artifacts of a metadata store.

    Args:
        clock: The emulator's clock.
        prefix: What names begin with: `projects/1/locations/l/metadataStores/default/artifacts/`.
    """

    def __init__(self, clock: Clock, prefix: str = "") -> None:
        self._clock, self._prefix = clock, prefix
        self._lock = threading.Lock()
        self._artifacts: dict[str, Artifact] = {}

    def new(
        self, schema: str, uri: str, metadata: Mapping[str, Any], version: str = "0.0.1"
    ) -> Artifact:
        """Return a new artifact, not yet in the catalogue."""
        name = self._prefix + str(uuid.uuid4().int >> 65)
        return Artifact(name, schema, uri, dict(metadata), version, created=self._clock.now())

    def keep(self, artifacts: Iterable[Artifact]) -> None:
        """Take artifacts into the catalogue."""
        with self._lock:
            self._artifacts |= {one.name: one for one in artifacts}

    def find(self, schema: str, uri: str, metadata: Mapping[str, Any]) -> Artifact | None:
        """Return the newest artifact of an address, a type and some metadata; None for none."""
        with self._lock:
            alike = [
                one
                for one in self._artifacts.values()
                if (one.schema, one.uri, dict(one.metadata)) == (schema, uri, dict(metadata))
            ]
        return alike[-1] if alike else None

    def get(self, name: str) -> Artifact | None:
        """Return an artifact by its name; None when there is none."""
        return self._artifacts.get(name)

    def all(self) -> list[Artifact]:
        """Return all artifacts, the first first."""
        with self._lock:
            return list(self._artifacts.values())

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all of them as plain data."""
        return [one.snapshot() for one in self.all()]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Take those of a snapshot."""
        self._artifacts = {one["name"]: Artifact.restored(one) for one in saved}


class Cache:
    """The tasks that may stand for others, by what identifies their work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: dict[str, dict[str, Any]] = {}

    def add(self, key: str, task: Task, run: str) -> None:
        """Remember a task that has succeeded.

        Args:
            key: What identifies its work.
            task: The task.
            run: The id of the run that it is of.
        """
        saved = {"task": task.id, "run": run, "outputs": task.outputs.snapshot()}
        with self._lock:
            self._results[key] = saved

    def find(self, key: str) -> tuple[str, str, Values] | None:
        """Return the run, the task and the outputs of earlier work; None for none."""
        with self._lock:
            saved = self._results.get(key)
        if saved is None:
            return None
        return saved["run"], saved["task"], Values.restored(saved["outputs"])

    def forget(self, run: str) -> None:
        """Let no task of a run stand for others any more."""
        with self._lock:
            self._results = {k: one for k, one in self._results.items() if one["run"] != run}

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain data."""
        with self._lock:
            return {key: dict(one) for key, one in self._results.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take what a snapshot holds."""
        self._results = {key: dict(one) for key, one in saved.items()}


def key(
    pipeline: str,
    component: Mapping[str, Any],
    executor: Mapping[str, Any],
    inputs: Values,
    own: str = "",
) -> str:
    """Return what identifies the work of a task.

    The services compare the pipeline's name, the component's interface, its container, the values
    of its parameters and which artifacts its inputs are:
    https://cloud.google.com/vertex-ai/docs/pipelines/configure-caching

    Args:
        pipeline: The pipeline's name.
        component: The component.
        executor: What runs it.
        inputs: What it is given.
        own: The task's own key; "" for none.
    """
    compared = {
        "pipeline": pipeline,
        "component": {
            name: component.get(name) for name in ("inputDefinitions", "outputDefinitions")
        },
        "executor": own or executor,
        "parameters": inputs.parameters,
        "artifacts": {name: [a.name for a in some] for name, some in inputs.artifacts.items()},
    }
    return hashlib.sha256(json.dumps(compared, sort_keys=True, default=str).encode()).hexdigest()


def renewed(values: Values) -> Values:
    """Return outputs that another task has too: they are the same artifacts."""
    return replace(
        values,
        parameters=dict(values.parameters),
        artifacts={name: list(some) for name, some in values.artifacts.items()},
    )
