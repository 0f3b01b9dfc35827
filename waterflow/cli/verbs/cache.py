"""`waterflow cache`: show, clear and prune cached results."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.group("cache")
def command() -> None:
    """Show, clear and prune cached results and artifacts."""


@command.command("info")
@options.profile
@options.as_json
def info(profile: str | None, as_json: bool) -> None:
    """Show how much the cache holds."""
    from waterflow.cli.output import print_json, show_count
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
            }
        )
        return
    click.echo(
        f"{size.place}: {show_count(size.results, 'cached result')}, "
        f"{show_count(size.artifacts, 'artifact')}, "
        f"{show_size(size.size)}"
    )


@command.command("clear")
@click.option("--older-than", metavar="TIME", help="Only results older than this, such as 7d.")
@options.profile
@options.as_json
def clear(older_than: str | None, profile: str | None, as_json: bool) -> None:
    """Forget cached results, so that steps run again; what runs still name stays."""
    from waterflow.language.resources import parse_duration

    _clear(
        profile, 0.0 if older_than is None else parse_duration(older_than, "--older-than"), as_json
    )


@command.command("prune")
@options.profile
@options.as_json
def prune(profile: str | None, as_json: bool) -> None:
    """Remove artifacts that no run and no cached result names."""
    _clear(profile, None, as_json)


def _clear(profile: str | None, older_than: float | None, as_json: bool) -> None:
    from waterflow.cli.output import print_json, show_count
    from waterflow.cli.project import open_here

    forgotten, removed = open_here(profile).clear_cache(older_than)
    if as_json:
        print_json({"forgotten": forgotten, "removed": removed})
    else:
        results, artifacts = show_count(forgotten, "result"), show_count(removed, "artifact")
        click.echo(f"{results} forgotten, {artifacts} removed")
