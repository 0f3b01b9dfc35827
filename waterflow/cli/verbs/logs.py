"""`waterflow logs`: print what a run's steps have written."""

from __future__ import annotations

import json
from typing import Final

import click

from waterflow.cli import options

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue", "bright_red")


@click.command("logs")
@options.run(required=False)
@click.option("--step", metavar="STEP", help="Only this step.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@options.profile
@options.as_json
def command(
    run: str | None, step: str | None, follow: bool, profile: str | None, as_json: bool
) -> None:
    """Print the logs of RUN; by default of the latest run."""
    from waterflow.cli.project import latest, next_command, open_here

    provider = open_here(profile)
    state = provider.status(run) if run else latest(provider)
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
    if not state.status.final:
        state = provider.status(state.run)
    cached = [
        name
        for name, one in state.steps.items()
        if str(one.status) == "cached" and step in (None, name)
    ]
    if cached:
        listed = next_command(provider.root, "waterflow", "runs")
        click.echo(
            f"Answered from the cache, so with no log in this run: {', '.join(cached)}. The log is "
            f"with the run that did the work. Find it: {listed}; then: "
            f"waterflow logs RUN --step {cached[0]}",
            err=True,
        )
