"""How a run ended: totals, models, metrics, or what failed and what to type next."""

from __future__ import annotations

import contextlib
import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from waterflow.cli.output import print_json, run_document, show_count, show_seconds
from waterflow.cli.project import next_command
from waterflow.cli.watch import counts, settle
from waterflow.errors import ConfigurationError, is_storage_fault

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.provider import Artifact
    from waterflow.provider.state import RunState, StepState
    from waterflow.runs.run import Run

TAIL: Final = 20
"""Lines of a failed step's log that are shown when it left no traceback."""
_LARGEST: Final = 10_000
"""Bytes of metrics above which they are not shown."""
_NAMED: Final = 5
"""Steps that are named before the rest is counted."""
_CODES: Final = {"failed": 1, "cancelled": 130}
_MODEL: Final = ("name", "uri", "version")


@dataclass(frozen=True)
class Command:
    """How a run was started.

    Attributes:
        words: What starts another like it.
        inline: Whether it ran in the caller's process, which keeps neither logs nor results to go
            on from.
        cache: Whether earlier results might stand for its steps.
    """

    words: tuple[str, ...]
    inline: bool = False
    cache: bool = True


def finish(
    run: Run, state: RunState, command: Command, *, as_json: bool, wait_tracking: bool = False
) -> int:
    """Tell how a run ended.

    Args:
        run: The run.
        state: Its final state.
        command: How it was started.
        as_json: As one JSON object on standard output.
        wait_tracking: Wait until MLflow has got all of it, where another process sends it.

    Returns:
        The exit code.
    """
    models, metrics = _results(run)
    if as_json:
        if wait_tracking or not state.sending:
            state = settle(run, state)
        run.explain(state)
        print_json(run_document(state) | {"models": models, "metrics": _in_json(metrics)})
        return _code(state)
    root = run.provider.root
    for step in state.steps.values():
        if str(step.status) == "failed":
            _tell_failure(run, root, step, logged=not command.inline)
    run.explain(state)
    reasons: dict[str, list[str]] = {}
    for step in state.steps.values():
        if str(step.status) == "not run" and step.reason:
            reasons.setdefault(step.reason, []).append(step.name)
    for reason, names in reasons.items():
        click.echo(f"\n{_several(names)} did not run: {reason}")
    colour = {"succeeded": "green", "failed": "red"}.get(str(state.status), "magenta")
    totals = f"{show_count(len(state.steps), 'step')}, {counts(state)}"
    seconds = show_seconds(state.seconds)
    click.echo(
        f"\n{run.id} {click.style(str(state.status), fg=colour, bold=True)} in {seconds}: {totals}"
    )
    if state.error and not any(str(step.status) == "failed" for step in state.steps.values()):
        click.echo(f"  {state.error}")
    for step, values in metrics.items():
        click.echo(f"  {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
    for model in models:
        click.echo(f"  model {model['name']}, version {model['version']} ({model['uri']})")
    if (line := _next(run, state, command)) is not None:
        click.echo(f"  {line}")
    click.echo(f"  look at it: {next_command(root, 'waterflow', 'ui')}")
    return _code(_tell_tracking(run, state, wait=wait_tracking))


def _tell_tracking(run: Run, state: RunState, *, wait: bool) -> RunState:
    """Tell what MLflow has not got yet, and return the state then."""
    root = run.provider.root
    if wait or not state.sending:
        state = settle(run, state)
    if state.sending and state.unsent:
        rest = show_count(state.unsent, "tracking event")
        click.echo(f"  being sent to MLflow meanwhile: {rest}")
    elif state.unsent:
        click.echo(
            f"  MLflow has not got {state.unsent} of its tracking events yet; nothing is lost. "
            f"Send them: {next_command(root, 'waterflow', 'sync')}"
        )
    return state


def _several(names: list[str]) -> str:
    """Return names in a row, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _code(state: RunState) -> int:
    """Return the exit code: a failure that is all the set-up's has the set-up's."""
    failures = [step.error for step in state.steps.values() if str(step.status) == "failed"]
    failures = failures or [state.error]
    if str(state.status) == "failed" and all(map(is_storage_fault, failures)):
        return ConfigurationError.exit_code
    return _CODES.get(str(state.status), 0)


def _next(run: Run, state: RunState, command: Command) -> str | None:
    """Return the line that says how to go on; `--resume` where it spares what a new run repeats."""
    if command.inline or str(state.status) == "succeeded":
        return None
    capabilities = run.provider.capabilities
    again, resume = shlex.join(command.words), shlex.join([*command.words, "--resume", run.id])
    finished = [n for n, one in state.steps.items() if str(one.status) in ("succeeded", "cached")]
    if not capabilities.resume or not finished:
        return f"try again: {again}"
    if not capabilities.content_cache:
        # It repeats the failed steps as they were, so it helps where their code need not change.
        if any(one.detail for one in state.steps.values() if str(one.status) == "failed"):
            return f"when the code is mended: {again}"
        return f"go on from here: {resume}"
    if command.cache and not _uncached(run, finished):
        return f"try again, and what is done comes from the cache: {again}"
    return f"go on from here: {resume}"


def _uncached(run: Run, steps: list[str]) -> bool:
    """Say whether the cache does not keep the results of some of these steps."""
    from waterflow.errors import WaterflowError

    with contextlib.suppress(WaterflowError):
        pipeline = run.provider.run_spec(run.id)
        if pipeline is not None:
            return not all(pipeline.step(name).cache for name in steps)
    return True


def _tell_failure(run: Run, root: Path, step: StepState, *, logged: bool) -> None:
    attempts = f" (attempt {step.attempt})" if step.attempt > 1 else ""
    if not logged and step.detail:  # it was printed here when it happened
        click.echo(f"\n{click.style(f'{step.name} failed', fg='red', bold=True)}, as told above")
        return
    call = f" [{step.label}]" if step.label else ""
    head = click.style(f"{step.name}{call} failed{attempts}:", fg="red", bold=True)
    error, text = step.error or "", step.detail or ""
    if not text:
        with contextlib.suppress(Exception):
            text = "\n".join(line.text for line in list(run.logs(step.name))[-TAIL:])
    # A traceback ends in the very error, its class often with the name of its module.
    said = error.partition(": ")[2] or error
    click.echo(f"\n{head}{'' if said in text else f' {error}'}")
    if text:
        click.echo("\n".join(f"  {line}" for line in text.splitlines()))
    if step.url:
        click.echo(f"  {step.url}")
    if logged:
        words = ("waterflow", "logs", run.id, "--step", step.name)
        click.echo(f"  its whole log: {next_command(root, *words)}")


def _results(run: Run) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """Return the model versions that a run registered, and its metrics by step.

    They are an extra: where one cannot be read here, standard error says why, and the run's end is
    told without the rest of them.
    """
    from waterflow.errors import WaterflowError
    from waterflow.spec import Register

    models: list[dict[str, Any]] = []
    metrics: dict[str, dict[str, float]] = {}
    try:
        pipeline = run.provider.run_spec(run.id)
        steps = pipeline.steps if pipeline else ()
        registering = {step.name for step in steps if isinstance(step.run, Register)}
        for artifact in run.artifacts():
            if artifact.sha256 is None or artifact.size > _LARGEST:
                continue
            if artifact.type == "metrics":
                name = (
                    artifact.step
                    if artifact.output == "output"
                    else f"{artifact.step}.{artifact.output}"
                )
                metrics[name] = _value(run, artifact)
            elif artifact.step in registering:
                version = _value(run, artifact)
                models.append({key: version[key] for key in _MODEL})
    except (WaterflowError, OSError) as error:
        click.echo(f"  what it made cannot be read here: {error}", err=True)
    return models, metrics


def _in_json(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Return metrics as JSON has them: null where one is not a finite number."""
    return {
        step: {key: value if math.isfinite(value) else None for key, value in values.items()}
        for step, values in metrics.items()
    }


def _value(run: Run, artifact: Artifact) -> dict[str, Any]:
    from waterflow.artifacts.plain import read

    folder = run.provider.download(run.id, artifact.step, artifact.output)
    return read(folder, artifact.type)
