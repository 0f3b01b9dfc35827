"""What Azure ML answers about jobs, read: pure."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.states import NativeRun, milliseconds
from waterflow.provider.state import Status
from waterflow_azureml.errors import kind_of, told

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES: Final = {
    "NotStarted": Status.PENDING,
    "Queued": Status.PENDING,
    "Provisioning": Status.RUNNING,
    "Preparing": Status.RUNNING,
    "Starting": Status.RUNNING,
    "Running": Status.RUNNING,
    "Finalizing": Status.RUNNING,
    "CancelRequested": Status.RUNNING,
    "Paused": Status.RUNNING,
    "NotResponding": Status.RUNNING,
    "Completed": Status.SUCCEEDED,
    "Finished": Status.SUCCEEDED,
    "Failed": Status.FAILED,
    "Canceled": Status.CANCELLED,
    "Bypassed": Status.SKIPPED,
}
"""https://learn.microsoft.com/python/api/azureml-core/azureml.core.run.run#azureml-core-run-run-get-status"""
JOB: Final = "job"
_CLAIMS: Final = ("upn", "unique_name", "preferred_username", "email", "appid", "oid", "sub")
"""Claims of a token that say whose it is, the plainest first."""


@dataclass(frozen=True)
class JobRun(NativeRun):
    """One job of a pipeline's.

    Attributes:
        compute: What it runs on, as run history tells it; empty where an earlier result stands
            for it.
    """

    compute: Mapping[str, Any] = field(default_factory=dict[str, Any])


def native_run(native: str, child: Mapping[str, Any], execution: str) -> JobRun:
    """Read one child of a pipeline's job, as run history tells it.

    Args:
        native: The native step.
        child: The child.
        execution: The name of the pipeline's job.
    """
    properties: Mapping[str, Any] = child.get("properties") or {}
    status = STATUSES.get(str(child["status"]), Status.RUNNING)
    job, origin = str(child["runId"]), execution
    compute: Mapping[str, Any] = child.get("compute") or {}
    if str(properties.get("azureml.isreused", "")).lower() == "true":
        status = Status.CACHED if status is Status.SUCCEEDED else status
        job = str(properties.get("azureml.reusedrunid") or job)
        origin = str(properties.get("azureml.reusedpipelinerunid") or origin)
        compute = {}
    return JobRun(
        native=native,
        status=status,
        job=job,
        kind=JOB,
        origin=origin,
        started=moment(child.get("startTimeUtc")),
        ended=moment(child.get("endTimeUtc")),
        failure=failure(child),
        compute=compute,
    )


def failure(run: Mapping[str, Any]) -> str | None:
    """Return Azure's own words for why a run failed, with the next thing to do where it is known.

    Args:
        run: The run, as run history tells it.
    """
    response: Any = run.get("error")
    error: Any = response.get("error", response) if isinstance(response, dict) else None
    if not isinstance(error, dict):
        return None
    code, message = told(error)
    kind = kind_of(code, message)
    words = " ".join(message.split()).rstrip(".")
    named = f"{words} ({code})" if code and words else words or code
    return f"{named}. {kind.hint}" if kind is not None and kind.hint else f"{named}."


def moment(text: Any) -> int | None:
    """Return a moment that Azure wrote, in milliseconds since the epoch."""
    return milliseconds(datetime.fromisoformat(str(text))) if text else None


def claims(token: str) -> Mapping[str, Any]:
    """Return what a token says; nothing for one that says nothing to us."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        value: Any = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def identity(token: str) -> str | None:
    """Return whose a token is, in words; None where it does not say."""
    said = claims(token)
    who = next((str(said[name]) for name in _CLAIMS if said.get(name)), None)
    if who is None:
        return None
    tenant = said.get("tid")
    return f"{who} in tenant {tenant}" if tenant else who
