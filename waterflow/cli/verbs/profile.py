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
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@options.as_json
def import_(source: str, name: str | None, dry_run: bool, as_json: bool) -> None:
    """Write a profile that a stack exported (FILE, or - for standard input) into waterflow.toml.

    Takes the output `profile` of a stack, or all outputs of it. What changes is shown.

    \b
    pulumi stack output profile --json | waterflow profile import -
    terraform output -json profile | waterflow profile import -
    """  # noqa: D301 - click's mark for lines to keep
    from waterflow.cli.output import print_json
    from waterflow.cli.project import here
    from waterflow.errors import ConfigurationError
    from waterflow.project.importing import import_profile
    from waterflow.provider.discovery import provider

    origin = "Standard input" if source == "-" else source
    content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{origin} is no text in UTF-8: {error.reason} at byte {error.start}. Export it again: "
            "pulumi stack output profile --json"
        ) from None
    root = here()
    change = import_profile(root, text, name)
    # Before anything is written: a profile that cannot be used would break every other command.
    provider(change.profile.provider)(root, change.profile).check_settings()
    if not dry_run:
        change.write()
    if as_json:
        print_json(
            {
                "file": str(change.path),
                "profile": change.profile.name,
                "changed": change.changed,
                "written": change.changed and not dry_run,
                "diff": change.diff,
            }
        )
        return
    if not change.changed:
        click.echo(f"Nothing changes: {change.path} says that already")
        return
    click.echo(change.diff)
    if dry_run:
        click.echo(f"Nothing is written (--dry-run); it would go to {change.path}")
    else:
        click.echo(
            f"Written to {change.path}. Next: waterflow doctor --profile {change.profile.name}"
        )


def _document(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "provider": profile.provider,
        "settings": profile.settings,
        "tracking": {"uri": profile.tracking_uri, "experiment": profile.experiment},
        "source": profile.source,
    }
