"""Experiments: the folders that runs are in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written
from waterflow_kubeflow.emulator import lists
from waterflow_kubeflow.emulator.errors import exists, invalid, missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.emulation.clock import Clock

DEFAULT: Final = "Default"


class Experiments:
    """The part that has the experiments.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[str, dict[str, Any]] = {}
        self.make(DEFAULT, "")

    def make(self, name: str, namespace: str) -> bool:
        """Make an experiment unless there is one; return whether it was made."""
        if self.named(name) is not None:
            return False
        self._add({"display_name": name, "namespace": namespace})
        return True

    def named(self, name: str) -> dict[str, Any] | None:
        """Return the experiment of a name; None where there is none."""
        return next((one for one in self._by_id.values() if one["display_name"] == name), None)

    def _add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        number = str(uuid.uuid4())
        self._by_id[number] = entry = {
            "experiment_id": number,
            "display_name": str(body["display_name"]),
            "description": str(body.get("description", "")),
            "created_at": written(self._clock.now()),
            "namespace": str(body.get("namespace", "")),
            "storage_state": "AVAILABLE",
            "last_run_created_at": "1970-01-01T00:00:00Z",
        }
        return entry

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make an experiment."""
        name = body.get("display_name")
        if not name:
            raise invalid("Experiment name is empty. Please specify a valid experiment name")
        if self.named(name) is not None:
            raise exists("an experiment", name)
        return self._add(body)

    def get(self, number: str) -> dict[str, Any]:
        """Return an experiment."""
        if number not in self._by_id:
            raise missing("Experiment", number)
        return self._by_id[number]

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of the experiments; of a namespace, where one is asked for."""
        namespace = query.get("namespace", "")
        entries = [one for one in self._by_id.values() if namespace in ("", one["namespace"])]
        return lists.answer(entries, "experiments", "experiment_id", query)

    def delete(self, number: str) -> dict[str, Any]:
        """Remove an experiment."""
        self.get(number)
        del self._by_id[number]
        return {}

    def archive(self, number: str) -> dict[str, Any]:
        """Put an experiment away."""
        self.get(number)["storage_state"] = "ARCHIVED"
        return {}

    def unarchive(self, number: str) -> dict[str, Any]:
        """Take an experiment out again."""
        self.get(number)["storage_state"] = "AVAILABLE"
        return {}

    def of(self, number: str | None) -> dict[str, Any]:
        """Return the experiment of a new run: the default one where none is said."""
        entry = self.get(number) if number else self.named(DEFAULT)
        if entry is None:
            self.make(DEFAULT, "")
            return self.of(None)
        entry["last_run_created_at"] = written(self._clock.now())
        return entry

    def snapshot(self) -> dict[str, Any]:
        """Return all experiments as JSON."""
        return self._by_id

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the experiments of a snapshot."""
        self._by_id = {number: dict(one) for number, one in saved.items()}
