"""`waterflow artifacts`: list or fetch what a run has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from waterflow.cli import completions, options

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.provider import Artifact, Provider


@click.command("artifacts")
@options.run(required=False)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=completions.artifacts)
@click.option(
    "--download",
    "folder",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Copy them, verified, into DIR/STEP.OUTPUT.",
)
@options.profile
@options.as_json
def command(
    run: str | None, name: str | None, folder: str | None, profile: str | None, as_json: bool
) -> None:
    """List the artifacts of RUN, or only NAME: a step, or STEP.OUTPUT.

    By default of the latest run; one word that is no run is a NAME of it.
    """
    from pathlib import Path

    from waterflow.cli import output
    from waterflow.cli.project import open_here
    from waterflow.errors import UnknownNameError
    from waterflow.spec.quantities import show_size

    provider = open_here(profile)
    run, name, known = _listed(provider, run, name)
    chosen = [one for one in known if name in _names(one) or name is None]
    if name is not None and not chosen:
        there = [f"{one.step}.{one.output}" for one in known]
        raise UnknownNameError(
            f"Run '{run}' has no artifact '{name}'. It has: {', '.join(there) or 'none yet'}.",
            name=name,
            known=[*there, *(one.step for one in known)],
            provider=provider.name,
            operation="list artifacts",
        )
    copies = _download(provider, run, chosen, Path(folder)) if folder else {}
    if as_json:
        output.print_json(
            [
                {
                    "step": one.step,
                    "output": one.output,
                    "type": one.type,
                    "sha256": one.sha256,
                    "size": one.size,
                    "uri": one.uri,
                    "skipped": one.sha256 is None,
                    "path": str(copies[at]) if (at := (one.step, one.output)) in copies else None,
                }
                for one in chosen
            ]
        )
        return
    output.table(
        ("artifact", "type", "size", "sha256", "where"),
        [
            (
                f"{one.step}.{one.output}",
                one.type,
                "skipped" if one.sha256 is None else show_size(one.size),
                (one.sha256 or "")[:12],
                str(copies.get((one.step, one.output), one.uri)),
            )
            for one in chosen
        ],
    )


def _listed(
    provider: Provider, run: str | None, name: str | None
) -> tuple[str, str | None, list[Artifact]]:
    """Return the run that is meant, the name that is meant, and all artifacts of the run."""
    from waterflow.cli.project import latest
    from waterflow.errors import UnknownNameError

    if run is None:
        run = latest(provider).run
        return run, name, provider.artifacts(run)
    try:
        return run, name, provider.artifacts(run)
    except UnknownNameError:
        if name is not None:
            raise
        newest = next((state.run for state in provider.runs()), None)
        known = [] if newest is None else provider.artifacts(newest)
        if newest is None or not any(run in _names(one) for one in known):
            raise
        return newest, run, known


def _names(artifact: Artifact) -> tuple[str, str]:
    return artifact.step, f"{artifact.step}.{artifact.output}"


def _download(
    provider: Provider, run: str, chosen: list[Artifact], folder: Path
) -> dict[tuple[str, str], Path]:
    """Copy artifacts into a folder: each whole or not at all."""
    import shutil
    import tempfile
    from pathlib import Path

    from waterflow.errors import ConfigurationError

    copies: dict[tuple[str, str], Path] = {}
    for one in chosen:
        if one.sha256 is None:
            continue
        goal = folder / f"{one.step}.{one.output}"
        if goal.exists():
            raise ConfigurationError(
                f"{goal} is there already. Remove it, or choose another folder"
            )
        source = provider.download(run, one.step, one.output)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            building = Path(tempfile.mkdtemp(prefix=".waterflow-", dir=folder))
            try:
                shutil.copytree(source, building / "copy")
                (building / "copy").rename(goal)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        except OSError as error:
            raise ConfigurationError(
                f"{goal} cannot be written: {error.strerror}. Choose another folder"
            ) from None
        copies[one.step, one.output] = goal
    return copies
