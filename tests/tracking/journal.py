"""Events as a run writes them, for the tests of what sends them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T0 = 1_750_000_000_000


class Run:
    """Makes the events of one run, and can keep them in a run's folder."""

    def __init__(self, execution: str, folder: Path | None = None) -> None:
        self.execution, self.folder, self.count = execution, folder, 0
        self.events: list[dict[str, Any]] = []

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.count += 1
        event = {
            "id": f"run/{self.count}", "kind": kind, "time": T0 + self.count,
            "execution": self.execution, "step": None, **fields,
        }  # fmt: skip
        self.events.append(event)
        journalled = kind.startswith(("run.", "step."))
        if self.folder is not None:
            name = (
                "events.jsonl"
                if journalled
                else f"steps/{event['step']}/{event['attempt']}/spool.jsonl"
            )
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as stream:
                stream.write(json.dumps(event) + "\n")
        return event

    def start(self, **fields: Any) -> dict[str, Any]:
        entries = {"pipeline": "fraud", "parameters": {"trees": 3}, "tags": {}} | fields
        return self.event("run.start", **entries)

    def end(self, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
        return self.event("run.end", status=status, **fields)

    def step(self, name: str, attempt: int = 1, **metrics: float) -> None:
        self.begin(name, attempt)
        for key, value in metrics.items():
            self.event("metric", step=name, attempt=attempt, key=key, value=value, at=0)
        self.finish(name, attempt)

    def begin(self, name: str, attempt: int = 1, **fields: Any) -> dict[str, Any]:
        entries = {"parameters": {"depth": 2}, "inputs": {"data": "ab" * 32}, "tags": {}} | fields
        return self.event("step.start", step=name, attempt=attempt, **entries)

    def finish(self, name: str, attempt: int = 1, status: str = "succeeded", **fields: Any) -> Any:
        entries = {"outputs": {"out": {"type": "json", "digest": "cd" * 32, "size": 1}}} | fields
        return self.event("step.end", step=name, attempt=attempt, status=status, **entries)


def every(client: Any, experiment: str) -> list[dict[str, Any]]:
    """Return all that an experiment holds, in a form that two stores can be compared by."""
    place = client.get_experiment_by_name(experiment)
    if place is None:
        return []
    return sorted(_all(client, place.experiment_id), key=lambda run: (run["name"], run["start"]))


def _all(client: Any, experiment: str) -> Iterator[dict[str, Any]]:
    for run in client.search_runs([experiment], max_results=1000):
        run_id = run.info.run_id
        tags = {k: v for k, v in run.data.tags.items() if not k.endswith("parentRunId")}
        yield {
            "name": run.info.run_name,
            "id": run_id,
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "params": dict(run.data.params),
            "tags": {k: v for k, v in tags.items() if k != "mlflow.runName"},
            "parent": run.data.tags.get("mlflow.parentRunId"),
            "metrics": {
                key: [
                    (m.value, m.timestamp, m.step) for m in client.get_metric_history(run_id, key)
                ]
                for key in run.data.metrics
            },
            "artifacts": sorted(_files(client, run_id, "")),
            "datasets": sorted(
                (i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs
            ),
        }


def _files(client: Any, run_id: str, path: str) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, path or None):
        if entry.is_dir:
            yield from _files(client, run_id, entry.path)
        else:
            yield entry.path
