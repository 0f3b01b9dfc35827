"""`waterflow warm`: show or stop the helper that keeps libraries imported between runs."""

from __future__ import annotations

import os

import click

from waterflow.cli import options


@click.command("warm")
@click.option("--stop", is_flag=True, help="Stop it; runs that are under way go on.")
@options.as_json
def command(stop: bool, as_json: bool) -> None:
    """Show the project's helper: a process that keeps libraries imported between local runs.

    The first run starts it, and it ends when no run has used it for a while: `warm` of the local
    profile says how long, and 0 does without. So does CI=true in the environment.
    """
    from waterflow.cli.output import print_json, show_count, show_seconds, show_time, table
    from waterflow.cli.project import here
    from waterflow.project import state_path
    from waterflow.warm import asking

    state = state_path(here())
    if stop:
        count = asking.stop(state, os.environ)
        if as_json:
            print_json({"stopped": count})
        else:
            click.echo(f"{show_count(count, 'helper')} stopped" if count else "No helper runs.")
        return
    helpers = list(asking.shown(state, os.environ))
    if as_json:
        print_json(helpers)
        return
    if not helpers:
        click.echo("No helper runs. The next local run starts one, where the profile has it.")
    for helper in helpers:
        ends = "in use" if helper["left"] is None else f"ends in {show_seconds(helper['left'])}"
        click.echo(
            f"helper {helper['pid']}, started {show_time(helper['started'])}, "
            f"{show_count(helper['runs'], 'run')}, {ends}"
        )
        rows = [
            (held["for"], str(held["pid"]), str(held["forks"]), asking.memory(held["pid"]))
            for held in helper["holders"]
        ]
        table(("holds libraries for", "process", "forks", "memory"), rows)
