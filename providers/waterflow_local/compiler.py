"""The compiler: a spec becomes the local runner's document, one job a step; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from waterflow import spec
from waterflow.provider import Document, Job
from waterflow.runtime.contract import EXECUTION
from waterflow.spec.job import leaves, step_document
from waterflow.spec.references import branches, upstream, value_name
from waterflow_local.machines import Machine, share

if TYPE_CHECKING:
    from waterflow.provider import Build

_PRELOAD: Final = {
    "dataframe": ("pandas", "pyarrow.parquet", "pyarrow.pandas_compat", "pyarrow.vendored.version"),
    "arrow": ("pyarrow.parquet",),
    "array": ("numpy",),
    "estimator": ("skops.io", "sklearn"),
    "model": ("skops.io", "sklearn"),
    "figure": ("matplotlib.backends.backend_agg", "matplotlib.figure"),
}
"""Libraries that reading and writing a type needs: imported once, before steps are forked."""


UNSAFE: Final = frozenset(
    {"polars", "mlflow", "torch", "tensorflow", "jax", "grpc", "cupy", "ray", "dask", "xgboost"}
)
"""Libraries that start threads or devices when imported: each step imports them for itself."""

STEPS: Final = "steps"
REGISTRY: Final = "registry"
"""The fork servers: one for the user's steps, one for register steps."""

_REGISTERING: Final = (
    "mlflow", "mlflow.sklearn", "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store", "pyarrow.parquet", "skops.io", "sklearn",
    "waterflow.tracking.registration",
)  # fmt: skip


def compile_local(build: Build, machine: Machine) -> Document:
    """Translate a pipeline into the document that the runner executes.

    Args:
        build: The spec and what was found about its code.
        machine: What this machine offers.
    """
    pipeline = build.spec
    jobs = {step.name: _job(build, step, machine) for step in pipeline.steps}
    content: dict[str, Any] = {
        "version": 1,
        "pipeline": pipeline.name,
        "digest": build.digest,
        "machine": {"cpu": machine.cpu, "memory": machine.memory},
        "jobs": jobs,
        "gates": {
            gate.name: {
                "condition": msgspec.to_builtins(gate.condition),
                "chain": [[b.gate, b.then] for b in branches(pipeline, gate.within)],
            }
            for gate in pipeline.gates
        },
        "servers": _servers(build),
    }
    rows = tuple(_row(step, machine) for step in pipeline.steps)
    return Document(provider="local", content=content, jobs=rows, notes=_notes(pipeline))


def _notes(pipeline: spec.Pipeline) -> tuple[str, ...]:
    if pipeline.schedule is None:
        return ()
    return (f"the schedule {pipeline.schedule!r} starts nothing on this machine",)


def _job(build: Build, step: spec.Step, machine: Machine) -> dict[str, Any]:
    cpu, memory, _ = share(machine, step.resources)
    bundle = build.bundles.get(step.name)
    return {
        "step": step_document(build.spec, step, execution={"variable": EXECUTION}, frames=False),
        "sources": {name: _source(source) for name, source in leaves(step)},
        "alternatives": {
            name: [f"{name}.{i}" for i in range(len(found.source.options))]
            for name, found in step.inputs.items()
            if isinstance(found.source, spec.FromFirst)
        },
        "upstream": sorted(upstream(build.spec, step)),
        "chain": [[b.gate, b.then] for b in branches(build.spec, step.branch)],
        "bundle": None if bundle is None else bundle.digest,
        "versions": dict(build.versions.get(step.name, {})),
        "python": build.python,
        "requirements": list(step.environment.requirements),
        "image": step.environment.image
        or (step.run.image if isinstance(step.run, spec.Container) else None),
        "include": isinstance(step.run, spec.Function) and bool(step.run.include),
        "cpu": cpu,
        "memory": memory,
        "cache": step.cache and not isinstance(step.run, spec.Register),
    }


def _source(source: spec.FromStep | spec.FromParameter | spec.FromData) -> dict[str, Any]:
    if isinstance(source, spec.FromStep):
        return {"step": source.step, "output": source.output, "value": value_name(source)}
    if isinstance(source, spec.FromData):
        return {"data": source.uri}
    return {"parameter": source.name}


def _servers(build: Build) -> dict[str, dict[str, list[str]]]:
    """Return what each fork server imports, and what it must go without.

    Register steps have one of their own: it imports MLflow while the other steps run.
    """
    steps = [name for name in _preload(build) if name.partition(".")[0] not in UNSAFE]
    servers = {STEPS: {"modules": steps, "without": []}}
    if any(isinstance(step.run, spec.Register) for step in build.spec.steps):
        # MLflow imports Polars where it is installed, and would then have its threads.
        servers[REGISTRY] = {"modules": list(_REGISTERING), "without": sorted(UNSAFE - {"mlflow"})}
    return servers


def _preload(build: Build) -> list[str]:
    found: dict[str, None] = {}
    for step in build.spec.steps:
        kinds = [output.type for output in step.outputs.values()]
        kinds += [found_input.type for found_input in step.inputs.values()]
        for kind in kinds:
            bare = kind.removeprefix("list[").removesuffix("]")
            found.update(dict.fromkeys(_PRELOAD.get(bare, ())))
        bundle = build.bundles.get(step.name)
        if bundle is not None:
            found.update(dict.fromkeys(bundle.libraries))
    return sorted(found)


def _row(step: spec.Step, machine: Machine) -> Job:
    _, _, notes = share(machine, step.resources)
    kind = "process" if not isinstance(step.run, spec.Container) else "program"
    return Job(step=step.name, kind=kind, machine=str(machine), price=None, notes=notes)
