"""The project that a verb without a TARGET speaks of: the one around the working folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from waterflow.provider import Provider
    from waterflow.provider.state import RunState


def here() -> Path:
    """Return the root of the project around the working folder."""
    from waterflow.project import find_root

    return find_root(Path.cwd())


def open_here(profile: str | None) -> Provider:
    """Return the provider of a profile of this project.

    Raises:
        ConfigurationError: There is no such profile or provider.
    """
    from waterflow.provider.discovery import open_provider

    return open_provider(here(), profile)


def latest(provider: Provider) -> RunState:
    """Return the newest run.

    Raises:
        NotFoundError: There is none yet.
    """
    from waterflow.errors import UnknownNameError

    for state in provider.runs():
        return provider.status(state.run)  # which tells more of a run than a list does
    raise UnknownNameError(
        f"There are no runs yet in {provider.root}. Start one: waterflow run TARGET",
        provider=provider.name,
        operation="list runs",
    )


def next_command(root: Path, *words: str) -> str:
    """Return a command as it is to be typed from the working folder, with the profile asked for.

    Args:
        root: The project that it speaks of: the command goes there where that is another's folder.
        words: The command; none of them is a path.
    """
    context = click.get_current_context(silent=True)
    profile = context.params.get("profile") if context else None
    command = shlex.join([*words, *(["--profile", profile] if profile else [])])
    return command if here() == root else f"(cd {shlex.quote(str(root))} && {command})"
