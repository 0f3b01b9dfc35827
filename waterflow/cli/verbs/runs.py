"""`waterflow runs`: list the runs of a project, and delete old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from waterflow.provider import Provider
    from waterflow.provider.state import RunState


@click.group("runs", invoke_without_command=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@options.profile
@options.as_json
@click.pass_context
def command(context: click.Context, limit: int, profile: str | None, as_json: bool) -> None:
    """List the runs of this project, newest first."""
    if context.invoked_subcommand is not None:
        return
    from itertools import islice

    from waterflow.cli import output
    from waterflow.cli.project import open_here

    provider = open_here(profile)
    states = list(islice(provider.runs(), limit))
    if as_json:
        output.print_json([output.run_document(state) for state in states])
        return
    if not states:
        click.echo(f"There are no runs yet in {provider.root}. Start one: waterflow run TARGET")
        return
    _table(states)


@command.command("delete")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=completions.run_ids)
@click.option("--older-than", metavar="TIME", help="All that ended longer ago than this: 90d.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    metavar="N",
    help="All but the newest N of each pipeline.",
)
@click.option("--pipeline", metavar="NAME", help="Of those only the runs of this pipeline.")
@click.option("--force", is_flag=True, help="Also runs of which MLflow has not got all.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.profile
@options.as_json
def delete(
    runs: tuple[str, ...],
    older_than: str | None,
    keep: int | None,
    pipeline: str | None,
    force: bool,
    dry_run: bool,
    yes: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Delete RUNs, or old ones, and the artifacts that nothing else names.

    With --older-than and --keep together a run goes that both choose. Runs under way stay, and so
    do cached results (waterflow cache clear) and what MLflow has.

    \b
    waterflow runs delete --older-than 90d --keep 10
    """  # noqa: D301 - click's mark for lines to keep
    from waterflow.cli import output
    from waterflow.cli.project import open_here
    from waterflow.errors import ConflictError

    if bool(runs) == (older_than is not None or keep is not None):
        raise click.UsageError("Name the RUNs, or choose them with --older-than and --keep.")
    provider = open_here(profile)
    if runs:
        states = [provider.status(run) for run in dict.fromkeys(runs)]
        unfinished = [state.run for state in states if not state.status.final]
        if unfinished:
            raise ConflictError(
                f"Run '{unfinished[0]}' is still under way. Wait for it, or stop it: "
                f"waterflow cancel {unfinished[0]}",
                provider=provider.name,
                operation="delete run",
            )
    else:
        states = list(_outdated(provider, older_than, keep, pipeline))
    unsent = [state for state in states if state.unsent]
    if unsent and not force:
        raise ConflictError(
            f"MLflow has not got {unsent[0].unsent} events of run '{unsent[0].run}' yet. Send "
            f"them: waterflow sync {unsent[0].run}; or delete it all the same: --force",
            provider=provider.name,
            operation="delete run",
        )
    if not as_json and (dry_run or not (yes or runs)):
        _table(states)
    if states and not (dry_run or yes or runs):
        count = output.show_count(len(states), "run")
        click.confirm(f"Delete {count}?", abort=True, err=True)
    deleted = [] if dry_run else [state.run for state in states]
    for run in deleted:
        provider.delete_run(run)
    removed = provider.clear_cache(None)[1] if deleted else 0
    if as_json:
        chosen = [state.run for state in states]
        output.print_json({"chosen": chosen, "deleted": deleted, "removed": removed})
    elif not dry_run:
        count = output.show_count(len(deleted), "run")
        click.echo(f"{count} deleted, {output.show_count(removed, 'artifact')} removed")


def _outdated(
    provider: Provider, older_than: str | None, keep: int | None, pipeline: str | None
) -> Iterator[RunState]:
    """Yield the runs that have ended and that every rule chooses, newest first."""
    import time

    from waterflow.language.resources import parse_duration

    age = 0.0 if older_than is None else parse_duration(older_than, "--older-than")
    limit = (time.time() - age) * 1000
    seen: dict[str, int] = {}
    for state in provider.runs():
        seen[state.pipeline] = seen.get(state.pipeline, 0) + 1
        if (
            state.status.final
            and not state.sending
            and pipeline in (None, state.pipeline)
            and seen[state.pipeline] > (keep or 0)
            and (state.ended or state.started or 0) < limit
        ):
            yield state


def _table(states: Sequence[RunState]) -> None:
    from waterflow.cli import output
    from waterflow.cli.watch import counts

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
