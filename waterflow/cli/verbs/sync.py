"""`waterflow sync`: send to MLflow what it has not got yet."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("sync")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@options.profile
@options.as_json
@click.pass_context
def command(
    context: click.Context, runs: tuple[str, ...], profile: str | None, as_json: bool
) -> None:
    """Send the tracking events that MLflow has not got yet, of RUN... or of all runs.

    Sending again what MLflow has changes nothing.
    """
    from waterflow.cli.ending import tell
    from waterflow.cli.output import print_json, table
    from waterflow.cli.project import open_here
    from waterflow.errors import TrackingError
    from waterflow.tracking import lean

    provider = open_here(profile)
    unsent = [state for state in list(provider.runs()) if state.unsent] if not runs else []
    busy = [state.run for state in unsent if state.sending]
    chosen = runs or tuple(state.run for state in unsent if not state.sending)
    with lean.sparing():
        sent = {run: provider.sync(run) for run in chosen}
    left = sum(one.left for one in sent.values() if one.error)
    if as_json:
        print_json(
            [
                {"run": run, "sent": one.sent, "left": one.left, "error": one.error}
                for run, one in sent.items()
            ]
        )
    elif busy:
        click.echo(f"Being sent already: {', '.join(busy)}")
    elif not sent:
        click.echo("MLflow has got everything.")
    if sent and not as_json:
        rows = [(run, str(one.sent), str(one.left)) for run, one in sent.items()]
        table(("run", "sent", "left"), rows)
    for message in dict.fromkeys(one.error for one in sent.values() if one.error):
        if not as_json:  # there it stands beside its run
            tell(message)
    context.exit(TrackingError.exit_code if left else 0)
