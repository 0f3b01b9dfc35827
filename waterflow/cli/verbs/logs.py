"""`waterflow logs`: print what a run's steps have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState


@click.command("logs")
@options.run(required=False)
@click.option("--step", metavar="STEP", shell_complete=completions.steps, help="Only this step.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("-t", "--times", is_flag=True, help="Begin each line with its time.")
@options.profile
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: str | None,
    step: str | None,
    follow: bool,
    times: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Print the logs of RUN; by default of the latest run.

    With --json a line of JSON for each line of a log. Ctrl-C ends this, and not the run.
    """
    from waterflow.cli.ending import CANCELLED
    from waterflow.cli.project import latest, next_command, open_here

    provider = open_here(profile)
    state = provider.status(run) if run else latest(provider)
    try:
        _print(provider, state, step, follow=follow, times=times, as_json=as_json)
    except KeyboardInterrupt:
        if not provider.status(state.run).status.final:
            look = next_command(provider.root, "waterflow", "status", state.run)
            stop = next_command(provider.root, "waterflow", "cancel", state.run)
            click.echo(f"\nRun {state.run} goes on. Look at it: {look}; stop it: {stop}", err=True)
        context.exit(CANCELLED)
    if not state.status.final:
        state = provider.status(state.run)
    for name, one in state.steps.items():
        if str(one.status) == "cached" and step in (None, name):
            words = ("waterflow", "logs", one.origin or "RUN", "--step", name)
            where = f"run {one.origin}" if one.origin else "the run that did the work"
            click.echo(
                f"{name} was answered from the cache: its log is with {where}: "
                f"{next_command(provider.root, *words)}",
                err=True,
            )


def _print(
    provider: Provider,
    state: RunState,
    step: str | None,
    *,
    follow: bool,
    times: bool,
    as_json: bool,
) -> None:
    from waterflow.cli.log_lines import LogLines

    shown = LogLines(state.steps if step is None else (), times=times, live=follow)
    try:
        for line in provider.logs(state.run, step, follow):
            if not as_json:
                shown.show(line)
            elif not line.update:
                click.echo(json.dumps({"step": line.step, "text": line.text, "time": line.time}))
    finally:
        shown.close()
