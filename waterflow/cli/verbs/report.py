"""`waterflow report`: a run as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState

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
def command(
    run: str | None, output: str | None, opened: bool, live: bool, profile: str | None
) -> None:
    """Write RUN as one page of HTML that needs no network; by default the latest run.

    Without -o it is ./waterflow-report-RUN.html.
    """
    from pathlib import Path

    from waterflow.cli.output import write
    from waterflow.cli.project import latest, open_here

    provider = open_here(profile)
    state = provider.status(run) if run else latest(provider)
    if live:
        _serve(provider, state, output, opened)
        return
    file = output or _NAME.format(run=state.run)
    write(_page(provider, state), file)
    click.echo(file)
    if opened:
        click.launch(Path(file).resolve().as_uri())


def _page(provider: Provider, state: RunState) -> str:
    from waterflow.report import Gathering, page
    from waterflow.runs.run import Run

    Run(state.run, provider).explain(state)
    return page(Gathering(provider, state.run).report(state))


def _serve(provider: Provider, state: RunState, output: str | None, opened: bool) -> None:
    import contextlib

    from waterflow.cli.output import write
    from waterflow.report.live import LivePage
    from waterflow.runs.run import Run

    run = Run(state.run, provider)
    with LivePage(provider, state.run, explain=run.explain) as live:
        click.echo(f"{live.url} follows {state.run}; Ctrl-C ends it")
        if opened:
            click.launch(live.url)
        with contextlib.suppress(KeyboardInterrupt):
            live.follow()
            click.echo(f"{state.run} has ended; its page stays until Ctrl-C")
            if output:
                write(live.finished(), output)
                click.echo(output)
                output = None
            live.stay()
    if output:
        write(_page(provider, provider.status(state.run)), output)
        click.echo(output)
