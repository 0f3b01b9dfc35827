"""Recurring runs, which fire by the emulator's clock."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cronsim import CronSim, CronSimError

from waterflow.emulation.clock import written
from waterflow.emulation.schedules import Scheduler
from waterflow_kubeflow.emulator import lists
from waterflow_kubeflow.emulator.errors import ApiError, exists, invalid, missing
from waterflow_kubeflow.emulator.pipelines import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.emulation.clock import Clock
    from waterflow_kubeflow.emulator.experiments import Experiments
    from waterflow_kubeflow.emulator.pipelines import Pipelines
    from waterflow_kubeflow.emulator.runs import Runs

_NAME: Final = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True)
class Recurrence:
    """When a recurring run is due.

    Attributes:
        key: Its id.
        trigger: The `trigger` of the API.
        enabled: Whether it fires.
    """

    key: str
    trigger: Mapping[str, Any]
    enabled: bool

    @property
    def expression(self) -> str:
        """When it is due, as text."""
        cron: Mapping[str, Any] = self.trigger.get("cron_schedule") or {}
        return str(cron.get("cron") or self._every)

    @property
    def _every(self) -> float:
        periodic: Mapping[str, Any] = self.trigger.get("periodic_schedule") or {}
        return float(periodic.get("interval_second") or 0)

    def next(self, after: float, begin: float) -> float | None:
        """Return when it is due for the first time after a moment; None when never."""
        kept: Mapping[str, Any] = (
            self.trigger.get("cron_schedule") or self.trigger.get("periodic_schedule") or {}
        )
        first, last = _moment(kept.get("start_time")), _moment(kept.get("end_time"))
        if first is not None and after < first:
            after = first - 1e-3
        if "cron" in kept:
            present = datetime.fromtimestamp(after, UTC)
            due = next(sequence(str(kept["cron"]), present)).timestamp()
        elif self._every:
            start = first or begin
            due = start + (int((after - start) // self._every) + 1) * self._every
        else:
            return None
        return None if last is not None and due > last else due


def sequence(cron: str, after: datetime) -> CronSim:
    """Return the moments of a cron expression with six fields, or five and no seconds.

    Raises:
        CronSimError: It is none.
    """
    fields = cron.replace("?", "*").split()
    return CronSim(" ".join(fields if len(fields) == 6 else ["0", *fields]), after)


def _moment(text: Any) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None


class RecurringRuns(Scheduler):
    """The part that has the recurring runs.

    Args:
        clock: The time.
        runs: What they start.
        experiments: The experiments.
        pipelines: The pipelines.
    """

    def __init__(
        self, clock: Clock, runs: Runs, experiments: Experiments, pipelines: Pipelines
    ) -> None:
        super().__init__(clock)
        self._runs, self._experiments, self._pipelines = runs, experiments, pipelines
        self._by_id: dict[str, dict[str, Any]] = {}

    # --- requests -------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a recurring run."""
        name = body.get("display_name")
        if not name:
            raise invalid("Recurring run's name cannot be empty")
        most = int(body.get("max_concurrency") or 0)
        if not 1 <= most <= 10:
            raise invalid(
                "Max concurrency of a recurring run must be at leas 1 and at most 10. "
                f"Received {most}"
            )
        trigger: Mapping[str, Any] = body.get("trigger") or {}
        self._check(trigger)
        spec, reference = body.get("pipeline_spec"), body.get("pipeline_version_reference")
        if bool(spec) == bool(reference):
            raise invalid("Either pipeline_spec or pipeline_version_reference must be given")
        if reference:
            self._pipelines.latest(reference)
        else:
            documents(spec)
        number, now = str(uuid.uuid4()), written(self._clock.now())
        entry: dict[str, Any] = {
            **{key: value for key, value in body.items() if key != "mode"},
            "recurring_run_id": number,
            "experiment_id": self._experiments.of(body.get("experiment_id"))["experiment_id"],
            "service_account": str(body.get("service_account") or "pipeline-runner"),
            "created_at": now,
            "updated_at": now,
            "status": "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED",
        }
        if number in self._by_id:
            raise exists("a recurring run", name)
        self._by_id[number] = entry
        self.run_due()  # it counts from now
        return entry

    @staticmethod
    def _check(trigger: Mapping[str, Any]) -> None:
        cron = (trigger.get("cron_schedule") or {}).get("cron")
        interval = (trigger.get("periodic_schedule") or {}).get("interval_second")
        if bool(cron) == bool(interval):
            raise invalid("A trigger has a cron_schedule or a periodic_schedule")
        if cron:
            try:
                sequence(str(cron), datetime.now(UTC))
            except CronSimError as error:
                raise invalid(
                    "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/"
                    f"cron). Error: {error}"
                ) from None
        elif int(interval or 0) < 1:
            raise invalid(
                f"Found invalid period schedule interval {interval}. Set at interval to least 1 "
                "second"
            )

    def get(self, number: str) -> dict[str, Any]:
        """Return a recurring run."""
        if number not in self._by_id:
            raise missing("Recurring run", number)
        return self._by_id[number]

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page of the recurring runs; of an experiment, where one is asked for."""
        experiment = query.get("experiment_id", "")
        entries = [one for one in self._by_id.values() if experiment in ("", one["experiment_id"])]
        return lists.answer(entries, "recurringRuns", "recurring_run_id", query)

    def enable(self, number: str) -> dict[str, Any]:
        """Let it fire."""
        self._switch(number, "ENABLED")
        return {}

    def disable(self, number: str) -> dict[str, Any]:
        """Let it fire no more."""
        self._switch(number, "DISABLED")
        return {}

    def _switch(self, number: str, status: str) -> None:
        entry = self.get(number)
        self.run_due()
        entry["status"], entry["updated_at"] = status, written(self._clock.now())

    def delete(self, number: str) -> dict[str, Any]:
        """Remove a recurring run; the runs that it has started go on."""
        self.get(number)
        del self._by_id[number]
        return {}

    # --- firing ---------------------------------------------------------------------------------

    def schedules(self) -> list[Recurrence]:
        """Return all of them, as far as they fire."""
        return [
            Recurrence(number, one["trigger"], one["status"] == "ENABLED")
            for number, one in list(self._by_id.items())
        ]

    def fire(self, key: str, moment: float) -> str | None:
        """Start a run, unless as many as may be are under way."""
        entry = self._by_id.get(key)
        if entry is None or self._runs.active(key) >= int(entry["max_concurrency"]):
            return None
        reference: Mapping[str, Any] = entry.get("pipeline_version_reference") or {}
        spec: Any = entry.get("pipeline_spec")
        shown: dict[str, Any] = {"pipeline_spec": spec}
        if reference:
            spec = self._pipelines.latest(reference)["pipeline_spec"]
            shown = {"pipeline_version_reference": dict(reference)}
        stem = _NAME.sub("-", str(entry["display_name"]).lower()).strip("-")[:40]
        body = {
            "display_name": f"{stem}-{int(moment)}",
            "experiment_id": entry["experiment_id"],
            "runtime_config": entry.get("runtime_config") or {},
            "service_account": entry["service_account"],
            "recurring_run_id": key,
        }
        try:
            return str(self._runs.start(body, spec, shown, moment).body["run_id"])
        except ApiError as error:
            entry["error"] = {"code": 3, "message": error.message}
            return None

    def snapshot(self) -> dict[str, Any]:
        """Return all of them as JSON."""
        return {"recurring": self._by_id, "fired": super().snapshot()}

    def restore(self, saved: Any) -> None:
        """Take those of a snapshot."""
        self._by_id = {number: dict(one) for number, one in saved["recurring"].items()}
        super().restore(saved["fired"])
