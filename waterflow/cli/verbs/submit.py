"""`waterflow submit`: start a run and return at once."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("submit")
@options.target
@options.parameters
@options.profile
@options.submission
@options.as_json
def command(
    target: str,
    parameters: tuple[str, ...],
    profile: str | None,
    no_cache: bool,
    keep_going: bool,
    resume: str | None,
    run_id: str | None,
    as_json: bool,
) -> None:
    """Start a run of the pipeline in TARGET, print its id, and return."""
    from waterflow.cli import progress
    from waterflow.cli.output import print_json
    from waterflow.cli.project import next_command
    from waterflow.cli.targets import load
    from waterflow.runs.submit import submit

    source = load(target)
    call = source.call(parameters)
    with progress.shown():
        run = submit(
            call,
            profile=profile,
            run_id=run_id,
            cache=not no_cache,
            resume=resume,
            keep_going=keep_going,
            root=source.root,
        )
    if as_json:
        name = run.provider.profile.name
        print_json({"run": run.id, "provider": run.provider.name, "profile": name})
        return
    click.echo(run.id)
    watch = next_command(source.root, "waterflow", "status", run.id)
    click.echo(f"Watch it: {watch}", err=True)
