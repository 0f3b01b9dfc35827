"""`waterflow cancel`: stop a run."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("cancel")
@options.run(required=True)
@options.profile
@options.as_json
def command(run: str, profile: str | None, as_json: bool) -> None:
    """Stop RUN and wait until it has stopped; one that has ended stays as it is."""
    from waterflow.cli.output import print_json, run_document
    from waterflow.cli.project import open_here
    from waterflow.cli.watch import stop
    from waterflow.runs.run import Run

    state = stop(Run(run, open_here(profile)))
    if as_json:
        print_json(run_document(state))
    else:
        click.echo(f"{state.run} {state.status}")
