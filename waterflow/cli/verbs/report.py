"""`waterflow report`: a run as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState
    from waterflow.report.data import Report

_NAME: Final = "waterflow-report-{run}.html"


@click.command("report")
@options.run(required=False)
@options.output
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option(
    "--live",
    is_flag=True,
    help="Serve it on this machine alone while the run goes on; it changes by itself.",
)
@options.profile
@options.as_json
def command(
    run: str | None,
    output: str | None,
    opened: bool,
    live: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Write RUN as one page of HTML that needs no network; by default the latest run.

    Without -o it is ./waterflow-report-RUN.html. --json tells what the run cost, too.
    """
    from pathlib import Path

    from waterflow.cli.output import print_json, write
    from waterflow.cli.project import latest, open_here
    from waterflow.report import page

    provider = open_here(profile)
    state = provider.status(run) if run else latest(provider)
    if live:
        _serve(provider, state, output, opened=opened, as_json=as_json)
        return
    file = output or _NAME.format(run=state.run)
    report = _gathered(provider, state)
    write(page(report), file)
    if as_json:
        money = {"estimated": report.cost, "billed": report.bill}
        print_json({"run": state.run, "status": str(state.status), "file": file, "cost": money})
    else:
        click.echo(file)
    if opened:
        click.launch(Path(file).resolve().as_uri())


def _gathered(provider: Provider, state: RunState) -> Report:
    from waterflow.report import Gathering
    from waterflow.runs.run import Run

    Run(state.run, provider).explain(state)
    return Gathering(provider, state.run).report(state)


def _serve(
    provider: Provider, state: RunState, output: str | None, *, opened: bool, as_json: bool
) -> None:
    """Serve a run's page until Ctrl-C; at the end of the run it is written, where that is asked."""
    import contextlib

    from waterflow.cli.output import print_json, write
    from waterflow.report.live import LivePage
    from waterflow.runs.run import Run

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    with LivePage(provider, state.run, explain=Run(state.run, provider).explain) as live:
        if as_json:
            print_json({"run": state.run, "url": live.url})
        else:
            click.echo(f"{live.url} follows {state.run}; Ctrl-C ends it")
        if opened:
            click.launch(live.url)
        with contextlib.suppress(KeyboardInterrupt):
            live.follow()
            if output:
                write(live.finished(), output)
                say(output)
            say(f"{state.run} has ended; its page stays until Ctrl-C")
            live.stay()
