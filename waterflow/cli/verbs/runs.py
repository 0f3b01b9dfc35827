"""`waterflow runs`: list the runs of a project."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@options.profile
@options.as_json
def command(limit: int, profile: str | None, as_json: bool) -> None:
    """List the runs of this project, newest first."""
    from itertools import islice

    from waterflow.cli import output
    from waterflow.cli.project import open_here
    from waterflow.cli.watch import counts

    provider = open_here(profile)
    states = list(islice(provider.runs(), limit))
    if as_json:
        output.print_json([output.run_document(state) for state in states])
        return
    if not states:
        click.echo(f"There are no runs yet in {provider.root}. Start one: waterflow run TARGET")
        return
    output.table(
        ("run", "pipeline", "status", "started", "time", "steps"),
        [
            (
                state.run,
                state.pipeline,
                str(state.status),
                output.show_time(state.started),
                output.show_seconds(state.seconds),
                counts(state),
            )
            for state in states
        ],
    )
