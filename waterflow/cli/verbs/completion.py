"""`waterflow completion`: print the script for shell completion."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes verbs, options and names of the project in SHELL.

    \b
    bash  waterflow completion bash > ~/.local/share/bash-completion/completions/waterflow
    zsh   waterflow completion zsh > a folder in $fpath, as _waterflow
    fish  waterflow completion fish > ~/.config/fish/completions/waterflow.fish
    """  # noqa: D301 - click's mark for lines to keep
    from click.shell_completion import get_completion_class

    from waterflow.cli import cli

    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(script(cli, {}, "waterflow", "_WATERFLOW_COMPLETE").source())
