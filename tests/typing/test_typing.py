"""The types that users see, checked by pyright as their editor would."""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def pyright(file: Path) -> list[tuple[int, str]]:
    """Return the line and rule of each error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, str(file)], cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    diagnostics = json.loads(done.stdout)["generalDiagnostics"]
    return [
        (each["range"]["start"]["line"] + 1, each.get("rule", each["message"]))
        for each in diagnostics
        if each["severity"] == "error"
    ]


def test_steps_and_pipelines_keep_their_types() -> None:
    assert pyright(HERE / "language.py") == []


def test_mistakes_are_found(tmp_path: Path) -> None:
    text = (HERE / "mistakes.txt").read_text()
    file = tmp_path / "mistakes.py"
    file.write_text(f"# pyright: basic\n{text}")
    expected = [
        (line, match[1])
        for line, content in enumerate(file.read_text().splitlines(), 1)
        if (match := re.search(r"# error: (report\w+)$", content))
    ]
    assert len(expected) > 10
    assert pyright(file) == expected
