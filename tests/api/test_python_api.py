"""The Python API from a module, a script and a notebook, through the real local provider."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
import math
from typing import NamedTuple

import pandas as pd

import waterflow as wf

FACTOR = 3


class Parts(NamedTuple):
    even: pd.DataFrame
    odd: pd.DataFrame


def scaled(value: int) -> int:
    return value * FACTOR


@wf.step
def numbers(count: int) -> pd.DataFrame:
    return pd.DataFrame({"n": [scaled(value) for value in range(count)]})


@wf.step
def parts(data: pd.DataFrame) -> Parts:
    print("parting", len(data))
    return Parts(data[data.n % 2 == 0], data[data.n % 2 == 1])


@wf.step
def root(data: pd.DataFrame) -> float:
    return math.sqrt(data.n.sum())


@wf.pipeline
def roots(count: int = 4):
    halves = parts(numbers(count))
    root(halves.even)
"""

USE = """
run = roots(count=5).submit()
state = run.wait(timeout=300)
assert run.status == "succeeded", run.status
assert [step.status for step in state.steps.values()] == ["succeeded"] * 3
assert abs(run.artifact("root").load() - math.sqrt(0 + 6 + 12)) < 1e-12
assert run.artifact("parts.odd").load().n.tolist() == [3, 9]
assert [line.text for line in run.logs("parts")] == ["parting 5"]
again = wf.open_run(run.id)
assert again.artifact("root").info == run.artifact("root").info
cached = roots(5).submit()
assert {step.status for step in cached.wait(300).steps.values()} == {"cached"}
print("all well")
"""


def project(folder: Path, send: str = "later") -> Path:
    """Make an empty folder a project; a run that is sent to MLflow at once costs seconds."""
    (folder / "waterflow.toml").write_text(f'[profiles.local]\nsend = "{send}"\n')
    return folder


def python(folder: Path, *arguments: str) -> str:
    """Run Python in the project and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SHELL = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
import sys
sys.modules["__main__"].__spec__ = None
for cell in {!r}:
    outcome = shell.run_cell(cell, store_history=True)
    outcome.raise_error()
"""


def test_a_module(tmp_path: Path) -> None:
    project(tmp_path, send="now")
    (tmp_path / "mine.py").write_text(PIPELINE)
    code = "import math, waterflow as wf\nfrom mine import roots\n" + USE
    assert python(tmp_path, "-c", code) == "all well\n"


@pytest.mark.parametrize("arguments", [["script.py"], ["-m", "script"]])
def test_a_script_that_submits_itself(tmp_path: Path, arguments: list[str]) -> None:
    project(tmp_path)
    guarded = "\nif __name__ == '__main__':\n" + textwrap.indent(USE, "    ")
    (tmp_path / "script.py").write_text(PIPELINE + guarded)
    assert python(tmp_path, *arguments) == "all well\n"


def test_a_notebook(tmp_path: Path) -> None:
    project(tmp_path)
    cells = [*PIPELINE.split("\n\n\n"), USE]
    assert "all well" in python(tmp_path, "-c", SHELL.format(cells))


def test_a_file_that_a_script_opens_at_its_top_is_told_with_the_way_to_take_it(
    tmp_path: Path,
) -> None:
    project(tmp_path)
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            """
            import waterflow as wf
            from waterflow.errors import StepFailed

            with open("waterflow.toml") as stream:
                SETTINGS = stream.read()


            @wf.step
            def length() -> int:
                return len(SETTINGS)


            @wf.pipeline
            def lengths():
                length()


            if __name__ == "__main__":
                try:
                    lengths().submit().wait(300)
                except StepFailed as error:
                    print(error)
            """
        )
    )
    message = python(tmp_path, "script.py")
    assert "Step 'length' failed: FileNotFoundError" in message
    assert '@wf.step(include=["waterflow.toml"])' in message
    assert f'File "{tmp_path / "script.py"}", line 5, in <module>' in message


def test_what_a_notebook_s_step_cannot_take_along_is_told(tmp_path: Path) -> None:
    project(tmp_path)
    cells = [
        "import waterflow as wf\nhandle = open('waterflow.toml')",
        "@wf.step\ndef length() -> int:\n    return len(handle.read())",
        "@wf.pipeline\ndef lengths():\n    length()",
        (
            "from waterflow.errors import DefinitionError\n"
            "try:\n    lengths().submit()\nexcept DefinitionError as error:\n    print(error)"
        ),
    ]
    message = python(tmp_path, "-c", SHELL.format(cells))
    assert "In [2], line 1: Step 'length' uses 'handle'" in message
    assert not list((tmp_path / ".waterflow").glob("runs/*"))


def test_a_notebook_s_serializer_reaches_its_jobs(tmp_path: Path) -> None:
    project(tmp_path)
    cells = [
        "import fractions\nimport waterflow as wf",
        "def write(value, path):\n    path.write_text(str(value))",
        (
            "wf.serializer(fractions.Fraction, save=write,"
            " load=lambda path: fractions.Fraction(path.read_text()))"
        ),
        "@wf.step\ndef make() -> fractions.Fraction:\n    return fractions.Fraction(1, 3)",
        "@wf.step\ndef double(value: fractions.Fraction) -> str:\n    return str(2 * value)",
        "@wf.pipeline\ndef doubling():\n    double(make())",
        "run = doubling().submit()\nrun.wait(300)\nprint(run.artifact('double').load())",
    ]
    assert "2/3" in python(tmp_path, "-c", SHELL.format(cells))


def test_a_notebook_s_settings_reach_its_jobs_and_failures_name_cells(tmp_path: Path) -> None:
    project(tmp_path)
    cells = [
        "import random\nimport waterflow as wf",
        "random.seed(7)",
        "@wf.step\ndef draw() -> int:\n    return random.randint(0, 10**9)",
        "@wf.step\ndef fail(n: int) -> int:\n    # a comment\n    return n // 0",
        "@wf.pipeline\ndef drawing():\n    fail(draw())",
        (
            "from waterflow.errors import StepFailed\nrun = drawing().submit()\nrandom.seed(8)\n"
            "try:\n    run.wait(300)\nexcept StepFailed as error:\n    print(error)"
        ),
        "print(run.artifact('draw').load())",
    ]
    message = python(tmp_path, "-c", SHELL.format(cells))
    assert "347712782" in message
    assert 'File "In [4]", line 4, in fail' in message


def test_a_failed_run_raises_with_the_users_lines(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            import waterflow as wf


            def inner() -> int:
                return 1 // 0


            @wf.step
            def divide() -> int:
                print("dividing")
                return inner()


            @wf.pipeline
            def failing():
                divide()
            """
        )
    )
    code = textwrap.dedent(
        """
        from mine import failing
        from waterflow.errors import StepFailed

        try:
            failing().submit().wait(300)
        except StepFailed as error:
            print(error.step, error.reason, sep="|")
            print(error.log_tail)
        """
    )
    lines = python(tmp_path, "-c", code).splitlines()
    assert lines[0] == "divide|ZeroDivisionError: integer division or modulo by zero"
    assert lines[1] == "dividing"
    assert any(str(tmp_path / "mine.py") in line for line in lines)
    assert not any("runtime" in line for line in lines)
