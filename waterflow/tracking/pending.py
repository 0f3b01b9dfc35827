"""What is to be written to one MLflow run, and how it is made such as MLflow takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow.tracking.names import PARAM_LIMIT, TAG_LIMIT, cut, encodable, file_name, valid_key

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.tracking.spool import Event

_WHOLE: Final = 2**63
"""Whole numbers from which on no store has room for them."""


@dataclass
class Pending:
    """What is to be written to one run.

    Attributes:
        run_id: The run, once it is known.
        search: Whether it may be there already, so that it is searched before it is made.
        name: The name it shows under.
        start: When it started, in ms since the epoch.
        end: Its status in MLflow's words and when it ended; None while it runs, or once written.
        metrics: Key, value, timestamp in ms, step.
        files: A local file, and its name among the run's artifacts.
        texts: Artifacts that are written here: name and text.
        datasets: Events of the kind `dataset`.
    """

    run_id: str | None = None
    search: bool = False
    name: str = ""
    start: int = 0
    end: tuple[str, int] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    files: list[tuple[Path, str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    datasets: list[Event] = field(default_factory=list)

    @property
    def has_files(self) -> bool:
        """Whether more is to be written than rows of tables."""
        return bool(self.files or self.texts or self.datasets)


def fit(pending: Pending) -> None:
    """Make names and values such as MLflow takes; what is cut is kept whole as an artifact.

    So is a metric whose step or time no store has room for: MLflow would fail of it, not refuse it.
    """
    for what, limit in (("params", PARAM_LIMIT), ("tags", TAG_LIMIT)):
        entries: dict[str, str] = getattr(pending, what)
        fitted: dict[str, str] = {}
        for key, text in entries.items():
            name, value = valid_key(key), encodable(text)
            artifact = f"waterflow/{what}/{file_name(key)}.txt"
            fitted[name] = cut(value, limit, artifact)
            if fitted[name] != value:
                pending.texts[artifact] = value
        setattr(pending, what, fitted)
    pending.name = encodable(pending.name)
    fitting: list[tuple[str, float, int, int]] = []
    for metric in pending.metrics:
        key, value, timestamp, step = metric
        if max(timestamp, step) < _WHOLE and min(timestamp, step) >= -_WHOLE:
            fitting.append(metric)
            continue
        entry = {"key": key, "value": value, "timestamp": timestamp, "step": step}
        note_refused(pending, "Metric", entry, "its step or its time has more than 64 bits")
    pending.metrics = fitting


def note_refused(pending: Pending, kind: str, entry: dict[str, Any], why: str) -> None:
    """Keep an entry that MLflow does not take, and why, as an artifact."""
    what = f"{entry['key']}={entry['value']}"
    name = f"{kind}-{file_name(what)}"
    note = {"entry": entry, "refused": why}
    pending.texts[f"waterflow/refused/{name}.json"] = json.dumps(note, default=str, indent=1)
