"""`waterflow validate`: trace, check and compile a pipeline, starting nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.cli.targets import Target
    from waterflow.errors import WaterflowError
    from waterflow.language.pipeline import Call


@click.command("validate")
@options.target
@options.parameters
@options.profile
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    target: str,
    parameters: tuple[str, ...],
    profile: str | None,
    as_json: bool,
) -> None:
    """Check the pipeline in TARGET: definition, code, data, the provider's features and limits."""
    from waterflow.cli.output import print_json, show_count
    from waterflow.cli.targets import load

    source = load(target)
    call = source.call(parameters)
    problems = _problems(source, call, profile)
    name, count = call.spec.name, len(call.spec.steps)
    if as_json:
        print_json(
            {
                "valid": not problems,
                "pipeline": name,
                "steps": count,
                "parameters": sorted(call.spec.parameters),
                "problems": [
                    {"kind": type(problem).__name__, "message": str(problem)}
                    for problem in problems
                ],
            }
        )
    elif not problems:
        gates = show_count(len(call.spec.gates), "condition")
        click.echo(f"{name} is valid: {show_count(count, 'step')}, {gates}")
    for problem in problems:
        if not as_json:
            click.echo(f"{click.style('Error:', fg='red', bold=True)} {problem}", err=True)
    context.exit(problems[0].exit_code if problems else 0)


def _problems(target: Target, call: Call, profile: str | None) -> list[WaterflowError]:
    """Return all that stands in the way of a run; what hides behind another problem waits.

    A document cannot be made where the provider lacks a feature, so its limits are then not known.
    """
    from waterflow.errors import ConfigurationError, WaterflowError
    from waterflow.provider.capabilities import unsupported
    from waterflow.provider.discovery import open_provider
    from waterflow.runs.submit import assemble

    try:
        provider = open_provider(target.root, profile)
        problems: list[WaterflowError] = [
            *unsupported(call.spec, provider.name, provider.capabilities)
        ]
    except WaterflowError as error:
        return [error]
    try:
        build = assemble(call, target.root, provider.profile)
        if not problems:
            document = provider.compile(build)
            problems += map(ConfigurationError, provider.check(build, document))
    except WaterflowError as error:
        problems.append(error)
    return problems
