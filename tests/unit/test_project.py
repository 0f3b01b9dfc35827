import subprocess
from pathlib import Path

import pytest

from waterflow.errors import ConfigurationError
from waterflow.project import find_root, git_state, state_folder, state_path


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
    ]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_nearest_waterflow_toml_wins_over_a_nearer_pyproject(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert find_root(inner) == tmp_path
    (tmp_path / "a" / "pyproject.toml").touch()
    assert find_root(inner) == tmp_path / "a"
    (tmp_path / "waterflow.toml").touch()
    assert find_root(inner) == tmp_path


def test_a_file_stands_for_its_folder_and_a_bare_folder_is_its_own_root(tmp_path: Path) -> None:
    file = tmp_path / "steps.py"
    file.touch()
    assert find_root(file) == tmp_path
    assert find_root(tmp_path) == tmp_path


def test_the_state_folder_hides_itself_from_git(tmp_path: Path) -> None:
    git(tmp_path, "init")
    folder = state_folder(tmp_path)
    (folder / "something").touch()
    assert state_folder(tmp_path) == folder == tmp_path / ".waterflow"
    assert git(tmp_path, "status", "--porcelain") == ""


def test_the_state_may_be_outside_of_the_project_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    for named, place in (
        ("", root / ".waterflow"),
        (str(root / ".waterflow"), root / ".waterflow"),
        (str(tmp_path / "else" / "where"), tmp_path / "else" / "where"),
    ):
        monkeypatch.setenv("WATERFLOW_STATE", named)
        assert state_folder(root) == state_path(root) == place
        assert place.is_dir()
    monkeypatch.setenv("WATERFLOW_STATE", str(root / "state"))
    with pytest.raises(ConfigurationError, match="within the project"):
        state_folder(root)
    assert not (root / "state").exists()


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / ".waterflow").touch()
    with pytest.raises(ConfigurationError, match=r"\.waterflow, which cannot be written"):
        state_folder(tmp_path)


def test_git_state_follows_commit_and_changes(tmp_path: Path) -> None:
    assert git_state(tmp_path).commit is None
    assert git_state(tmp_path).dirty is None
    git(tmp_path, "init")
    assert git_state(tmp_path).commit is None
    assert git_state(tmp_path).dirty is False
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_state(tmp_path).commit == commit
    assert git_state(tmp_path).dirty is False
    (tmp_path / "a.py").write_text("a = 2\n")
    assert git_state(tmp_path).dirty is True


def test_only_changes_below_the_root_make_it_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.py").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    (tmp_path / "other.py").touch()
    assert git_state(inner).dirty is False
    (inner / "new.py").touch()
    assert git_state(inner).dirty is True


def test_without_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path).dirty is None


def test_a_git_hook_s_variables_do_not_mislead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, here = tmp_path / "other", tmp_path / "here"
    for folder in (other, here):
        folder.mkdir()
        git(folder, "init")
        (folder / "a.txt").write_text(folder.name)
        git(folder, "add", ".")
        git(folder, "commit", "-m", folder.name)
    commit = git(here, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert git_state(here).commit == commit
