"""What a run says of its code: who ran it, how it differed from its commit, and the files again."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import waterflow, write
from waterflow.runs.origin import command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

PIPELINE = """
import waterflow as wf

from lines import double


@wf.step(include=["tables/*.bin"])
def count() -> int:
    return double(4)


@wf.step
def note(n: int) -> str:
    return f"n is {n}"


@wf.pipeline
def counted() -> None:
    note(count())
"""
FILES = {
    "pipeline.py": PIPELINE,
    "lines.py": "def double(n: int) -> int:\n    return n + n\n",
    "unshipped.py": "TOKEN = 1\n",
}
CHANGED = {
    "lines.py": "from new_lines import twice\n\n\ndef double(n):\n    return twice(n)\n",
    "new_lines.py": "# grüße\ndef twice(n: int) -> int:\n    return 2 * n\n",
    "unshipped.py": "TOKEN = 2\n",
}
BINARY = bytes(range(256)) * 4


def git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *words],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was committed, changed, and then run as `changed`, its MLflow up to date."""
    root = write(tmp_path_factory.mktemp("dirty"), {**FILES, ".gitignore": ".waterflow\n"})
    (root / "tables").mkdir()
    (root / "tables" / "old.bin").write_bytes(b"\0\1")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    write(root, CHANGED)
    (root / "tables" / "old.bin").write_bytes(BINARY)
    (root / "tables" / "new file.bin").write_bytes(BINARY[::-1])
    words = ("--run-id", "changed", "--no-cache", "--wait-tracking")
    done = waterflow("run", ".", *words, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tracking events" not in done.stdout, "all was sent"
    return root


def shipped(root: Path) -> dict[str, bytes]:
    names = ("pipeline.py", "lines.py", "new_lines.py", "tables/old.bin", "tables/new file.bin")
    return {name: (root / name).read_bytes() for name in names}


def test_the_code_of_a_run_comes_back_as_it_was(
    dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    monkeypatch.chdir(dirty)
    original = shipped(dirty)
    (dirty / "lines.py").write_text("raise SystemExit\n")
    try:
        result = invoke("code", "changed", "--to", str(tmp_path / "back"), "--json")
        shown = invoke("code", "changed", "--to", str(tmp_path / "again"))
    finally:
        (dirty / "lines.py").write_bytes(original["lines.py"])
    report = json.loads(result.stdout)
    back = {name: (tmp_path / "back" / name).read_bytes() for name in report["files"]}
    assert back == original
    assert {p for p in (tmp_path / "back").rglob("*") if p.is_file()} == {
        tmp_path / "back" / name for name in original
    }
    assert (report["commit"], report["dirty"]) == (git(dirty, "rev-parse", "HEAD"), True)
    assert set(report["steps"]) == {"count", "note"}
    assert f"commit {report['commit']}, and the tree differed from it" in shown.stdout
    for digest in report["steps"].values():
        assert digest in shown.stdout


def test_nothing_is_overwritten(
    dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    monkeypatch.chdir(dirty)
    (tmp_path / "mine.txt").write_text("mine")
    result = invoke("code", "changed", "--to", str(tmp_path))
    assert result.exit_code == 3
    assert f"{tmp_path} is there already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_code_that_is_gone_is_told(
    dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Callable[..., Result]
) -> None:
    monkeypatch.chdir(dirty)
    bundles = dirty / ".waterflow" / "bundles"
    bundles.rename(tmp_path / "bundles")
    try:
        result = invoke("code", "changed", "--to", str(tmp_path / "back"))
    finally:
        (tmp_path / "bundles").rename(bundles)
    assert result.exit_code == 4
    assert "The code of run 'changed' is no longer in" in result.stderr
    assert not (tmp_path / "back").exists()


def test_mlflow_shows_who_ran_what_and_how_the_tree_differed(dirty: Path, tmp_path: Path) -> None:
    script = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
runs = client.search_runs(["1"])
parent = next(run for run in runs if "waterflow.pipeline" in run.data.tags)
steps = [run for run in runs if run is not parent]
for name in ("changes.patch", "code.json"):
    client.download_artifacts(parent.info.run_id, name, sys.argv[2])
print(json.dumps([parent.data.tags, [step.data.tags for step in steps]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{dirty}/.waterflow/mlflow.db", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tags, steps = json.loads(done.stdout)
    commit = git(dirty, "rev-parse", "HEAD")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert tags["mlflow.user"] == user
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("pipeline.py", "LOCAL")
    assert tags["mlflow.source.git.commit"] == tags["waterflow.git_commit"] == commit
    assert (
        tags["waterflow.command"] == "waterflow run . --run-id changed --no-cache --wait-tracking"
    )
    assert len(steps) == 2
    for step in steps:
        assert step["mlflow.user"] == user
        assert step["mlflow.source.name"] == "pipeline.py"
    assert not [name for name in tags if name.startswith("waterflow.code.")]
    digests = json.loads((tmp_path / "code.json").read_text())
    assert set(digests) == {"count", "note"}
    assert tags["waterflow.patch"] == "changes.patch"
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(dirty), str(clone))
    git(clone, "apply", "--binary", str(tmp_path / "changes.patch"))
    assert shipped(clone) == shipped(dirty)
    assert (clone / "unshipped.py").read_text() == FILES["unshipped.py"], "what no step needs stays"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["/x/bin/waterflow", "run", "my pipeline", "-p", "n=1"],
         "waterflow run 'my pipeline' -p n=1"),
        (["/x/waterflow/cli/__main__.py", "submit", "."], "waterflow submit ."),
        (["train.py", "--depth", "3"], "python train.py --depth 3"),
        (["train.py", "--api-token", "hunter2"], "python train.py --api-token ..."),
        (["train.py", "--password=hunter2"], "python train.py --password=..."),
        (["waterflow", "run", ".", "-p", "db_password=hunter2"],
         "waterflow run . -p db_password=..."),
        (["train.py", "postgres://me:hunter2@host/db"], "python train.py ..."),
        (["-c"], "python -c"),
    ],
    ids=lambda value: value if isinstance(value, str) else "typed",
)  # fmt: skip
def test_the_command_line_is_shown_without_secrets(words: list[str], shown: str) -> None:
    assert command_line(words) == shown
