"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from waterflow.cli import completions

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def target(function: F) -> F:
    """Add the argument TARGET."""
    return click.argument("target", metavar="TARGET", shell_complete=completions.targets)(function)


def parameters(function: F) -> F:
    """Add `-p name=value`."""
    return click.option(
        "-p",
        "--param",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=completions.parameters,
        help="A parameter of the pipeline; may be given several times.",
    )(function)


def profile(function: F) -> F:
    """Add `--profile`."""
    return click.option(
        "--profile",
        metavar="NAME",
        shell_complete=completions.profiles,
        help="The profile to use; by default the project's own.",
    )(function)


def as_json(function: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(function)


def submission(function: F) -> F:
    """Add the ways in which a run may start: `--no-cache`, `--resume` and others."""
    for option in (
        click.option(
            "--run-id", metavar="ID", help="An id of your own; the same id gives one run."
        ),
        click.option(
            "--resume",
            metavar="RUN",
            shell_complete=completions.run_ids,
            help="Go on from this failed run: finished steps stand.",
        ),
        click.option(
            "--keep-going",
            is_flag=True,
            help="After a failure, run what needs nothing of the failed step, or refuse to start.",
        ),
        click.option(
            "--no-cache", is_flag=True, help="Run every step, whatever earlier runs have made."
        ),
    ):
        function = option(function)
    return function


def run(*, required: bool) -> Callable[[F], F]:
    """Add the argument RUN."""
    metavar = "RUN" if required else "[RUN]"
    return click.argument(
        "run", metavar=metavar, required=required, shell_complete=completions.run_ids
    )


def output(function: F) -> F:
    """Add `-o FILE`."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, writable=True),
        metavar="FILE",
        help="Write to a file.",
    )(function)
