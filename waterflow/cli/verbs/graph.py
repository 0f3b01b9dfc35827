"""`waterflow graph`: draw a pipeline, or a run of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from waterflow import spec
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState


@click.command("graph")
@click.argument(
    "target", metavar="[TARGET|RUN]", required=False, shell_complete=completions.targets
)
@options.parameters
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "mermaid", "svg"]),
    default="terminal",
    show_default=True,
)
@options.output
@options.profile
@options.as_json
def command(
    target: str | None,
    parameters: tuple[str, ...],
    form: str,
    output: str | None,
    profile: str | None,
    as_json: bool,
) -> None:
    """Draw the pipeline in TARGET: in the terminal, as Mermaid text or as an SVG picture.

    Of a RUN, by default the latest, with the states and the times of its steps.
    """
    import time

    from waterflow import graph
    from waterflow.cli.output import json_text, write
    from waterflow.cli.targets import load
    from waterflow.report import marks
    from waterflow.spec.references import upstream

    run = _run(target, profile, parameters)
    known: dict[str, graph.Mark] | None = None
    if run is None:
        assert target is not None  # noqa: S101 - without one it is a run
        spec = load(target).call(parameters).spec
    else:
        spec, state = run
        known = marks(state.steps.values(), int(time.time() * 1000))
    if as_json:
        edges = [[one, step.name] for step in spec.steps for one in sorted(upstream(spec, step))]
        steps = [step.name for step in spec.steps]
        groups = [
            {
                "name": group.name,
                "pipeline": group.pipeline,
                "within": group.within,
                "steps": [step.name for step in spec.steps if step.group == group.name],
            }
            for group in spec.groups or ()
        ]
        document: dict[str, Any] = {
            "pipeline": spec.name,
            "steps": steps,
            "edges": edges,
            "groups": groups,
        }
        if run is not None:
            states = {name: str(step.status) for name, step in run[1].steps.items()}
            document |= {"run": run[1].run, "states": states}
        write(json_text(document), output)
        return
    draw = {"terminal": graph.to_terminal, "mermaid": graph.to_mermaid, "svg": graph.to_svg}[form]
    write(draw(spec, known), output)


def _run(
    target: str | None, profile: str | None, parameters: tuple[str, ...]
) -> tuple[spec.Pipeline, RunState] | None:
    """Return the spec and the state of the run that is meant; None where a pipeline is.

    Raises:
        ConfigurationError: Parameters of a run, or a run whose spec is not kept.
        NotFoundError: There is no run yet.
    """
    from pathlib import Path

    from waterflow.cli.project import latest, open_here
    from waterflow.errors import ConfigurationError, NotFoundError
    from waterflow.provider import RUN_ID

    if target is not None and (Path(target).exists() or not RUN_ID.fullmatch(target)):
        return None
    if target is not None and target.endswith((".py", ".yaml", ".yml")):
        return None
    provider: Provider = open_here(profile)
    try:
        state = latest(provider) if target is None else provider.status(target)
    except NotFoundError:
        if target is None:
            raise
        return None  # whatever it is: `load` says what could be meant
    pipeline = provider.run_spec(state.run)
    if pipeline is None:
        raise ConfigurationError(
            f"Provider '{provider.name}' keeps no graph of run '{state.run}'. Draw the pipeline "
            "itself: waterflow graph TARGET"
        )
    if parameters:
        raise ConfigurationError(
            f"Run '{state.run}' has its parameters. Leave -p out, or draw the pipeline: "
            "waterflow graph TARGET"
        )
    return pipeline, state
