"""The job contract, seen from outside: STEP.json and the command line for a step of a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.spec import document as spec
from waterflow.spec.references import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VERSION: Final = 1
ATTEMPTS: Final = ("retry", "timeout", "threads")
"""What STEP.json says of how a step is run, and no result depends on. Where a cloud's cache would
count STEP.json's every word, a job is told these by another way: `Place.attempts`."""


def step_document(
    pipeline: spec.Pipeline,
    step: spec.Step,
    *,
    execution: Mapping[str, str],
    frames: bool,
    secrets_from: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the content of STEP.json: all that a job must know and that no run changes.

    Args:
        pipeline: The spec.
        step: The step.
        execution: How the job reads the native execution id: `{"variable": NAME}`, or
            `{"file": PATH, "key": KEY}`.
        frames: Whether tracking events also go to standard output as framed lines.
        secrets_from: How the job reads secrets: `{"variable_prefix": TEXT}` for environment
            variables, or `{"resolver": "module:function"}` for a function that the job can import;
            None for the variables `WATERFLOW_SECRET_...`.
    """
    scalars = values(pipeline).get(step.name, {})
    document: dict[str, Any] = {
        "version": VERSION,
        "pipeline": pipeline.name,
        "step": step.name,
        "run": _run(step.run),
        "arguments": {
            name: _source(pipeline, name, input_.type, input_.source)
            for name, input_ in sorted(step.inputs.items())
        },
        "outputs": {name: output.type for name, output in sorted(step.outputs.items())},
        "values": {n: {"output": r.output, "key": r.key} for n, r in sorted(scalars.items())},
        "retry": {
            "retries": step.retry.retries,
            "delay": step.retry.delay,
            "backoff": step.retry.backoff,
        },
        "timeout": step.timeout,
        "threads": max(1, int(step.resources.cpu)),
        "variables": dict(sorted(step.environment.variables.items())),
        "secrets": dict(sorted(step.environment.secrets.items())),
        "trusted_types": list(pipeline.trusted_types),
        "execution": dict(execution),
        "frames": frames,
    }
    if secrets_from is not None:
        document["secrets_from"] = dict(secrets_from)
    if step.metrics:
        document["metrics"] = dict(sorted(step.metrics.items()))
    return document


def _run(run: spec.Function | spec.Container | spec.Register) -> dict[str, Any]:
    if isinstance(run, spec.Function):
        work = {"kind": "function", "module": run.module, "name": run.name, "over": run.over}
        return work | ({"on_error": run.on_error} if run.on_error else {})
    if isinstance(run, spec.Container):
        return {"kind": "container", "command": list(run.command)}
    return {"kind": "register"}


def _source(pipeline: spec.Pipeline, name: str, kind: str, source: spec.Source) -> dict[str, Any]:
    """Return how the runtime makes one argument."""
    if isinstance(source, spec.FromValue):
        return {"constant": source.value}
    if isinstance(source, spec.FromData):
        return {"input": name, "type": kind, "data": source.uri}
    if isinstance(source, spec.FromParameter):
        if pipeline.parameters[source.name].type == "data":
            return {
                "input": name,
                "type": kind,
                "data": f"parameter {source.name}",
                "optional": True,
            }
        return {"parameter": name, "type": kind}
    if isinstance(source, spec.FromStep):
        raw = pipeline.step(source.step).outputs[source.output].raw
        return {"input": name, "type": kind, "key": source.key} | ({"raw": True} if raw else {})
    if isinstance(source, spec.FromFirst):
        options = enumerate(source.options)
        return {"first": [_source(pipeline, f"{name}.{i}", kind, option) for i, option in options]}
    inner = kind[5:-1] if kind.startswith("list[") else "any"
    items = enumerate(source.items)
    return {"list": [_source(pipeline, f"{name}.{i}", inner, item) for i, item in items]}


def leaves(
    step: spec.Step,
) -> Iterator[tuple[str, spec.FromStep | spec.FromParameter | spec.FromData]]:
    """Yield what a job is given by path or value: the name on its command line and its source."""
    for name, input_ in sorted(step.inputs.items()):
        yield from _leaves(name, input_.source)


def _leaves(
    name: str, source: spec.Source
) -> Iterator[tuple[str, spec.FromStep | spec.FromParameter | spec.FromData]]:
    if isinstance(source, spec.FromFirst):
        for index, option in enumerate(source.options):
            yield f"{name}.{index}", option
    elif isinstance(source, spec.FromList):
        for index, item in enumerate(source.items):
            yield from _leaves(f"{name}.{index}", item)
    elif not isinstance(source, spec.FromValue):
        yield name, source


def command(
    step_file: Path | str,
    *,
    inputs: Mapping[str, Path | str],
    outputs: Mapping[str, Path | str],
    values: Mapping[str, Path | str],
    parameters: Mapping[str, str],
    checkpoint: Path | str | None = None,
) -> list[str]:
    """Return the arguments of `python -m waterflow.runtime`.

    Args:
        step_file: STEP.json.
        inputs: Name -> local path of an artifact's folder.
        outputs: Name -> local path to write the artifact's folder to.
        values: Name -> local path to write a scalar's JSON text to.
        parameters: Name -> JSON text.
        checkpoint: A folder that outlives an attempt.
    """
    arguments = [str(step_file)]
    for flag, pairs in (
        ("input", inputs),
        ("output", outputs),
        ("value", values),
        ("param", parameters),
    ):
        for name, value in sorted(pairs.items()):
            arguments += [f"--{flag}", f"{name}={value}"]
    if checkpoint is not None:
        arguments += ["--checkpoint", str(checkpoint)]
    return arguments
