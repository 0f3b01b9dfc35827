"""The help: what it says, and how little it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.cli.group import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result
    from syrupy.assertion import SnapshotAssertion

HEAVY = {
    "msgspec", "rich", "mlflow", "pandas", "numpy", "pyarrow", "sklearn", "skops", "yaml",
    "tomlkit", "asyncio", "urllib.request",
}  # fmt: skip

LOADED = """
import json, sys
from waterflow.cli import cli
try:
    cli({arguments!r}, prog_name="waterflow")
except SystemExit as end:
    assert end.code == 0, end.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(arguments: list[str], **environment: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("arguments", [["--help"], [], ["run", "--help"], ["completion", "zsh"]])
def test_help_and_completion_load_nothing_heavy(arguments: list[str]) -> None:
    if not arguments:
        modules = loaded(
            [], _WATERFLOW_COMPLETE="bash_complete", COMP_WORDS="waterflow r", COMP_CWORD="1"
        )
    else:
        modules = loaded(arguments)
    assert not HEAVY & modules
    verbs = {name for name in modules if name.startswith("waterflow.cli.verbs.")}
    expected = {f"waterflow.cli.verbs.{word}" for word in arguments if word in VERBS}
    assert verbs == expected


def test_the_help(invoke: Callable[..., Result], snapshot: SnapshotAssertion) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert result.stdout == snapshot


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(verb: str, invoke: Callable[..., Result]) -> None:
    result = invoke(verb, "--help")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: waterflow {verb} ")
    assert "  Show this message and exit." in result.stdout


@pytest.mark.parametrize(
    ("verb", "shown"),
    [("status", "[RUN]"), ("logs", "[RUN]"), ("sync", "[RUN]..."), ("cancel", "RUN")],
)
def test_a_run_that_need_not_be_named_is_in_brackets(
    verb: str, shown: str, invoke: Callable[..., Result]
) -> None:
    first = invoke(verb, "--help").stdout.splitlines()[0]
    assert first == f"Usage: waterflow {verb} [OPTIONS] {shown}"


def test_verbs_that_answer_can_answer_in_json(invoke: Callable[..., Result]) -> None:
    talk_only = {"logs", "ui", "completion", "compile", "profile", "cache", "schedule"}
    for verb in set(VERBS) - talk_only:
        assert "--json" in invoke(verb, "--help").stdout, verb
    for group, verbs in (
        ("profile", ("list", "show", "import")),
        ("cache", ("info", "clear", "prune")),
        ("schedule", ("apply", "list", "delete", "pause", "resume")),
    ):
        for verb in verbs:
            assert "--json" in invoke(group, verb, "--help").stdout, verb


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_this_command(shell: str, invoke: Callable[..., Result]) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"_WATERFLOW_COMPLETE={shell}_complete" in result.stdout


def test_an_error_of_our_own_is_one_line(
    invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_root: object, _name: object) -> None:
        raise RuntimeError("the moon is in the wrong house")

    monkeypatch.setattr("waterflow.provider.discovery.open_provider", broken)
    result = invoke("runs")
    assert result.exit_code == 70
    assert "RuntimeError: the moon is in the wrong house" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr
    for result in (invoke("--debug", "runs"), _debugged(invoke, monkeypatch)):
        assert result.exit_code == 70
        assert "Traceback (most recent call last)" in result.stderr


def _debugged(invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("WATERFLOW_DEBUG", "1")
    return invoke("runs")
