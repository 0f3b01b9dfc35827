"""The pages for users say nothing that is not so: commands and their options are there."""

import re
from pathlib import Path

import click
import pytest

from waterflow.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("README.md", "CHANGELOG.md", "docs/*.md", "infra/*.md", "infra/*/README.md")
    for page in ROOT.glob(pattern)
)
BLOCK = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+(?:\n[^`\n]+)?)`", re.DOTALL)
COMMAND = re.compile(r"(?<!import )(?<![\w./-])waterflow +([a-z][a-z-]*)([^\n|;&#]*)")
OPTION = re.compile(r"(?<=\s)--?[a-z][a-z-]*")
EVERYWHERE = {"--help", "-h", "--json"}


def commands(text):
    """Yield each command that a page shows: its verb, and what follows up to another program."""
    for block in BLOCK.findall(text):
        for verb, rest in COMMAND.findall("\n".join(block)):
            yield verb, rest.split(" -- ")[0]


def wrong(verb, rest):
    """Return what of a command is not there; None where all is."""
    command = cli.get_command(click.Context(cli), verb)
    if command is None:
        return f"waterflow {verb}"
    words = rest.split()
    if isinstance(command, click.Group) and words and words[0].isalpha():
        verb = f"{verb} {words[0]}"
        command = command.get_command(click.Context(command), words[0])
        if command is None:
            return f"waterflow {verb}"
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    missing = sorted(set(OPTION.findall(rest)) - known - EVERYWHERE)
    return f"waterflow {verb} {' '.join(missing)}" if missing else None


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_are_there(page):
    shown = list(commands((ROOT / page).read_text(encoding="utf-8")))
    assert [one for one in (wrong(*command) for command in shown) if one] == []


def test_what_is_not_there_is_seen():
    every = [one for page in PAGES for one in commands((ROOT / page).read_text(encoding="utf-8"))]
    assert len(every) > 200, "the pages show commands"
    page = "`waterflow resume RUN`, ```\nwaterflow run TARGET --again\nwaterflow cache rinse\n```"
    assert [wrong(*command) for command in commands(page)] == [
        "waterflow resume", "waterflow run --again", "waterflow cache rinse",
    ]  # fmt: skip
