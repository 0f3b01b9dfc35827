"""`waterflow code`: bring back the code of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.provider import Code


@click.command("code")
@options.run(required=True)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write it into this folder, which is made; default: RUN-code, here.",
)
@options.profile
@options.as_json
def command(run: str, folder: str | None, profile: str | None, as_json: bool) -> None:
    """Write the project's files that the steps of RUN were given into a folder.

    They are the very bytes that were shipped, whatever has become of the tree since. Nothing that
    is there already is overwritten.
    """
    from pathlib import Path

    from waterflow.cli.output import print_json, show_count
    from waterflow.cli.project import open_here

    code = open_here(profile).code(run)
    target = Path.cwd() / (folder or f"{run}-code")
    files = _write(code, target)
    if as_json:
        print_json(
            {
                "run": run,
                "folder": str(target),
                "files": files,
                "steps": dict(code.digests),
                "commit": code.commit,
                "dirty": code.dirty,
            }
        )
        return
    click.echo(f"{show_count(len(files), 'file')} of run {run} written to {target}")
    for name, digest in code.digests.items():
        click.echo(f"  {name}: {digest}")
    if code.commit is None:
        click.echo("  no commit: the project was in no repository, or git could not be asked")
    else:
        differs = ", and the tree differed from it" if code.dirty else ""
        click.echo(f"  commit {code.commit}{differs}")


def _write(code: Code, target: Path) -> list[str]:
    """Write the project's files into a folder, all or none; return their paths in it.

    Raises:
        ConfigurationError: The folder is there and not empty, or cannot be written.
    """
    import shutil
    import tempfile
    from pathlib import Path

    from waterflow.errors import ConfigurationError

    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigurationError(
            f"{target} is there already. Remove it, or choose another folder: --to DIR"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".waterflow-", dir=target.parent))
    try:
        (building / "code").mkdir()
        files: set[str] = set()
        for folder in code.folders.values():
            for file in sorted(folder.rglob("*")):
                path = file.relative_to(folder)
                if file.is_file() and not _is_ours(path):
                    goal = building / "code" / path
                    goal.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, goal)
                    goal.chmod(0o644 | file.stat().st_mode & 0o111)
                    files.add(path.as_posix())
        (building / "code").replace(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return sorted(files)


def _is_ours(path: Path) -> bool:
    """Say whether a file of a bundle is Waterflow's own, or was made by Python in it."""
    top = path.parts[0]
    distribution = top.startswith("waterflow-") and top.endswith(".dist-info")
    return top == "waterflow" or distribution or "__pycache__" in path.parts
