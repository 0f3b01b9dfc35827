"""`waterflow logs`: print what a run's steps have written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")


@click.command("logs")
@options.run(required=False)
@click.option("--step", metavar="STEP", shell_complete=completions.steps, help="Only this step.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@options.profile
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    run: str | None,
    step: str | None,
    follow: bool,
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
        _print(provider, state, step, follow=follow, as_json=as_json)
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
    provider: Provider, state: RunState, step: str | None, *, follow: bool, as_json: bool
) -> None:
    width = max((len(name) for name in state.steps), default=0)
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(state.steps)}
    for line in provider.logs(state.run, step, follow):
        if as_json:
            click.echo(json.dumps({"step": line.step, "text": line.text, "time": line.time}))
        elif step is not None:
            click.echo(line.text)
        else:
            colour = colours.get(line.step)
            click.echo(f"{click.style(line.step.ljust(width), fg=colour)}  {line.text}")
