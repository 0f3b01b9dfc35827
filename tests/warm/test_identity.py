"""What makes another helper, and what does not."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from waterflow.warm import asking, identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRONMENT = {"PATH": "/bin", "HOME": "/home/a", "PWD": "/a", "SHLVL": "1"}

Change = "Callable[[Path, dict[str, str]], object]"


def library(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "lib-1.dist-info").mkdir(parents=True)
    (folder / "lib-1.dist-info" / "RECORD").write_text("lib.py,sha256=a,1\n")
    (folder / "lib.py").write_text("")
    (folder / "more.pth").write_text("/elsewhere\n")
    return folder


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


DIFFERENT: dict[str, Callable[[Path, dict[str, str]], object]] = {
    "a variable of a library": lambda _, e: e.update(OMP_NUM_THREADS="3"),
    "a variable of another": lambda _, e: e.update(MPLBACKEND="svg"),
    "a variable of Python": lambda _, e: e.update(PYTHONOPTIMIZE="1"),
    "a variable that nobody knows": lambda _, e: e.update(SOME_LIBRARY_MODE="1"),
    "a variable that is gone": lambda _, e: e.pop("HOME"),
    "a library installed anew": lambda p, _: rewrite(
        p / "site" / "lib-1.dist-info" / "RECORD", "lib.py,sha256=b,2\n"
    ),
    "another library": lambda p, _: (p / "site" / "other-2.dist-info").mkdir(),
    "a module beside": lambda p, _: (p / "site" / "shadow.py").touch(),
    "a .pth file": lambda p, _: rewrite(p / "site" / "more.pth", "/other\n"),
    "an editable install": lambda p, _: (p / "site" / "__editable__.x.pth").touch(),
    "the lock": lambda p, _: (p / "requirements.lock").write_text("lib==2\n"),
}

SAME: dict[str, Callable[[Path, dict[str, str]], object]] = {
    "another terminal": lambda _, e: e.update(PWD="/b", SHLVL="7", COLUMNS="9", SSH_TTY="/dev/x"),
    "a run's own": lambda _, e: e.update(
        WATERFLOW_SECRET_KEY="s", MLFLOW_TRACKING_URI="http://h", MLFLOW_TRACKING_PASSWORD="p"
    ),
    "compiled code": lambda p, _: (p / "site" / "__pycache__").mkdir(),
    "the user's code": lambda p, _: (p / "pipeline.py").write_text("changed = True\n"),
    "an empty entry": lambda _, e: e.update(PYTHONPATH=e["PYTHONPATH"] + os.pathsep),
}


@pytest.mark.parametrize(
    ("change", "same"),
    [(change, False) for change in DIFFERENT.values()] + [(c, True) for c in SAME.values()],
    ids=[*DIFFERENT, *SAME],
)
def test_what_makes_another_helper(
    change: Callable[[Path, dict[str, str]], object], same: bool, tmp_path: Path
) -> None:
    environment = ENVIRONMENT | {"PYTHONPATH": f"{library(tmp_path)}{os.pathsep}{tmp_path}"}
    before = identity.key(tmp_path, environment)
    assert identity.key(tmp_path, environment) == before
    change(tmp_path, environment)
    assert (identity.key(tmp_path, environment) == before) is same


def test_a_helper_holds_nothing_of_a_runs_own() -> None:
    own = {"WATERFLOW_SECRET_KEY": "s", "MLFLOW_TRACKING_PASSWORD": "p", "TMUX": "x"}
    assert identity.environment(ENVIRONMENT | own) == {"PATH": "/bin", "HOME": "/home/a"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, 600.0),
        ({"CI": "true"}, 0.0),
        ({"CI": "false"}, 600.0),
        ({"CI": "true", asking.SHARED: "/tests"}, 600.0),
        ({"PYTHONPATH": "src"}, 0.0),
        ({"PYTHONPATH": "/src:"}, 600.0),
    ],
)
def test_when_there_is_a_helper(variables: dict[str, str], expected: float) -> None:
    assert asking.seconds(600.0, variables) == expected
    assert asking.seconds(0.0, variables) == 0.0


def test_what_was_imported_is_known_to_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "imported_here.py"
    file.write_text("VALUE = 1\n")
    os.utime(file, ns=(0, 0))
    monkeypatch.syspath_prepend(tmp_path)
    loaded = identity.Loaded()
    importlib.import_module("imported_here")
    loaded.note()
    assert loaded.stale(), "it was written so late that it may not be what was imported"
    loaded = identity.Loaded()
    loaded._began = file.stat().st_ctime_ns + 1  # type: ignore[attr-defined]  # as if an hour later
    loaded.note()
    assert not loaded.stale()
    rewrite(file, "VALUE = 2\n")
    assert loaded.stale()
    del sys.modules["imported_here"]


def test_what_libraries_set_when_imported_makes_no_other_helper(monkeypatch):
    monkeypatch.setattr(identity, "_BROUGHT", dict(identity._BROUGHT))
    plain = {"HOME": "/home/me"}
    assert identity.environment(plain | {"SPARK_LOCAL_IP": "127.0.0.1"}) == plain
    brought = {"SET_BY_A_LIBRARY": "1"}
    assert identity.environment(plain | brought) != plain
    identity.leave_out(brought)
    assert identity.environment(plain | brought) == plain
    assert identity.environment(plain | {"SET_BY_A_LIBRARY": "2"}) != plain
