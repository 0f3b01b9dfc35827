"""What a step looks for in the working folder, where a job has nothing: told, and told rightly."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from waterflow.packing.bundle import Bundler

if TYPE_CHECKING:
    from pathlib import Path

LOOKS = {
    'glob.glob("sql/*.sql")': "sql/*.sql",
    'glob("sql/*.sql")': "sql/*.sql",
    'glob.iglob("sql/*.sql")': "sql/*.sql",
    'Path("sql").glob("*.sql")': "sql/*.sql",
    'pathlib.Path("sql").rglob("*.sql")': "sql/**/*.sql",
    'Path("sql/a.sql").exists()': "sql/a.sql",
    'os.path.exists("sql/a.sql")': "sql/a.sql",
    'os.path.isdir("sql")': "sql",
    'os.walk("sql")': "sql",
    'os.path.exists("none.sql")': None,
    'glob.glob("/etc/*.conf")': None,
    'folder.glob("*")': None,
    'path.rglob("*")': None,
    'path.glob("*.sql")': None,
    'folder.joinpath("sql").glob("*")': None,
    'data.exists("sql")': None,
}
"""Expression in a step -> the pattern that is told, or None for silence."""


@pytest.mark.parametrize(("expression", "pattern"), LOOKS.items(), ids=list(LOOKS))
def test_what_is_looked_for_in_the_working_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expression: str, pattern: str | None
):
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "a.sql").write_text("select 1\n")
    (tmp_path / "steps.py").write_text(
        "import glob, os, pathlib\nfrom pathlib import Path\n\n\n"
        f"def step(folder, path, data):\n    return {expression}\n"
    )
    caplog.set_level(logging.WARNING)
    Bundler(tmp_path, paths=[tmp_path]).build("steps", ())
    messages = [one.getMessage() for one in caplog.records]
    if pattern is None:
        assert messages == []
    else:
        assert len(messages) == 1
        assert f"steps.py:6 looks for '{pattern}'" in messages[0]
        assert f"include=['{pattern}']" in messages[0]
