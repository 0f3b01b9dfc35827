"""`waterflow compile`: print what a pipeline becomes on a provider."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("compile")
@options.target
@options.parameters
@options.profile
@options.output
def command(
    target: str, parameters: tuple[str, ...], profile: str | None, output: str | None
) -> None:
    """Print the provider's own document for the pipeline in TARGET, as JSON."""
    from waterflow.cli.output import json_text, write
    from waterflow.cli.targets import load
    from waterflow.runs.submit import compile_call

    source = load(target)
    _, _, document = compile_call(source.call(parameters), source.root, profile)
    write(json_text(document.content), output)
