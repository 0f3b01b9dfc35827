"""Builds and profiles for the compiler's tests, made without looking at any code."""

import json
import re
from dataclasses import replace
from pathlib import Path

from waterflow_sagemaker import checks
from waterflow_sagemaker.compiler import compile_sagemaker
from waterflow_sagemaker.profile import SageMakerSettings

from waterflow import spec
from waterflow.data import Pinned
from waterflow.packing.bundle import Bundle
from waterflow.packing.lockfile import Lock
from waterflow.project import GitState
from waterflow.project.profile import Profile
from waterflow.provider import Build, TrackingTarget
from waterflow.runs import submit
from waterflow.tracking import store

ROLE = "arn:aws:iam::123456789012:role/waterflow"
REQUIRED = {"region": "eu-central-1", "role": ROLE, "bucket": "my-bucket"}
MLFLOW = "https://mlflow.example"
ROOT = Path(__file__).parents[3]


def profile(settings=None, *, uri=MLFLOW, experiment=None):
    return Profile(
        "aws", "sagemaker", REQUIRED | (settings or {}), uri, experiment, "waterflow.toml"
    )


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


def training(*steps):
    """Return settings by which steps are training jobs."""
    return {"steps": {name: {"job": "training"} for name in steps}}


def container(name, command, inputs=None, outputs=(), **options):
    return spec.Step(
        name=name,
        run=spec.Container("123456789012.dkr.ecr.eu-central-1.amazonaws.com/tool:1", command),
        inputs=inputs or {},
        outputs={one: spec.Output("path", raw=True) for one in outputs},
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


def compiled(graph, settings=None, *, build_options=None, uri=MLFLOW, experiment=None):
    """Compile a spec, or a build: its runs are tracked as it says itself."""
    chosen = profile(settings, uri=uri, experiment=experiment)
    inputs = graph
    if not isinstance(inputs, Build):
        inputs = build(inputs, uri=uri, experiment=experiment, **(build_options or {}))
    return compile_sagemaker(inputs, chosen.convert(SageMakerSettings), chosen)


def assembled(call):
    """Return the build of a real pipeline, as one in AWS's image would see it."""
    return replace(submit.assemble(call, ROOT, profile()), python="3.12")


def local_data(uri, sha256="d" * 64):
    return Pinned(uri, sha256=sha256, size=1, local=Path(uri))


def definition(document):
    return document.definition


def native_steps(document):
    """Return all steps of a definition by name, those in branches too."""
    natives = {}

    def walk(steps):
        for step in steps:
            natives[step["Name"]] = step
            if step["Type"] == "Condition":
                walk(step["Arguments"]["IfSteps"])
                walk(step["Arguments"]["ElseSteps"])

    walk(definition(document)["Steps"])
    return natives


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


def valid(document):
    """Return a document after checking it against the service's own definitions."""
    assert checks.document_errors(definition(document)) == []
    assert json.loads(json.dumps(document.content)) == document.content
    return document
