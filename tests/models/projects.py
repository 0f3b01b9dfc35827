"""Projects that tests write down, run by the command line in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Project:
    """A project in a folder of its own.

    Args:
        folder: Where it is.
        send: When MLflow gets its runs: what nobody looks at there costs a test seconds.
    """

    def __init__(self, folder: Path, send: str = "later") -> None:
        self.folder = folder
        self.write("waterflow.toml", f'[profiles.local]\nsend = "{send}"\n')

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip())
        return file

    def waterflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line."""
        return run(self.folder, "-m", "waterflow.cli", *arguments)

    def value(self, step: str) -> object:
        """Return what a step of the project's one run has returned, where it is plain data."""
        (file,) = (self.folder / ".waterflow" / "runs").glob(
            f"*/artifacts/{step}/output/value.json"
        )
        return json.loads(file.read_text())

    @property
    def tracking(self) -> str:
        """The project's own MLflow."""
        return f"sqlite:///{self.folder}/.waterflow/mlflow.db"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with nothing of this process's own paths."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTEST_CURRENT_TEST")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
