"""The compiler: a spec becomes the local runner's document, one job a step; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from waterflow import spec
from waterflow.provider import Document, PlannedJob
from waterflow.runs.why import never
from waterflow.runtime.contract import EXECUTION
from waterflow.spec.job import leaves, step_document
from waterflow.spec.references import branches, upstream, value_name
from waterflow_local.document import Chain, Gate, LocalDocument, LocalJob, Preload, Share, Source
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
    document = LocalDocument(
        pipeline=pipeline.name,
        digest=build.digest,
        machine=Share(machine.cpu, machine.memory),
        jobs={step.name: _job(build, step, machine) for step in pipeline.steps},
        gates={
            gate.name: Gate(gate.condition, _chain(pipeline, gate.within))
            for gate in pipeline.gates
        },
        servers=_servers(build),
    )
    content = msgspec.to_builtins(document)
    rows = tuple(_row(step, machine) for step in pipeline.steps)
    return Document(provider="local", content=content, jobs=rows, notes=_notes(pipeline))


def _notes(pipeline: spec.Pipeline) -> tuple[str, ...]:
    if pipeline.schedule is None:
        return ()
    return (f"the schedule {pipeline.schedule!r} starts nothing on this machine",)


def _job(build: Build, step: spec.Step, machine: Machine) -> LocalJob:
    cpu, memory, _ = share(machine, step.resources)
    bundle = build.bundles.get(step.name)
    container = step.run.image if isinstance(step.run, spec.Container) else None
    return LocalJob(
        content=step_document(build.spec, step, execution={"variable": EXECUTION}, frames=False),
        sources={name: _source(source) for name, source in leaves(step)},
        alternatives={
            name: tuple(f"{name}.{i}" for i in range(len(taken.source.options)))
            for name, taken in step.inputs.items()
            if isinstance(taken.source, spec.FromFirst)
        },
        upstream=tuple(sorted(upstream(build.spec, step))),
        chain=_chain(build.spec, step.branch),
        bundle=None if bundle is None else bundle.digest,
        code=build.code(step.name),
        versions=build.libraries(step.name),
        python=build.python,
        requirements=step.environment.requirements,
        image=step.environment.image or container,
        include=isinstance(step.run, spec.Function) and bool(step.run.include),
        cpu=cpu,
        memory=memory,
        cache=step.cache and not isinstance(step.run, spec.Register),
        never=never(step) or "",
    )


def _chain(pipeline: spec.Pipeline, branch: spec.Branch | None) -> Chain:
    return tuple((outer.gate, outer.then) for outer in branches(pipeline, branch))


def _source(source: spec.FromStep | spec.FromParameter | spec.FromData) -> Source:
    if isinstance(source, spec.FromStep):
        return Source(step=source.step, output=source.output, value=value_name(source))
    if isinstance(source, spec.FromData):
        return Source(data=source.uri)
    return Source(parameter=source.name)


def _servers(build: Build) -> dict[str, Preload]:
    """Return what each fork server imports, and what it must go without.

    Register steps have one of their own: it imports MLflow while the other steps run.
    """
    steps = tuple(name for name in _preload(build) if name.partition(".")[0] not in UNSAFE)
    servers = {STEPS: Preload(steps, ())}
    if any(isinstance(step.run, spec.Register) for step in build.spec.steps):
        # MLflow imports Polars where it is installed, and would then have its threads.
        servers[REGISTRY] = Preload(_REGISTERING, tuple(sorted(UNSAFE - {"mlflow"})))
    return servers


def _preload(build: Build) -> list[str]:
    modules: set[str] = set()
    for step in build.spec.steps:
        types = [output.type for output in step.outputs.values()]
        types += [taken.type for taken in step.inputs.values()]
        for type_ in types:
            modules.update(_PRELOAD.get(type_.removeprefix("list[").removesuffix("]"), ()))
        bundle = build.bundles.get(step.name)
        if bundle is not None:
            modules.update(bundle.libraries)
    return sorted(modules)


def _row(step: spec.Step, machine: Machine) -> PlannedJob:
    _, _, notes = share(machine, step.resources)
    kind = "process" if not isinstance(step.run, spec.Container) else "program"
    return PlannedJob(step=step.name, kind=kind, machine=str(machine), price=None, notes=notes)
