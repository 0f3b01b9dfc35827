"""`waterflow run`: submit a pipeline, watch it, and say what came of it."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout

import click

from waterflow.cli import options


@click.command("run")
@options.target
@options.parameters
@options.profile
@options.submission
@click.option("--inline", is_flag=True, help="All steps in this process, for a debugger.")
@click.option(
    "--wait-tracking",
    is_flag=True,
    help="Return when MLflow has got all of the run: for a script that reads it there.",
)
@click.option("--logs", is_flag=True, help="Show what the steps print, as they print it.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    target: str,
    parameters: tuple[str, ...],
    profile: str | None,
    no_cache: bool,
    keep_going: bool,
    resume: str | None,
    inline: bool,
    run_id: str | None,
    wait_tracking: bool,
    logs: bool,
    as_json: bool,
) -> None:
    """Run the pipeline in TARGET and watch it.

    TARGET is a folder with a pipeline.py or pipeline.yaml, a .py or .yaml file, or module:name;
    :name chooses among several pipelines of a file. Ctrl-C cancels the run.

    \b
    waterflow run pipelines/fraud_detection -p trees=300
    """  # noqa: D301 - click's mark for lines to keep
    from waterflow.cli import progress
    from waterflow.cli.log_view import WithLogs
    from waterflow.cli.outcome import Command, finish
    from waterflow.cli.targets import load
    from waterflow.cli.watch import best_view, stop, watch
    from waterflow.runs.submit import submit

    source = load(target)
    call = source.call(parameters)
    # Steps that run inline print here; with --json that is no part of the answer.
    with progress.shown(), redirect_stdout(sys.stderr) if as_json else nullcontext():
        run = submit(
            call,
            profile=profile,
            run_id=run_id,
            cache=not no_cache,
            resume=resume,
            keep_going=keep_going,
            inline=inline,
            attached=True,
            root=source.root,
        )
    try:
        view = WithLogs(run, err=as_json) if logs and not inline else best_view(run, quiet=as_json)
        state = watch(run, view)
    except KeyboardInterrupt:
        click.echo("Cancelling; waiting for the steps to end.", err=True)
        state = stop(run)
    # The project is found from TARGET, so this goes where it was typed, whatever folder that is.
    words = [word for text in parameters for word in ("-p", text)]
    words += ["--profile", profile] if profile else []
    started = Command(("waterflow", "run", target, *words), inline=inline, cache=not no_cache)
    code = finish(run, state, started, as_json=as_json, wait_tracking=wait_tracking)
    context.exit(code)
