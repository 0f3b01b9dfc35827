"""What a shell offers for a word that is being typed: profiles, runs, steps, parameters..."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from click.shell_completion import BashComplete, CompletionItem
from click.shell_completion import split_arg_string as words_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    import click

    from waterflow.cli.targets import Target
    from waterflow.provider.state import RunState

MOST: Final = 50
"""Run ids offered."""


def profiles(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the project's profiles."""
    with _quietly():
        from waterflow.cli.project import here
        from waterflow.project.profile import list_profiles

        return _begun((one.name for one in list_profiles(here())), incomplete)
    return []


def run_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the ids of the newest runs."""
    with _quietly():
        from itertools import islice

        from waterflow.cli.project import open_here

        states = islice(open_here(ctx.params.get("profile")).runs(), MOST)
        return _begun((state.run for state in states), incomplete)
    return []


def steps(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the steps of RUN, or of the latest run."""
    with _quietly():
        return _begun(_state(ctx).steps, incomplete)
    return []


def artifacts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the artifacts of RUN, or of the latest run: steps, and each of their outputs."""
    with _quietly():
        from waterflow.cli.project import open_here

        known = open_here(ctx.params.get("profile")).artifacts(_state(ctx).run)
        names = (name for one in known for name in (one.step, f"{one.step}.{one.output}"))
        return _begun(dict.fromkeys(names), incomplete)
    return []


def parameters(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer `name=` of each parameter of the pipeline in TARGET, and the values it may have."""
    with _quietly():
        from waterflow.cli.targets import load

        declared = load(_argument(ctx, "target") or ".").parameters()
        name, equals, _ = incomplete.partition("=")
        if not equals:
            taken = {text.partition("=")[0] for text in ctx.params.get("parameters") or ()}
            return _begun((f"{one}=" for one in declared if one not in taken), incomplete)
        if name in declared:
            one = declared[name]
            values = one.choices or ((True, False) if one.type == "boolean" else (one.default,))
            texts = (_text(value) for value in values if value is not None)
            return _begun((f"{name}={text}" for text in texts), incomplete)
    return []


def targets(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer files; after a colon the pipelines that a file holds."""
    file, colon, _ = incomplete.rpartition(":")
    if not colon:
        return [CompletionItem(incomplete, type="file")]
    with _quietly():
        names = (f"{file}:{one.pipeline.name}" for one in _pipelines(file))
        return [CompletionItem(name) for name in _begun(names, incomplete)]
    return []


def _pipelines(file: str) -> list[Target]:
    from waterflow.cli.targets import load_all
    from waterflow.errors import Gathering

    return load_all(file, Gathering())


def _state(ctx: click.Context) -> RunState:
    from waterflow.cli.project import latest, open_here

    provider = open_here(ctx.params.get("profile"))
    run = _argument(ctx, "run")
    return provider.status(run) if run else latest(provider)


def _argument(ctx: click.Context, name: str) -> str | None:
    """Return an argument of the command line.

    An option that has no value yet ends click's reading: then it is still among what is left.
    """
    value: str | None = ctx.params.get(name)
    return value or next(iter(ctx.args), None)


def _text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _begun(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    """Offer nothing where something is wrong, and let no word of the user's code onto the line."""
    with (
        open(os.devnull, "w") as nowhere,  # noqa: PTH123 - it is no path of a project's
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        contextlib.suppress(Exception),
    ):
        yield


class Bash(BashComplete):
    """Bash, which takes a word apart at `:` and `=` and replaces what follows them alone."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) COMPREPLY=(); compopt -o dirnames ;;
            file) COMPREPLY=(); compopt -o default ;;
            plain) COMPREPLY+=("$value"); [[ $value != *= ]] || compopt -o nospace ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is being typed, and that one as far as it goes."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        line = line[: int(os.environ.get("COMP_POINT", len(line)))]
        words = words_of(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return what may stand here, without what Bash has taken off the word's beginning."""
        items: list[CompletionItem[str]] = super().get_completions(args, incomplete)
        breaks = [sign for sign in ":=" if sign in os.environ.get("COMP_WORDBREAKS", "")]
        kept = max((incomplete.rfind(sign) + 1 for sign in breaks), default=0)
        for item in items:
            if item.type == "plain":
                item.value = item.value[kept:]
        return items
