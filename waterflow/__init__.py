"""Waterflow: ML pipelines in plain Python, on your machine or on SageMaker, Azure ML and Vertex AI.

The public names. All stand on the standard library alone, because a job may have nothing more, and
each is imported when it is first used: the parts of the command line and of a run pass here too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waterflow.artifacts.types import Metrics
    from waterflow.language.context import checkpoint_dir, log_artifact, log_metrics
    from waterflow.language.inside import first, register, when
    from waterflow.language.inside import map_step as map  # noqa: A004 - `wf.map`
    from waterflow.language.pipeline import pipeline
    from waterflow.language.serializers import serializer
    from waterflow.language.step import container, step
    from waterflow.language.types import Data, Static, secret
    from waterflow.runs.run import Run, open_run

    # A step that takes a `wf.Model` is given whatever estimator another step returns.
    Model = Any

__all__ = [
    "Data",
    "Metrics",
    "Model",
    "Run",
    "Static",
    "checkpoint_dir",
    "container",
    "first",
    "log_artifact",
    "log_metrics",
    "map",
    "open_run",
    "pipeline",
    "register",
    "secret",
    "serializer",
    "step",
    "when",
]

_HOMES = {
    "Data": "language.types",
    "Metrics": "artifacts.types",
    "Model": "artifacts.types",
    "Run": "runs.run",
    "Static": "language.types",
    "checkpoint_dir": "language.context",
    "container": "language.step",
    "first": "language.inside",
    "log_artifact": "language.context",
    "log_metrics": "language.context",
    "map": "language.inside:map_step",
    "open_run": "runs.run",
    "pipeline": "language.pipeline",
    "register": "language.inside",
    "secret": "language.types",
    "serializer": "language.serializers",
    "step": "language.step",
    "when": "language.inside",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'waterflow' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    value = getattr(importlib.import_module(f"waterflow.{module}"), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
