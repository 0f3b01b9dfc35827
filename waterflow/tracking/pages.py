"""Where in MLflow people look at a run: the runs that were sent there, and their pages."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from waterflow.tracking.managed import managed
from waterflow.tracking.store import is_database

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run as MLflow knows it.

    Attributes:
        experiment: The id of MLflow's experiment.
        run: The id of the run's own run in MLflow.
        steps: Step -> the id of the run of its latest attempt; of a cached step, where it is
            known, that of the attempt that did the work.
    """

    experiment: str
    run: str
    steps: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, saved: Mapping[str, Any] | None) -> Self | None:
        """Return one that was saved as JSON, field by field; None for none.

        Args:
            saved: The fields.
        """
        return None if saved is None else cls(**saved)

    def updated(self, other: TrackedRun | None) -> TrackedRun:
        """Return it with what was learnt since: the steps of both, the other's where it has them.

        Args:
            other: What was learnt since; None for nothing.
        """
        return self if other is None else replace(other, steps={**self.steps, **other.steps})


def run_page(uri: str, experiment: str, run: str) -> str | None:
    """Return the page of a run in MLflow; None where none is known.

    Args:
        uri: The tracking URI.
        experiment: The experiment's id.
        run: The run's id.
    """
    tracker = managed(uri)
    if tracker is not None and tracker.page is not None:
        return tracker.page(uri, run)
    if uri.startswith(("http:", "https:")):
        return f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
    return None


def ui_command(uri: str) -> str:
    """Return the command that opens MLflow's pages, or says where they are.

    Args:
        uri: The tracking URI, of which no server's pages are known.
    """
    return (
        f"mlflow ui --backend-store-uri {shlex.quote(uri)}" if is_database(uri) else "waterflow ui"
    )
