"""`waterflow init`: make a project that runs."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@options.as_json
def command(folder: str, as_json: bool) -> None:
    """Make a project in FOLDER (by default here) with a pipeline, a test and a waterflow.toml.

    Files that are there already are never overwritten.
    """
    import os
    from pathlib import Path

    from waterflow.cli.output import print_json
    from waterflow.cli.scaffold import scaffold

    root = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay as the user named them
    files = scaffold(root)
    if as_json:
        print_json({"root": str(root), "files": files})
        return
    for name in files:
        click.echo(f"made {name}")
    there = "" if root == Path.cwd() else f"cd {folder} && "
    click.echo(f"Next: {there}waterflow run pipelines/hello")
