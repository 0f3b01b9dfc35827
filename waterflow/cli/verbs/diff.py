"""`waterflow diff`: show what differs between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState
    from waterflow.runs.difference import Content, Difference, Outcome

_DIGEST: Final = 12
"""Characters of a digest that are shown."""


@click.command("diff")
@click.argument("first", metavar="[RUN]", required=False, shell_complete=completions.run_ids)
@click.argument("second", metavar="[RUN]", required=False, shell_complete=completions.run_ids)
@options.profile
@click.option(
    "--other-profile",
    metavar="NAME",
    shell_complete=completions.profiles,
    help="The profile of the second RUN, where it is another.",
)
@options.as_json
def command(
    first: str | None,
    second: str | None,
    profile: str | None,
    other_profile: str | None,
    as_json: bool,
) -> None:
    """Show what differs between two runs: code, data, parameters, libraries, and what came of it.

    The second RUN is seen from the first. With one RUN, it is compared with the run of its pipeline
    before it; with none, the latest run is.
    """
    from waterflow.cli import output
    from waterflow.cli.project import open_here
    from waterflow.runs.difference import difference

    provider = open_here(profile)
    if second is None and other_profile is None:
        before, after = _with_former(provider, first)
        answer = difference((provider, before), (provider, after))
    else:
        other = open_here(other_profile) if other_profile else provider
        answer = difference((provider, _state(provider, first)), (other, _state(other, second)))
    if as_json:
        output.print_json(answer)
    else:
        _show(answer)


def _state(provider: Provider, run: str | None) -> RunState:
    from waterflow.cli.project import latest

    return provider.status(run) if run else latest(provider)


def _with_former(provider: Provider, run: str | None) -> tuple[RunState, RunState]:
    """Return the run of the same pipeline before a run, and the run.

    Raises:
        UnknownNameError: There is none before it.
    """
    from waterflow.errors import UnknownNameError

    state = _state(provider, run)
    former = provider.former(state.run)
    if former is None:
        raise UnknownNameError(
            f"There is no run of {state.pipeline} before '{state.run}' to compare it with. "
            "Name two runs: waterflow runs",
            provider=provider.name,
            operation="compare runs",
        )
    return provider.status(former), state


def _show(answer: Difference) -> None:
    from waterflow.cli import output

    output.table(
        ("run", "pipeline", "profile", "status", "started", "time"),
        [
            (
                side.run,
                side.pipeline,
                side.profile,
                side.status,
                output.show_time(side.started),
                output.show_seconds(side.seconds),
            )
            for side in (answer.before, answer.after)
        ],
    )
    click.echo(f"changes:{'' if answer.changes else ' none'}")
    output.show_changes(answer.changes)
    for line in answer.unknown:
        click.echo(f"not compared: {line}")
    if answer.metrics:
        click.echo()
        output.table(("metric", "before", "after", "change"), _metrics(answer))
    if answer.artifacts:
        different = [one for one in answer.artifacts if not one.same]
        same = len(answer.artifacts) - len(different)
        click.echo(f"\nartifacts: {same} the same, {len(different)} not")
        if different:
            output.table(
                ("artifact", "before", "", "after", ""),
                [(one.name, *_content(one.before), *_content(one.after)) for one in different],
            )
    if answer.steps:
        click.echo()
        output.table(
            ("step", "before", "", "after", ""),
            [(one.name, *_outcome(one.before), *_outcome(one.after)) for one in answer.steps],
        )


def _metrics(answer: Difference) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for one in answer.metrics:
        change = ""
        if one.before is not None and one.after is not None and one.before != one.after:
            change = f"{one.after - one.before:+.4g}"
        before, after = ("" if v is None else f"{v:.6g}" for v in (one.before, one.after))
        rows.append((one.name, before, after, change))
    return rows


def _content(content: Content | None) -> tuple[str, str]:
    from waterflow.spec.quantities import show_size

    if content is None:
        return "none", ""
    if content.sha256 is None:
        return "skipped", ""
    return content.sha256[:_DIGEST], show_size(content.size)


def _outcome(outcome: Outcome | None) -> tuple[str, str]:
    from waterflow.cli.output import show_seconds

    return ("none", "") if outcome is None else (outcome.status, show_seconds(outcome.seconds))
