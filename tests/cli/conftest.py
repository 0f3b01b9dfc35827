"""What the tests of the command line share: projects in temporary folders and ways to call it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from waterflow.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TINY = """
import time

import waterflow as wf


@wf.step
def one(n: int) -> int:
    print("one says", n)
    return n + 1


@wf.step
def two(n: int) -> wf.Metrics:
    if n > 100:
        raise ValueError(f"{n} is too much")
    return wf.Metrics(half=n / 2)


@wf.step(cache=False)
def never(n: wf.Metrics) -> int:
    return 1


@wf.pipeline
def tiny(n: int = 1, least: float = 50.0) -> None:
    metrics = two(one(n))
    with wf.when(metrics["half"] >= least):
        never(metrics)
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the user's modules of a test, and its environment."""
    for name in [n for n in os.environ if n.startswith(("WATERFLOW_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or "pytest-of" in file:
            del sys.modules[name]


def write(root: Path, files: dict[str, str]) -> Path:
    """Write a project's files."""
    for name, text in {"waterflow.toml": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the pipeline `tiny`, as the working folder."""
    write(tmp_path, {"pipeline.py": TINY})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Call the command line in this process."""

    def call(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin)

    return call


def waterflow(*arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Call the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "waterflow.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,  # type: ignore[call-overload]
    )
