"""`waterflow cache`: show, clear and prune cached results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.provider import Provider


@click.group("cache")
def command() -> None:
    """Show, clear and prune cached results and artifacts."""


@command.command("info")
@options.profile
@options.as_json
def info(profile: str | None, as_json: bool) -> None:
    """Show how much the cache holds, and of which steps."""
    from dataclasses import asdict

    from waterflow.cli.output import print_json, show_count, table
    from waterflow.cli.project import open_here
    from waterflow.spec.quantities import show_size

    size = open_here(profile).cache_size()
    if as_json:
        print_json(
            {
                "place": size.place,
                "results": size.results,
                "artifacts": size.artifacts,
                "size": size.size,
                "steps": [asdict(one) for one in size.steps],
            }
        )
        return
    click.echo(
        f"{size.place}: {show_count(size.results, 'cached result')}, "
        f"{show_count(size.artifacts, 'artifact')}, "
        f"{show_size(size.size)}"
    )
    if size.steps:
        table(
            ("pipeline", "step", "results", "size"),
            [
                (one.pipeline or "?", one.step, str(one.results), show_size(one.size))
                for one in size.steps
            ],
        )


@command.command("clear")
@click.option("--older-than", metavar="TIME", help="Only results older than this, such as 7d.")
@click.option("--pipeline", metavar="NAME", help="Only results that runs of this pipeline made.")
@click.option("--step", metavar="STEP", help="Only results of this step.")
@options.profile
@options.as_json
def clear(
    older_than: str | None,
    pipeline: str | None,
    step: str | None,
    profile: str | None,
    as_json: bool,
) -> None:
    """Forget cached results, so that steps run again; what runs still name stays."""
    from waterflow.cli.project import open_here
    from waterflow.language.resources import parse_duration

    age = 0.0 if older_than is None else parse_duration(older_than, "--older-than")
    provider = open_here(profile)
    _need_names(provider, pipeline, step)
    _tell(provider.clear_cache(age, pipeline=pipeline, step=step), as_json)


@command.command("prune")
@options.profile
@options.as_json
def prune(profile: str | None, as_json: bool) -> None:
    """Remove artifacts that no run and no cached result names."""
    from waterflow.cli.project import open_here

    _tell(open_here(profile).clear_cache(None), as_json)


def _need_names(provider: Provider, pipeline: str | None, step: str | None) -> None:
    """Refuse a pipeline or a step of which nothing is cached: a slip would clear nothing.

    Raises:
        UnknownNameError: There is no result of it.
    """
    from waterflow.errors import UnknownNameError

    if pipeline is None and step is None:
        return
    held = provider.cache_size().steps
    of_pipeline = [one for one in held if pipeline in (None, one.pipeline)]
    for what, name, known in (
        ("pipeline", pipeline, {one.pipeline for one in held}),
        ("step", step, {one.step for one in of_pipeline}),
    ):
        if name is not None and name not in known:
            raise UnknownNameError(
                f"There is no cached result of {what} '{name}'. Look at what there is: "
                "waterflow cache info",
                name=name,
                known=known,
                provider=provider.name,
                operation="clear cache",
            )


def _tell(counts: tuple[int, int], as_json: bool) -> None:
    from waterflow.cli.output import print_json, show_count

    forgotten, removed = counts
    if as_json:
        print_json({"forgotten": forgotten, "removed": removed})
    else:
        results, artifacts = show_count(forgotten, "result"), show_count(removed, "artifact")
        click.echo(f"{results} forgotten, {artifacts} removed")
