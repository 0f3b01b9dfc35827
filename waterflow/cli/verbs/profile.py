"""`waterflow profile`: list, show and import provider settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from waterflow.project.profile import Profile


@click.group("profile")
def command() -> None:
    """List, show and import profiles: named provider settings in waterflow.toml."""


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the profiles of this project."""
    from waterflow.cli import output
    from waterflow.cli.project import here
    from waterflow.project.profile import list_profiles, load

    root = here()
    profiles, default = list_profiles(root), load(root).name
    if as_json:
        output.print_json([_document(one) | {"default": one.name == default} for one in profiles])
        return
    output.table(
        ("profile", "provider", "default", "from"),
        [
            (one.name, one.provider, "yes" if one.name == default else "", one.source)
            for one in profiles
        ],
    )


@command.command("show")
@click.argument("name", required=False)
@options.as_json
def show(name: str | None, as_json: bool) -> None:
    """Show a profile with the environment's overrides; by default the one in force."""
    from waterflow.cli import output
    from waterflow.cli.project import here
    from waterflow.project.profile import load
    from waterflow.provider.discovery import provider

    root = here()
    chosen = load(root, name)
    provider(chosen.provider)(root, chosen).check_settings()
    if as_json:
        output.print_json(_document(chosen))
        return
    rows = [
        ("profile", chosen.name),
        ("provider", chosen.provider),
        ("from", chosen.source),
        ("tracking uri", chosen.tracking_uri or "(Waterflow's own)"),
        ("experiment", chosen.experiment or "(the pipeline's name)"),
        *((key, str(value)) for key, value in sorted(chosen.settings.items())),
    ]
    for line in output.aligned(rows):
        click.echo(line)


@command.command("import")
@click.argument(
    "source", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--name", metavar="NAME", help="A name in place of the exported one.")
@options.as_json
def import_(source: str, name: str | None, as_json: bool) -> None:
    """Write a profile that a stack exported (FILE, or - for standard input) into waterflow.toml.

    \b
    pulumi stack output profile --json | waterflow profile import -
    """  # noqa: D301 - click's mark for lines to keep
    from waterflow.cli.output import print_json
    from waterflow.cli.project import here
    from waterflow.errors import ConfigurationError
    from waterflow.project.profile import import_profile

    origin = "Standard input" if source == "-" else source
    content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{origin} is no text in UTF-8: {error.reason} at byte {error.start}. Export it again: "
            "pulumi stack output profile --json"
        ) from None
    path = import_profile(here(), text, name)
    if as_json:
        print_json({"file": str(path)})
    else:
        click.echo(f"Written to {path}. Look at it: waterflow profile list")


def _document(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "provider": profile.provider,
        "settings": profile.settings,
        "tracking": {"uri": profile.tracking_uri, "experiment": profile.experiment},
        "source": profile.source,
    }
