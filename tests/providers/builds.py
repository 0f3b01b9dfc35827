"""Builds for the compilers' tests of all clouds, made without looking at any code."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from waterflow import spec
from waterflow.data import Pinned
from waterflow.packing.bundle import Bundle
from waterflow.packing.lockfile import Lock
from waterflow.project import GitState
from waterflow.project.profile import Profile
from waterflow.provider import Build, TrackingTarget
from waterflow.runs import submit
from waterflow.tracking import store

__all__ = [
    "MLFLOW",
    "ROOT",
    "Compilations",
    "build",
    "function",
    "local_data",
    "pipeline",
    "source",
    "stable",
]

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
        # One that is a label lacks its last sign.
        return f"<digest {seen.setdefault(match[0][:63], len(seen) + 1)}>"

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
        return re.sub(r"\b[0-9a-f]{63,64}\b", number, part) if isinstance(part, str) else part

    return json.dumps(walk(content), indent=1, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Compilations:
    """What one cloud's compiler makes of builds.

    Attributes:
        name: The profile's name.
        provider: Its provider.
        required: The settings that a profile must have.
        settings: The class of all its settings.
        compiler: Compiles a build by settings and a profile.
        errors: Returns what rules a definition violates.
        image: The image of containers.
    """

    name: str
    provider: str
    required: dict[str, Any]
    settings: type
    compiler: Callable[..., Any]
    errors: Callable[[Any], list[str]]
    image: str

    def profile(self, settings=None, *, uri=MLFLOW, experiment=None):
        return Profile(
            self.name,
            self.provider,
            self.required | (settings or {}),
            uri,
            experiment,
            "waterflow.toml",
        )

    def container(self, name, command, inputs=None, outputs=(), **options):
        return spec.Step(
            name=name,
            run=spec.Container(self.image, command),
            inputs=inputs or {},
            outputs={one: spec.Output("path", raw=True) for one in outputs},
            **options,
        )

    def compiled(self, graph, settings=None, *, build_options=None, uri=MLFLOW, experiment=None):
        """Compile a spec, or a build: its runs are tracked as it says itself."""
        chosen = self.profile(settings, uri=uri, experiment=experiment)
        inputs = graph
        if not isinstance(inputs, Build):
            inputs = build(inputs, uri=uri, experiment=experiment, **(build_options or {}))
        return self.compiler(inputs, chosen.convert(self.settings), chosen)

    def assembled(self, call):
        """Return the build of a real pipeline, as one of one Python would see it."""
        return replace(submit.assemble(call, ROOT, self.profile()), python="3.12")

    def valid(self, document):
        """Return a document after checking it against the rules of its cloud."""
        assert self.errors(document.definition) == []
        assert json.loads(json.dumps(document.content)) == document.content
        return document
