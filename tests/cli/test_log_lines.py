"""What steps print, shown line by line: with names and times, and progress bars as one line."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click
import pytest

from tests.cli.conftest import waterflow, write
from tests.cli.test_run import REFUSED
from waterflow.cli.log_lines import LogLines
from waterflow.cloud.logs import split_lines
from waterflow.provider import LogLine
from waterflow.provider.answers import overwritten

if TYPE_CHECKING:
    from pathlib import Path


LOUD = """
import sys
import time

import waterflow as wf


@wf.step
def loud(gate: str) -> int:
    print("begin")
    for share in (10, 60, 100):
        print(f"\\r{share}%", end="", file=sys.stderr)
        time.sleep(0.3)
    print(file=sys.stderr)
    print("form\\x0cfeed and \\u2028 end no line")
    return 1


@wf.pipeline
def loudly(gate: str = "") -> None:
    loud(gate)
"""


def test_a_run_shows_what_its_steps_print(tmp_path: Path) -> None:
    root = write(tmp_path, {"pipeline.py": LOUD})
    quiet = os.environ | {"MLFLOW_TRACKING_URI": REFUSED}
    done = waterflow("run", ".", "--logs", "--run-id", "a", cwd=root, env=quiet)
    printed = [
        r"\d\d:\d\d:\d\d  loud  begin",
        r"\d\d:\d\d:\d\d  loud  100%",  # one line, as a terminal shows it in the end
        r"\d\d:\d\d:\d\d  loud  form\x0cfeed and \u2028 end no line",
    ]
    lines = done.stdout.split("\n")
    shown = [line for line in lines if any(re.fullmatch(one, line) for one in printed)]
    assert len(shown) == len(printed), done.stdout
    later = waterflow("logs", "a", "--times", cwd=root).stdout.split("\n")
    assert [bool(re.fullmatch(one, line)) for one, line in zip(printed, later, strict=False)] == [
        True
    ] * len(printed), later


def test_a_progress_bar_is_one_line_that_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = LogLines(["bar", "other"])
    for line in (
        LogLine(step="bar", text="10%", update=True),
        LogLine(step="bar", text="60%", update=True),
        LogLine(step="other", text="hello"),
        LogLine(step="bar", text="100%"),
    ):
        shown.show(line)
    shown.close()
    over = "\r\x1b[K"
    assert click.unstyle(capsys.readouterr().out.replace(over, "<over>")) == (
        "bar    10%<over>bar    60%<over>other  hello\nbar    100%\n"
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    {
        b"one\ntwo\n": ["one", "two"],
        b"a\x0bb\x0cc\xe2\x80\xa8d\x1ce": ["a\x0bb\x0cc\u2028d\x1ce"],
        b"10%\r20%\rdone\nnext": ["done", "next"],
        b"from windows\r\nnext\r\n": ["from windows", "next"],
        b"\n\nafter two\n": ["", "", "after two"],
        b"\xff broken": ["\ufffd broken"],
    }.items(),
)
def test_only_a_line_feed_ends_a_line(written: bytes, shown: list[str]) -> None:
    assert [overwritten(line) for line in split_lines(written)] == shown
