"""The command line: `waterflow VERB`, one file per verb, each imported when it is asked for."""

from __future__ import annotations

import gc
import sys

import click

from waterflow.cli.group import LazyGroup
from waterflow.cli.warmed import hand_over

EPILOG = """\
\b
Exit codes:
    0  done
    1  the run failed
    2  what was written is wrong: the command line, a pipeline, a parameter, a name
    3  the set-up is wrong: a profile, the project, a missing library, a full disk
    4  the provider refused or failed
    5  MLflow could not be reached
   70  an error of Waterflow's own
  130  cancelled
  141  standard output was closed early, as `head` does

\b
Shell completion: waterflow completion --help
"""


def _version(context: click.Context, _option: click.Parameter, show: bool) -> None:
    if show:
        from importlib.metadata import version

        click.echo(f"waterflow {version('waterflow')}")
        context.exit()


@click.group(
    "waterflow",
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
@click.option(
    "--debug",
    is_flag=True,
    envvar="WATERFLOW_DEBUG",
    help="Show the traceback of every error (also: WATERFLOW_DEBUG=1).",
)
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """ML pipelines in plain Python: on this machine, or as managed jobs of a cloud."""
    context.meta["waterflow.debug"] = debug


_NEW_OBJECTS = 50_000
"""How many objects are made between two looks for garbage: imports make few that are any."""


def main() -> None:
    """Run the command line, in a process that ends with it."""
    gc.set_threshold(_NEW_OBJECTS)
    code = hand_over(sys.argv)
    if code is not None:
        sys.exit(code)
    try:
        cli(prog_name="waterflow")
    finally:
        # All memory goes with the process, and to look it through takes a fifth of MLflow's import.
        # What steps have left open within this process, Python closes as it always does.
        if "waterflow.runtime.execute" not in sys.modules:
            gc.freeze()
