"""`waterflow plan`: show what a run would be, what it may cost, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.runs.plan import Plan, PlannedStep


@click.command("plan")
@options.target
@options.parameters
@options.profile
@click.option("--permissions", is_flag=True, help="Also who must be allowed to do what, and why.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    target: str,
    parameters: tuple[str, ...],
    profile: str | None,
    permissions: bool,
    as_json: bool,
) -> None:
    """Show the jobs of the pipeline in TARGET before a run: machines, prices, times, changes.

    Times are the median of a step's latest successful runs. A step that is expected to be answered
    by an earlier result, or to be skipped, takes none and costs nothing in this run.
    """
    from waterflow.cli.output import print_json
    from waterflow.cli.targets import load
    from waterflow.errors import UnsupportedFeatureError
    from waterflow.runs.plan import make_plan

    source = load(target)
    plan = make_plan(source.call(parameters), source.root, profile)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(plan))
    else:
        _show(plan, permissions)
    context.exit(UnsupportedFeatureError.exit_code if plan.problems else 0)


def _show(plan: Plan, permissions: bool) -> None:
    from waterflow.cli import output

    click.echo(f"{plan.pipeline} on profile {plan.profile} (provider {plan.provider})")
    output.table(
        ("step", "call", "job", "machine", "$/hour", "time", "cost", "cache", "options"),
        [
            (
                step.name,
                step.label or "",
                step.kind or "",
                step.machine or "",
                "" if step.price_per_hour is None else f"{step.price_per_hour:.4g}",
                output.show_seconds(step.seconds),
                output.show_money(step.cost),
                f"cached ({step.cached_from})" if step.cached_from else step.cache,
                _options(step),
            )
            for step in plan.steps
        ],
    )
    for step in plan.steps:
        if step.why:
            click.echo(f"why: {step.name} {step.cache}: {'; '.join(step.why)}")
    for step in plan.steps:
        for note in step.notes:
            click.echo(f"note: {step.name} {note}")
    for note in plan.notes:
        click.echo(f"note: {note}")
    if plan.lacks:
        click.echo(f"not on {plan.provider}: {'; '.join(plan.lacks)}")
    if plan.limits:
        limits = (
            f"{one.what} {one.used:,} of {one.most:,}{f' ({one.step})' if one.step else ''}"
            for one in plan.limits
        )
        click.echo(f"limits: {'; '.join(limits)}")
    _show_totals(plan)
    if plan.last_run is not None:
        click.echo(f"changes since {plan.last_run}:{'' if plan.changes else ' none'}")
    output.show_changes(plan.changes)
    if permissions:
        _show_permissions(plan)
    for problem in plan.problems:
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {problem}", err=True)


def _show_totals(plan: Plan) -> None:
    this, full = _total(plan.seconds, plan.cost), _total(plan.full_seconds, plan.full_cost)
    if this:
        unknown = any(step.cache == "unknown" for step in plan.steps)
        rest = ", with what is unknown counted as run" if unknown else ""
        click.echo(f"this run: {this}{rest}")
    if full and full != this:
        click.echo(f"in all: {full}, if nothing is cached")


def _total(seconds: float | None, cost: float | None) -> str:
    from waterflow.cli.output import show_money, show_seconds

    parts = [
        *([f"about {show_seconds(seconds)}"] if seconds is not None else []),
        *([show_money(cost)] if cost is not None else []),
    ]
    return ", ".join(parts)


def _show_permissions(plan: Plan) -> None:
    if not plan.permissions:
        click.echo("permissions: none")
    for who in dict.fromkeys(one.who for one in plan.permissions):
        click.echo(f"permissions of {who}:")
        for one in plan.permissions:
            if one.who == who:
                click.echo(f"  {one.why}")
                click.echo(f"    {', '.join(one.actions)}")
                click.echo(f"    on {', '.join(one.resources)}")


def _options(step: PlannedStep) -> str:
    from waterflow.cli.output import show_seconds

    words = [
        *([step.when] if step.when else []),
        *([f"{step.cpu:g} CPU"] if step.cpu != 1 else []),
        *([f"{step.instances} machines"] if step.instances > 1 else []),
        *(["spot"] if step.spot else []),
        *([f"{step.retries} {'retry' if step.retries == 1 else 'retries'}"] * bool(step.retries)),
        *([f"at most {show_seconds(step.timeout)}"] if step.timeout is not None else []),
    ]
    return ", ".join(words)
