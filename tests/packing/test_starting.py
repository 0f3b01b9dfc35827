"""Ways to start a script, what of it cannot reach a job, and the lines that a failure names."""
# ruff: noqa: E501 - a program a line reads better than one that is folded

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

STEP = """
import waterflow as wf

@wf.step
def probe() -> str:
    return str({})

@wf.pipeline
def probing():
    probe()
"""
DIGESTS = """
def told(call):
    import json, sys
    from waterflow.runs.submit import compile_call
    from waterflow.packing.submits import note_submit
    note_submit()
    build = compile_call(call)[1]
    run = build.spec.steps[0].run
    print(json.dumps([run.module, build.digest, build.bundles["probe"].digest]))
"""


def put(root: Path, files: dict[str, str]) -> Path:
    for path, text in {"waterflow.toml": "", **files}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def start(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run Python in a folder; return what it printed, errors too where it is to fail."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


# --- ways to start it -----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["guarded", "at the top"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose script tells which code its step would run."""
    call = "from digests import told\n{}told(probing())\nimport json\n"
    guard = 'if __name__ == "__main__":\n    ' if request.param == "guarded" else ""
    script = "VALUE = [1]\nVALUE.append(2)\n" + STEP.format("VALUE") + call.format(guard)
    root = put(
        tmp_path_factory.mktemp("started"),
        {
            "s.py": script,
            "digests.py": DIGESTS,
            "sub/t.py": script,
            "sub/digests.py": DIGESTS,
            "elsewhere/empty.txt": "",
        },
    )
    (root / "elsewhere" / "link.py").symlink_to(root / "s.py")
    return root


LOAD = (
    "import sys; from waterflow.cli.targets import load; sys.path.append('.'); "
    "from digests import told; told(load('{}').call())"
)
WAYS = {
    "python -m": ("", "-m", "s"),
    "runpy": ("", "-c", "import runpy; runpy.run_path('s.py', run_name='__main__')"),
    "runpy of a module": ("", "-c", "import runpy; runpy.run_module('s', run_name='__main__')"),
    "another folder": ("elsewhere", "../s.py"),
    "a link elsewhere": ("elsewhere", "link.py"),
    "waterflow run": ("", "-c", LOAD.format("s.py")),
    "waterflow run of a link": ("", "-c", LOAD.format("elsewhere/link.py")),
    "isolated": ("", "-I", "-c", "import runpy; runpy.run_path('s.py', run_name='__main__')"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_code_does_not_depend_on_how_a_script_is_started(started: Path, way: str) -> None:
    folder, *arguments = WAYS[way]
    plain = json.loads(start(started, "s.py"))
    if way == "isolated":
        arguments[-1] = "import sys; sys.path.insert(0, '.'); " + arguments[-1]
    assert json.loads(start(started / folder, *arguments)) == plain
    assert plain[0] == "s"


def test_a_script_in_a_folder_is_the_module_that_the_command_line_makes_of_it(
    started: Path,
) -> None:
    answers = {start(started, "sub/t.py"), start(started / "sub", "t.py")}
    assert [json.loads(answer)[0] for answer in answers] == ["sub.t"]


# --- real runs --------------------------------------------------------------------------------------

REAL = """
run = probing().submit()
from waterflow.errors import StepFailed
try:
    run.wait(300)
    print(run.artifact("probe").load())
except StepFailed as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["my-script.py", "01_first.py", "code.py", "a.b.py"])
def test_a_script_whose_name_is_no_module_s_runs_and_its_failure_names_it(
    tmp_path: Path, name: str
) -> None:
    source = "RATE = 0\n" + STEP.format("1 // RATE") + REAL
    put(tmp_path, {name: source})
    told = start(tmp_path, name)
    line = source.splitlines().index("    return str(1 // RATE)") + 1
    assert f'File "{tmp_path / name}", line {line}, in probe' in told


def test_a_failure_names_the_script_s_own_line(tmp_path: Path) -> None:
    source = "import sys\nRATE = 0 if len(sys.argv) < 9 else 1\n" + STEP.format("1 // 0") + REAL
    put(tmp_path, {"s.py": source})
    line = source.splitlines().index("    return str(1 // 0)") + 1
    assert f'File "{tmp_path / "s.py"}", line {line}, in probe' in start(tmp_path, "s.py")


def test_steps_that_are_defined_after_the_first_submit_go_along(tmp_path: Path) -> None:
    second = """
EXTRA = 5

@wf.step
def later() -> int:
    return BASE + EXTRA

@wf.pipeline
def again():
    later()

run = again().submit()
run.wait(300)
print(run.artifact("later").load())
"""
    source = "BASE = 2\n" + STEP.format("BASE") + REAL + second
    put(tmp_path, {"s.py": source})
    assert start(tmp_path, "s.py").split() == ["2", "7"]
    # On the command line both are there to be chosen, and the cache has both.
    code = (
        "from waterflow.cli.targets import load\n"
        "for name in ('probing', 'again'):\n"
        "    state = load(f's.py:{name}').call().submit().wait(300)\n"
        "    print([str(step.status) for step in state.steps.values()])\n"
    )
    assert start(tmp_path, "-c", code).split() == ["['cached']", "['cached']"]


# --- what is told -----------------------------------------------------------------------------------

SUBMIT = "probing().submit()\n"
GUARD = 'if __name__ == "__main__":\n'
REFUSED = {
    "a value from the command line": (
        "import sys\nDEPTH = len(sys.argv)\n" + STEP.format("DEPTH") + SUBMIT,
        r"s.py:2: Step 'probe' uses 'DEPTH', but the statement that makes it reads the command line",
    ),
    "an argument parser at the top": (
        "import argparse\nparser = argparse.ArgumentParser()\nargs = parser.parse_args()\n"
        + STEP.format("args")
        + SUBMIT,
        "s.py:3: Step 'probe' uses 'args'",
    ),
    "what comes of the command line": (
        "import sys\nN = len(sys.argv)\nTWICE = 2 * N\n" + STEP.format("TWICE") + SUBMIT,
        "s.py:3: Step 'probe' uses 'TWICE', but the statement that makes it uses 'N', whose",
    ),
    "a seed from the command line": (
        "import random, sys\nrandom.seed(len(sys.argv))\n" + STEP.format("1") + SUBMIT,
        "s.py:2: `random.seed(len(sys.argv))` sets something for all that follows",
    ),
    "a question to the user": (
        "import builtins\nbuiltins.input = lambda: 'x'\nNAME = input()\n"
        + STEP.format("NAME")
        + SUBMIT,
        "s.py:3: Step 'probe' uses 'NAME'",
    ),
    "a value under the guard": (
        STEP.format("DEPTH") + GUARD + "    DEPTH = 3\n    " + SUBMIT,
        "Step 'probe' uses 'DEPTH', but the statement that makes it is under `if __name__",
    ),
    "a change under the guard": (
        "CFG = {}\n" + STEP.format("CFG") + GUARD + "    CFG['a'] = 1\n    " + SUBMIT,
        "`CFG['a']` changes it in a statement that is under `if __name__",
    ),
    "a change in main": (
        "CFG = {}\n"
        + STEP.format("CFG")
        + f"def main():\n    CFG.update(a=1)\n    {SUBMIT}"
        + f"{GUARD}    main()\n",
        "Step 'probe' uses 'CFG'",
    ),
    "a change by another module": (
        "import other\nCFG = {}\n"
        + STEP.format("CFG")
        + f"{GUARD}    other.fill(vars()['CFG'])\n    {SUBMIT}",
        "s.py:2: Step 'probe' uses 'CFG', which is {} here and was changed to {'a': 1}",
    ),
    "a step under the guard": (
        "import waterflow as wf\n"
        + GUARD
        + "".join(f"    {line}\n" for line in STEP.format("1").splitlines() if line)
        + "    "
        + SUBMIT,
        "Step 'probe' uses 'probe', but the statement that makes it is under `if __name__",
    ),
    "a result of an earlier run": (
        STEP.format("1")
        + "run = probing().submit()\nMODEL = run.id\n"
        + STEP.format("MODEL").replace("probe", "second").replace("probing", "seconds")
        + "seconds().submit()\n",
        "Step 'second' uses 'MODEL', but the statement that makes it comes after the submit",
    ),
    "two functions of one name": (
        STEP.format("1") + SUBMIT + STEP.format("2") + SUBMIT,
        "'probe' is defined a second time after the first submit, in line",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_job_could_have_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    source, message = REFUSED[name]
    toml = '[profiles.local]\nsend = "later"\n'
    put(
        tmp_path,
        {"s.py": source, "waterflow.toml": toml, "other.py": "def fill(d):\n    d['a'] = 1\n"},
    )
    told = start(tmp_path, "s.py", code=1)
    assert "waterflow.errors.DefinitionError: " in told
    assert message in told.replace("\n", " ")


def test_a_setting_under_the_guard_is_told(tmp_path: Path) -> None:
    source = "import random\n" + STEP.format("random.random()") + GUARD
    source += "    random.seed(1)\n    from waterflow.runs.submit import compile_call\n"
    put(tmp_path, {"s.py": source + "    compile_call(probing())\n"})
    done = subprocess.run(
        [sys.executable, "s.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    line = source.splitlines().index("    random.seed(1)") + 1
    assert f"s.py:{line}: `random.seed(1)` is under `if __name__" in done.stderr


def test_a_module_that_submits_while_another_is_loaded_for_its_pipeline_is_told(
    tmp_path: Path,
) -> None:
    put(tmp_path, {"s.py": STEP.format("1") + SUBMIT, "t.py": "from s import probing\n"})
    code = (
        "from waterflow.cli.targets import load\nfrom waterflow.errors import DefinitionError\n"
        "try:\n    load('t.py')\nexcept DefinitionError as error:\n    print(error)\n"
    )
    told = start(tmp_path, "-c", code)
    assert "s.py:11: Importing module 't' would submit a run" in told
    assert not (tmp_path / ".waterflow" / "runs").exists()
