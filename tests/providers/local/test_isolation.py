"""A step sees its bundle, its own variables and its share of the machine, and leaves nothing."""

import os
import subprocess
import sys
import venv

import pytest

from waterflow.errors import ConfigurationError
from waterflow.provider.state import Status

from .conftest import MARK, until

STEPS = """
import importlib, os, signal, subprocess, sys, time
from pathlib import Path
import waterflow as wf


@wf.step
def looks_around() -> int:
    return importlib.import_module("_".join(["hidden", "mod"])).VALUE


@wf.pipeline
def stale() -> None:
    looks_around()


@wf.step(cache=False)
def shown(name: str) -> str:
    return os.environ.get(name, "")


@wf.step(cache=False, cpu=1)
def blas_threads() -> list[int]:
    import numpy
    from threadpoolctl import threadpool_info

    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


@wf.pipeline
def threaded() -> None:
    blas_threads.options(name="plain")()
    blas_threads.options(name="four", env={"OMP_NUM_THREADS": "4"})()
    blas_threads.options(name="three", env={"OPENBLAS_NUM_THREADS": "3"})()


@wf.step(cache=False)
def anew() -> bool:
    return "waterflow_local.launcher" not in sys.modules


@wf.pipeline
def fresh() -> None:
    anew.options(name="set", env={"SOME_LIBRARYS_SWITCH": "1"})()
    anew.options(name="unset")()


@wf.step(cache=False)
def daemon(note: str) -> int:
    code = f"import os, time; open({note!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not Path(note).exists() or not Path(note).read_text():
        time.sleep(0.02)
    time.sleep(600 if "timeout" in note else 0)
    return 1


@wf.step(cache=False)
def nap(note: str) -> int:
    time.sleep(4)
    return 2


@wf.pipeline
def leaves_one(note: str) -> None:
    daemon.options(timeout=3, cpu=0.5)(note)
    nap.options(cpu=0.5)(note)


@wf.step(cache=False)
def share() -> int:
    time.sleep(0.05)
    return 0


@wf.pipeline
def fractions() -> None:
    small = [share.options(name=f"s{n}", cpu=c)() for n, c in enumerate((0.1, 0.3, 0.2, 0.7))]
    gather.options(cpu=2)(small)


@wf.step(cache=False)
def gather(all: list[int]) -> int:
    return sum(all)


@wf.pipeline
def telling(secret: wf.Static[str] = "known") -> None:
    wf.container(
        name="teller", image="any/image:1", outputs=["out"], env={"GREETING": "hello"},
        secrets={"PASSWORD": wf.secret(secret)},
        command=["sh", "-c", 'echo "$GREETING $PASSWORD" > {outputs.out}/words.txt'],
    )


@wf.pipeline
def silent() -> None:
    wf.container(name="mute", image="any/image:1", outputs=["out"], command=["true"])


@wf.pipeline
def muddled() -> None:
    wf.container(
        name="mixed", image="any/image:1", outputs=["out"],
        command=["mkdir", "{outputs.out}/empty"],
    )


@wf.step(image="any/python:1", cache=False)
def prefix() -> str:
    return sys.prefix


@wf.pipeline
def elsewhere() -> None:
    prefix()
"""


def add_steps(project):
    with (project.root / "local_pipelines.py").open("a") as file:
        file.write(STEPS)
    return project


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("place", [".", "src"])
def test_what_the_bundle_lacks_is_an_import_error_wherever_one_runs_from(configured, start, place):
    project = add_steps(configured(f"start = {start!r}\n"))
    (project.root / place).mkdir(exist_ok=True)
    (project.root / place / "hidden_mod.py").write_text("VALUE = 1\n")
    paths = os.pathsep.join(["", str(project.root), str(project.root / place)])
    command = [
        sys.executable, "-m", "waterflow.cli", "run", "local_pipelines.py:stale",
        "--profile", "mine", "--run-id", "looking",
    ]  # fmt: skip
    environment = os.environ | {MARK: project.mark, "PYTHONPATH": paths}
    done = subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    state = project.provider.status("looking")
    assert state.status is Status.FAILED, done.stdout
    assert "No module named 'hidden_mod'" in state.steps["looks_around"].error


def test_an_inline_run_leaves_nothing_in_the_cache(project):
    with project.code():
        project.submit("inline", {"inline": True})
    state = project.finish(project.submit("inline"))
    assert state.steps["words"].status is Status.SUCCEEDED, "not cached"


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_step_says_how_many_threads_its_libraries_use(configured, start):
    project = add_steps(configured(f"start = {start!r}\ncpu = 4\n"))
    run = project.submit("threaded")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    threads = {name: set(run.artifact(name).load()) for name in ("plain", "four", "three")}
    most = os.cpu_count()
    assert threads["plain"] == {1}
    if most >= 4 or start == "fork":
        assert threads["four"] == {4}
        assert threads["three"] == {3}
    else:
        assert threads["four"] != {1}


def test_a_step_with_variables_starts_in_an_interpreter_of_its_own(configured):
    project = add_steps(configured("start = 'fork'\n"))
    run = project.submit("fresh")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    assert run.artifact("set").load() is True


@pytest.mark.parametrize("name", ["timeout", "ended"])
def test_what_a_step_leaves_running_ends_with_its_attempt(configured, tmp_path, name):
    project = add_steps(configured("cpu = 2\n"))
    note = tmp_path / name
    run = project.submit("leaves_one", note=str(note))
    pid = int(until(lambda: note.exists() and note.read_text(), what="the process left"))
    until(lambda: run.state.steps["daemon"].status.final or run.state.status.final, 60, "the end")
    until(lambda: pid not in project.processes(), 2, "its end, while another step runs")
    project.finish(run)


def test_fractions_of_cpus_add_up(configured):
    project = add_steps(configured("cpu = 2\n"))
    assert project.finish(project.submit("fractions"), 60).status is Status.SUCCEEDED


IMAGE = "[profiles.mine.images]\n'any/image:1' = ''\n"


def test_a_program_gets_its_variables_and_secrets(configured, monkeypatch):
    project = add_steps(configured(IMAGE))
    monkeypatch.setenv("WATERFLOW_SECRET_KNOWN", "s3same")
    run = project.submit("telling")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    (file,) = run.artifact("teller").path().rglob("words.txt")
    assert file.read_text() == "hello s3same\n"
    failed = project.submit("telling", secret="unknown")
    state = project.finish(failed)
    assert state.status is Status.FAILED
    assert "Secret 'unknown' is not set" in state.steps["teller"].error


def test_a_program_that_writes_nothing_has_failed(configured):
    project = add_steps(configured(IMAGE))
    for _ in range(2):
        state = project.finish(project.submit("silent"))
        assert state.steps["mute"].status is Status.FAILED
        assert "nothing to output 'out'" in state.steps["mute"].error


def test_a_program_that_writes_folders_alone_has_failed(configured):
    project = add_steps(configured(IMAGE))
    state = project.finish(project.submit("muddled"))
    assert state.status is Status.FAILED
    assert state.steps["mixed"].status is Status.FAILED
    assert "nothing to output" in state.steps["mixed"].error


def test_an_image_of_a_function_step_is_the_python_in_its_folder(configured, tmp_path):
    place = tmp_path / "elsewhere"
    project = add_steps(configured(f"[profiles.mine.images]\n'any/python:1' = '{place}'\n"))
    with pytest.raises(ConfigurationError, match="python -m venv"):
        project.submit("elsewhere")
    venv.create(place, symlinks=True)
    run = project.submit("elsewhere")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    assert run.artifact("prefix").load() == str(place)
