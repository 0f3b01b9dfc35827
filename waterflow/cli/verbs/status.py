"""`waterflow status`: show a run and its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.provider.state import StepState


@click.command("status")
@options.run(required=False)
@options.profile
@options.as_json
def command(run: str | None, profile: str | None, as_json: bool) -> None:
    """Show RUN and its steps; by default the latest run."""
    import time

    from waterflow.cli import output
    from waterflow.cli.project import latest, open_here
    from waterflow.runs.run import Run

    provider = open_here(profile)
    state = provider.status(run) if run else latest(provider)
    if state.status.final:
        state = Run(state.run, provider).settle(state)
    Run(state.run, provider).explain(state)
    if as_json:
        output.print_json(output.run_document(state))
        return
    took = output.show_seconds(state.seconds)
    click.echo(
        f"{state.run} ({state.pipeline}) {state.status}{f' in {took}' if took else ''}, "
        f"started {output.show_time(state.started)}"
    )
    if state.error and not any(step.error for step in state.steps.values()):
        click.echo(f"  {state.error}")
    if state.url:
        click.echo(f"  {state.url}")
    now = int(time.time() * 1000)
    output.table(
        ("step", "call", "state", "attempt", "time", "items", "why", "error"),
        [
            (
                step.name,
                step.label or "",
                str(step.status),
                str(step.attempt) if step.attempt else "",
                output.show_seconds(output.step_seconds(step, now)),
                output.show_items(step),
                _why(step),
                (step.error or "").partition("\n")[0],
            )
            for step in state.steps.values()
        ],
    )
    if state.unsent and state.sending and state.status.final:
        click.echo(f"MLflow has not got {state.unsent} events yet; they are being sent.")
    elif state.unsent and not state.sending:
        click.echo(f"MLflow has not got {state.unsent} events yet. Send them: waterflow sync")


def _why(step: StepState) -> str:
    """Return why a step ran or did not: what differs, a condition, the run that did the work."""
    if step.reason:
        return step.reason
    if str(step.status) == "cached":
        return f"from {step.origin}" if step.origin else ""
    return "; ".join(step.why)
