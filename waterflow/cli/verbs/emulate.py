"""`waterflow emulate`: a cloud's service on this machine, for one command or until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from waterflow.cli import options
from waterflow.provider.emulators import FAULTS, PASSING

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from waterflow.project.profile import Profile
    from waterflow.provider.emulators import Emulator, Image

_LOOK: Final = 0.2
_GRACE: Final = 10.0
"""Seconds that the command has to end when we are told to."""
_NOT_FOUND: Final = 127


def _names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    with contextlib.suppress(Exception):
        from waterflow.provider.emulators import emulators

        return [name for name in emulators() if name.startswith(incomplete)]
    return []


def _profiles(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    with contextlib.suppress(Exception):
        return [
            one.name
            for one in _to_prepare(ctx.params["name"], None)
            if one.name.startswith(incomplete)
        ]
    return []


def _faults_help() -> str:
    width = max(len(name) for name in FAULTS)
    return "\n".join(f"  {name.ljust(width)}  {text}" for name, text in FAULTS.items())


class _Command(click.Command):
    """Names the emulators that are installed where its help is asked for, and not before."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from waterflow.provider.emulators import emulators

        super().format_help_text(ctx, formatter)
        with formatter.indentation():
            formatter.write_paragraph()
            formatter.write_text(f"Emulators: {', '.join(emulators())}.")


@click.command(
    "emulate",
    cls=_Command,
    context_settings={"ignore_unknown_options": False},
    epilog=(
        "\b\nFaults, separated by commas; one of requests may name an operation or a service\n"
        "(throttle:CreateProcessingJob=0.5, lost:s3=0.1; throttle:jobs.create=0.5):\n"
        f"{_faults_help()}"
    ),
)
@click.argument("name", metavar="EMULATOR", shell_complete=_names)
@click.argument("command_line", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the state in this folder; without it, nothing is kept.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SPEC",
    help="What is to go wrong: throttle=0.2,spot=1,seed=7. See below.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="NAME=DIR[:COMMAND]",
    help="The environment that stands for a container image, and what runs in it for jobs that "
    "name no program; by default the one that this runs in. May be given several times.",
)
@click.option(
    "--share",
    "shared",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that jobs may change; what they write elsewhere is thrown away.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="HOST",
    help="Another host that programs may reach, such as a package index: --allow pypi.org "
    "--allow files.pythonhosted.org; or a port of this machine that jobs may: --allow "
    "localhost:5432. All but the cloud's own are refused.",
)
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=_profiles,
    help="Make what this profile names, such as its bucket; by default, what all "
    "profiles of this project's name that are for this service.",
)
@options.as_json
def command(
    name: str,
    command_line: tuple[str, ...],
    state: Path | None,
    faults: tuple[str, ...],
    images: tuple[str, ...],
    shared: tuple[Path, ...],
    allowed: tuple[str, ...],
    profile: str | None,
    as_json: bool,
) -> None:
    """Run a cloud's service on this machine, with real jobs.

    With a COMMAND, run it so that unmodified SDKs find the emulator, and end with it. Without
    one, print the variables that do that, and stay until Ctrl-C.
    """
    from waterflow.provider.emulators import emulator

    instance = emulator(name)(
        images=_images(images),
        faults=",".join(faults) or None,
        state=state,
        profiles=_to_prepare(name, profile),
        shared=shared,
        allowed=allowed,
    )
    with _interrupted_by_sigterm() as signals, instance as running:
        for line in running.prepared:
            click.echo(line, err=True)
        if command_line:
            code = _run(command_line, running, signals)
        else:
            with contextlib.suppress(KeyboardInterrupt):  # whoever has read the end may send it
                _show(name, running, as_json)
                _stay(name, running)
            code = 0
        if not running.ended():
            _tell_refused(running)
    click.get_current_context().exit(code)


def _to_prepare(name: str, profile_name: str | None) -> list[Profile]:
    """Return the profiles that are to find in an emulator what they name.

    Raises:
        ConfigurationError: The one that was asked for is not there, or is of another provider.
    """
    from waterflow.cli.project import here
    from waterflow.errors import ConfigurationError
    from waterflow.project.profile import list_profiles, load

    root = here()
    if profile_name is None:
        try:
            # Loaded one by one, as variables may stand for settings.
            return [load(root, one.name) for one in list_profiles(root) if one.provider == name]
        except ConfigurationError as error:
            click.echo(f"Nothing is made for the profiles here: {error}", err=True)
            return []
    profile = load(root, profile_name)
    if profile.provider != name:
        raise ConfigurationError(
            f"Profile '{profile_name}' is of provider '{profile.provider}', and this is an "
            f"emulator of '{name}'. Next: waterflow profile list"
        )
    return [profile]


def _tell_refused(running: Emulator) -> None:
    """Say which hosts were not let through."""
    refused = running.refused()
    if refused:
        counted = ", ".join(f"{host} ({count}x)" for host, count in refused.items())
        allow = " ".join(f"--allow {host}" for host in refused)
        click.echo(
            f"Refused, as they are not the cloud's: {counted}. To let them through: {allow}",
            err=True,
        )


def _images(images: tuple[str, ...]) -> dict[str, Path | Image]:
    import shlex

    from waterflow.errors import ConfigurationError
    from waterflow.provider.emulators import Image

    environments: dict[str, Path | Image] = {}
    for text in images:
        # An image's name has no equals sign, and a folder of PATH no colon.
        image, _, place = text.partition("=")
        folder, _, line = place.partition(":")
        try:
            program = tuple(shlex.split(line))
        except ValueError as error:
            raise ConfigurationError(
                f"--image {text}: the command {line!r} cannot be read: {error}. Write it as for a "
                "shell: --image NAME=DIR:COMMAND"
            ) from None
        if not image or not folder:
            raise ConfigurationError(
                f"--image {text}: write the image and a folder: --image NAME=DIR"
            )
        environments[image] = Image(Path(folder), program)
    return environments


def _show(name: str, running: Emulator, as_json: bool) -> None:
    """Print the environment."""
    import shlex

    from waterflow.cli import output

    environment = running.environment
    if as_json:
        document: dict[str, Any] = {
            "emulator": name,
            "endpoint": running.endpoint,
            "isolation": running.isolation,
            "environment": environment,
            "unset": list(running.unset),
        }
        output.print_json(document)
    else:
        click.echo(f"# {name} answers at {running.endpoint}; Ctrl-C ends it")
        click.echo(f"# Jobs: {running.isolation}")
        for variable, value in environment.items():
            click.echo(f"export {variable}={shlex.quote(value)}")
        click.echo(f"unset {' '.join(running.unset)}")


def _stay(name: str, running: Emulator) -> None:
    from waterflow.errors import ProviderError

    while (ended := running.ended()) is None:
        time.sleep(_LOOK)
    raise ProviderError(
        f"The emulator '{name}' has ended by itself: {ended}",
        provider=name,
        operation="emulate",
    )


def _run(command_line: tuple[str, ...], running: Emulator, signals: list[int]) -> int:
    """Run a command in the emulator's environment, and return its exit code."""
    import sys

    from waterflow.errors import ConfigurationError

    kept = {key: value for key, value in os.environ.items() if key not in running.unset}
    click.echo(f"Jobs: {running.isolation}", err=True)
    try:
        own = {PASSING: "1"}
        process = subprocess.Popen(command_line, env=kept | running.environment | own)
    except OSError as error:
        raise ConfigurationError(
            f"{command_line[0]} cannot be run: {error.strerror}. Check what follows --"
        ) from None
    while True:
        try:
            code = process.wait()
            return 128 - code if code < 0 else code
        except KeyboardInterrupt:
            if signals:
                _end(process)
            elif not sys.stdin.isatty():
                process.send_signal(signal.SIGINT)
            # Else the terminal has told the command as well: what it does is its own affair.


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(_GRACE)
        return
    process.kill()


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Generator[list[int]]:
    """Let SIGTERM end everything as Ctrl-C does; the signals that came tell one from the other."""
    signals: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)
