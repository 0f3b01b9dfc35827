"""`waterflow schedule`: let a provider start a pipeline by its schedule; list, pause, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.provider.schedules import Schedules

_DONE = {
    "created": "made",
    "updated": "changed",
    "unchanged": "as it was",
    "deleted": "deleted: the pipeline has none any more",
    "none": "none: the pipeline has none",
}


@click.group("schedule")
def command() -> None:
    """Let a provider start pipelines by their schedules: @wf.pipeline(schedule="0 3 * * 1")."""


@command.command("apply")
@options.target
@options.parameters
@options.profile
@options.as_json
def apply(target: str, parameters: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Deploy the pipeline in TARGET and bring its schedule to what its definition says.

    A pipeline without a schedule loses the one that it had. A paused schedule stays paused.
    """
    from waterflow.cli import progress
    from waterflow.cli.output import print_json
    from waterflow.cli.targets import load
    from waterflow.runs.submit import check_document, compile_call
    from waterflow.spec.parameters import check_length

    source = load(target)
    call = source.call(parameters)
    provider, build, document = compile_call(call, source.root, profile)
    arguments = dict(call.parameters)
    check_length(build.spec.name, arguments, provider.capabilities.parameter_length, provider.name)
    schedules = provider.schedules()
    check_document(provider, build, document)
    with progress.shown():
        done = schedules.apply(build, document, arguments)
    if as_json:
        print_json(
            {
                "pipeline": build.spec.name,
                "profile": provider.profile.name,
                "provider": provider.name,
                "schedule": build.spec.schedule,
                "result": done,
            }
        )
        return
    when = f" ({build.spec.schedule} UTC)" if build.spec.schedule else ""
    click.echo(
        f"schedule of {build.spec.name}{when} on profile {provider.profile.name}: "
        f"{_DONE.get(done, done)}"
    )


@command.command("list")
@options.profile
@options.as_json
def list_(profile: str | None, as_json: bool) -> None:
    """List the schedules; an orphan's pipeline is gone, or says none any more."""
    import dataclasses

    from waterflow.cli import output

    entries = _here(profile).list()
    if as_json:
        output.print_json([dataclasses.asdict(one) for one in entries])
        return
    if not entries:
        click.echo("There are no schedules. Make one: waterflow schedule apply TARGET", err=True)
        return
    output.table(
        ("schedule", "pipeline", "when", "state", "next", "orphan"),
        [
            (
                one.name,
                one.pipeline,
                one.expression,
                one.state,
                output.show_time(one.next),
                "yes" if one.orphan else "",
            )
            for one in entries
        ],
    )
    for one in entries:
        if one.orphan:
            click.echo(
                f"note: nothing stands behind {one.name} any more. Delete it: "
                f"waterflow schedule delete {one.name}",
                err=True,
            )


@command.command("delete")
@click.argument("name", metavar="NAME")
@options.profile
@options.as_json
def delete(name: str, profile: str | None, as_json: bool) -> None:
    """Delete the schedule NAME; its pipeline stays."""
    _do(name, "deleted", _here(profile).delete, as_json)


@command.command("pause")
@click.argument("name", metavar="NAME")
@options.profile
@options.as_json
def pause(name: str, profile: str | None, as_json: bool) -> None:
    """Let the schedule NAME start no runs until it is resumed."""
    _do(name, "paused", _here(profile).pause, as_json)


@command.command("resume")
@click.argument("name", metavar="NAME")
@options.profile
@options.as_json
def resume(name: str, profile: str | None, as_json: bool) -> None:
    """Let the paused schedule NAME start runs again."""
    _do(name, "enabled", _here(profile).resume, as_json)


def _here(profile: str | None) -> Schedules:
    from waterflow.cli.project import open_here

    return open_here(profile).schedules()


def _do(name: str, state: str, act: Callable[[str], None], as_json: bool) -> None:
    from waterflow.cli.output import print_json

    act(name)
    if as_json:
        print_json({"name": name, "state": state})
    else:
        click.echo(f"{name} {state}")
