"""The group of verbs: loads a verb when it is called, turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from waterflow.cli import ending
from waterflow.cli.ending import CANCELLED
from waterflow.errors import SeveralErrors, WaterflowError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from click.shell_completion import CompletionItem

INTERNAL: Final = 70
"""Exit code of an error that nobody foresaw."""
_JSON: Final = "waterflow.json"
"""What a context remembers where the command line asks for JSON."""
CLOSED: Final = 141
"""Exit code when nobody reads on: the one that a shell gives a program that SIGPIPE ended."""

VERBS: Final = {
    "init": "Make a project that runs.",
    "run": "Run a pipeline and watch it.",
    "submit": "Start a run and return at once.",
    "runs": "List the runs, newest first.",
    "status": "Show a run and its steps.",
    "report": "Write a run as one page to look at.",
    "logs": "Print what a run's steps have written.",
    "cancel": "Stop a run.",
    "diff": "Show what differs between two runs.",
    "artifacts": "List or fetch what a run has made.",
    "code": "Bring back the code of a run.",
    "validate": "Check a pipeline without running it.",
    "graph": "Draw a pipeline.",
    "compile": "Print what a pipeline becomes on a provider.",
    "plan": "Show jobs, machines, prices and changes before a run.",
    "schedule": "Let a provider start a pipeline by its schedule.",
    "profile": "List, show and import provider settings.",
    "emulate": "Run a cloud's service on this machine.",
    "doctor": "Check this machine and this project.",
    "schema": "Print the JSON Schema of a document.",
    "ui": "Open the MLflow UI on the store in use.",
    "sync": "Send to MLflow what it has not got yet.",
    "warm": "Show or stop the helper that keeps libraries imported.",
    "cache": "Show, clear and prune cached results.",
    "completion": "Print the script for shell completion.",
}
"""Verb -> its line in the help: written here so that help imports no verb."""


class LazyGroup(click.Group):
    """The verbs, each in `waterflow.cli.verbs.NAME` as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        """Return the verbs in the order of their use."""
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's form
        cmd_name: str,
    ) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"waterflow.cli.verbs.{cmd_name}")
        command: click.Command = module.command
        command.short_help = VERBS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may be meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(VERBS)}."
            ctx.fail(f"No such command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's form
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of verbs without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a verb without importing one."""
        from click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(name, help=text)
            for name, text in VERBS.items()
            if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; where it asks for JSON, what is wrong with it is JSON too."""
        from click.shell_completion import add_completion_class

        from waterflow.cli.completions import Bash

        add_completion_class(Bash)
        words = list(sys.argv[1:] if args is None else args)
        ending.bear_any_text()
        if not standalone_mode or not ending.wants_json(words):
            return super().main(words, prog_name, complete_var, standalone_mode, **extra)
        try:
            code = super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            kind, message = type(error).__name__, error.format_message()
            ending.tell_json(ending.document(kind, message, error.exit_code))
            code = error.exit_code
        except click.Abort:
            ending.tell_json(ending.document("Cancelled", "Cancelled.", CANCELLED))
            code = CANCELLED
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the command line; what `--help` and `--version` say is written here."""
        as_json = ending.wants_json(args)
        with _reader_may_go():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_JSON] = as_json
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error ends it with one message and the documented exit code."""
        try:
            with _reader_may_go():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            if ctx.meta[_JSON]:
                ending.tell_json(ending.document("Cancelled", "Cancelled.", CANCELLED))
            else:
                click.echo("\nCancelled.", err=True)
            ctx.exit(CANCELLED)
        except WaterflowError as error:
            _fail(ctx, error, str(error), error.exit_code)
        except Exception as error:  # noqa: BLE001 - the last place that can say it in one line
            fault = ending.storage_fault(error)
            if fault is not None:
                _fail(ctx, fault, str(fault), fault.exit_code)
            kind = type(error).__name__
            _fail(
                ctx,
                error,
                f"Waterflow failed on its own account: {kind}: {error}\n"
                "This is a bug. For the traceback, put --debug before the verb "
                "(or set WATERFLOW_DEBUG=1).",
                INTERNAL,
            )


@contextlib.contextmanager
def _reader_may_go() -> Generator[None]:
    """End quietly when nobody reads what is written any more, as after `| head`."""
    try:
        yield
    except BrokenPipeError:
        ending.reader_gone()
        raise click.exceptions.Exit(CLOSED) from None


def _fail(ctx: click.Context, error: Exception, message: str, code: int) -> NoReturn:
    if ctx.meta.get("waterflow.debug"):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    if ctx.meta[_JSON]:
        ending.tell_json(ending.of_error(error, message, code))
    elif isinstance(error, SeveralErrors):
        for one in error.errors:
            ending.tell(str(one))
    else:
        ending.tell(message)
    ctx.exit(code)
