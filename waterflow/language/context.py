"""What a step's code may ask for while it runs: metrics, artifacts, checkpoints, secrets."""

from __future__ import annotations

import importlib
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import ConfigurationError, WaterflowError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from waterflow.tracking.spool import Spool


SECRET_PREFIX: Final = "WATERFLOW_SECRET_"  # noqa: S105 - a name, no secret
"""How the variables begin in which secrets are looked up where STEP.json names no store."""


@dataclass
class RunningStep:
    """The step run under way in this process.

    Attributes:
        step: The step's name.
        spool: Where tracking events go.
        checkpoint: A folder that outlives an attempt, or None.
        rank: This machine's number among several instances.
        secrets: Where secrets come from, as STEP.json says: `{"variable_prefix": TEXT}`, or
            `{"resolver": "module:function"}` for a function that takes a secret's name and returns
            its value, read with the job's own identity.
    """

    step: str
    spool: Spool
    checkpoint: Path | None = None
    rank: int = 0
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])


_current: RunningStep | None = None
_HANDED_ON: Final = "WATERFLOW_RUNNING_STEP"
"""Environment variable: the step run that has started this process, as JSON."""


def enter(step: RunningStep | None) -> None:
    """Set the step run under way in this process."""
    global _current  # noqa: PLW0603 - one step run a process
    _current = step


def hand_on(step: RunningStep, environ: MutableMapping[str, str]) -> None:
    """Let processes that the step starts anew, such as spawned workers, be of the same step run.

    Args:
        step: The step run under way in this process.
        environ: What they inherit.
    """
    from waterflow.tracking.spool import spool_uri

    environ[_HANDED_ON] = json.dumps(
        {
            "step": step.step,
            "spool": spool_uri(step.spool),
            "checkpoint": None if step.checkpoint is None else str(step.checkpoint),
            "rank": step.rank,
            "secrets": dict(step.secrets),
        }
    )


def current() -> RunningStep | None:
    """Return the step run under way in this process, or in the one that started it."""
    if _current is None and _HANDED_ON in os.environ:
        from waterflow.tracking.spool import from_uri

        fields: dict[str, Any] = json.loads(os.environ[_HANDED_ON])
        checkpoint: str | None = fields.pop("checkpoint")
        spool = from_uri(fields.pop("spool"))
        folder = Path(checkpoint) if checkpoint else None
        enter(RunningStep(spool=spool, checkpoint=folder, **fields))
    return _current


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Log numbers of the step run under way.

    Args:
        values: Metric name -> number.
        step: The iteration they belong to, such as an epoch; None for 0.

    Outside a step's job, as in a unit test, it does nothing.
    """
    running = current()
    if running is None or running.rank:
        return
    for key, value in values.items():
        running.spool.append("metric", key=key, value=float(value), step=step or 0)


def log_artifact(path: str | Path, artifact_path: str = "") -> None:
    """Keep a file or folder with the step run under way in MLflow.

    Args:
        path: The file or folder; it is copied now.
        artifact_path: The folder among the run's artifacts to put it in.

    Raises:
        FileNotFoundError: There is no such file.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"log_artifact: {file} does not exist")
    running = current()
    if running is None or running.rank:
        return
    running.spool.log_artifact(file, artifact_path)


def checkpoint_dir() -> Path:
    """Return a folder that outlives an attempt: what a retry finds again.

    Outside a step's job it is a new temporary folder.
    """
    running = current()
    if running is None or running.checkpoint is None:
        return Path(tempfile.mkdtemp(prefix="waterflow-checkpoint-"))
    running.checkpoint.mkdir(parents=True, exist_ok=True)
    return running.checkpoint


def secret_variable(name: str, prefix: str = SECRET_PREFIX) -> str:
    """Return the environment variable in which a secret is looked up where no store is."""
    return prefix + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def resolve_secret(name: str) -> str:
    """Return a secret from where the job's STEP.json says, or from this machine's environment.

    Raises:
        ConfigurationError: It is not there, or what is to read it cannot.
    """
    running = current()
    how: Mapping[str, str] = running.secrets if running is not None else {}
    if resolver := how.get("resolver"):
        return _resolved(name, resolver)
    variable = secret_variable(name, how.get("variable_prefix", SECRET_PREFIX))
    value = os.environ.get(variable)
    if value is None:
        raise ConfigurationError(f"Secret '{name}' is not set here. Set it: export {variable}=...")
    return value


def _resolved(name: str, resolver: str) -> str:
    """Return what a provider's function says a secret is."""
    module, _, function = resolver.partition(":")
    try:
        value: Any = getattr(importlib.import_module(module), function)(name)
    except WaterflowError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"Secret '{name}' cannot be read by {resolver}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(value, str):
        # Not shown: whatever it is, it may hold the secret.
        raise ConfigurationError(
            f"Secret '{name}' is no text: {resolver} returned a {type(value).__name__}"
        )
    return value
