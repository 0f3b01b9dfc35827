"""`waterflow graph`: draw a pipeline."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("graph")
@options.target
@options.parameters
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "mermaid", "svg"]),
    default="terminal",
    show_default=True,
)
@options.output
@options.as_json
def command(
    target: str, parameters: tuple[str, ...], form: str, output: str | None, as_json: bool
) -> None:
    """Draw the pipeline in TARGET: in the terminal, as Mermaid text or as an SVG picture."""
    from waterflow import graph
    from waterflow.cli.output import json_text, write
    from waterflow.cli.targets import load
    from waterflow.spec.references import upstream

    spec = load(target).call(parameters).spec
    if as_json:
        edges = [[one, step.name] for step in spec.steps for one in sorted(upstream(spec, step))]
        steps = [step.name for step in spec.steps]
        write(json_text({"pipeline": spec.name, "steps": steps, "edges": edges}), output)
        return
    draw = {"terminal": graph.to_terminal, "mermaid": graph.to_mermaid, "svg": graph.to_svg}[form]
    write(draw(spec), output)
