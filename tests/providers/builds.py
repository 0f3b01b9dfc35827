"""Builds for the compilers' tests of all clouds, made without looking at any code."""

import json
import re
from pathlib import Path

from waterflow import spec
from waterflow.data import Pinned
from waterflow.packing.bundle import Bundle
from waterflow.packing.lockfile import Lock
from waterflow.project import GitState
from waterflow.provider import Build, TrackingTarget
from waterflow.tracking import store

MLFLOW = "https://mlflow.example"
ROOT = Path(__file__).parents[2]


def function(name, inputs=None, outputs="json", branch=None, **options):
    """Return a step that runs a function; `inputs` are sources, or values."""
    if isinstance(outputs, str):
        outputs = {"output": outputs}
    return spec.Step(
        name=name,
        run=spec.Function("steps", name),
        inputs={
            key: origin if isinstance(origin, spec.Input) else spec.Input("any", source(origin))
            for key, origin in (inputs or {}).items()
        },
        outputs={key: spec.Output(kind) for key, kind in outputs.items()},
        branch=None if branch is None else spec.Branch(*branch),
        **options,
    )


def source(origin):
    """Return a source: of a struct itself, of "step" or "step.output" its output."""
    if not isinstance(origin, str):
        return origin
    step, _, output = origin.partition(".")
    return spec.FromStep(step, output or "output")


def pipeline(*steps, gates=(), parameters=None, name="a_pipeline"):
    return spec.Pipeline(
        name=name,
        steps=steps,
        gates=tuple(gates),
        parameters=parameters or {},
        description="What it is for.",
    )


def build(graph, *, python="3.12", versions=None, data=(), uri=None, experiment=None):
    uri = store.resolve_uri(uri, {}, Path("project", ".waterflow"))
    bundle = Bundle("b" * 64, {}, (), "steps")
    return Build(
        spec=graph,
        digest=spec.digest(graph),
        root=Path("project"),
        bundles={s.name: bundle for s in graph.steps if not isinstance(s.run, spec.Container)},
        versions=versions or {},
        data={one.uri: one for one in data},
        lock=Lock(None, "0" * 64, "pandas==2.2.3\n"),
        git=GitState("c" * 40, dirty=False),
        python=python,
        tracking=TrackingTarget(uri=uri, experiment=experiment or graph.name),
    )


def local_data(uri, sha256="d" * 64):
    return Pinned(uri, sha256=sha256, size=1, local=Path(uri))


def stable(content):
    """Return a document with its digests numbered and its libraries left out of it.

    Both change with every change of Waterflow's own code, and with every update of a library.
    """
    seen = {}

    def number(match):
        return f"<digest {seen.setdefault(match[0], len(seen) + 1)}>"

    def walk(part):
        if isinstance(part, dict):
            return {
                walk(key): "<libraries>"
                if key in ("pins", "requirements", "tags") and value
                else walk(value)
                for key, value in part.items()
            }
        if isinstance(part, list):
            return [walk(one) for one in part]
        return re.sub(r"\b[0-9a-f]{64}\b", number, part) if isinstance(part, str) else part

    return json.dumps(walk(content), indent=1, ensure_ascii=False)
