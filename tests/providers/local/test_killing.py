"""Whatever is killed, whenever: no half artifact, no run left running, no orphan."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from waterflow import artifacts
from waterflow.errors import NotFoundError
from waterflow.provider.state import Status
from waterflow.testing import reference_digests

from .conftest import MARK, until

MOMENTS = 20
DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import local_pipelines
from waterflow.runs.submit import submit
root, salt = Path(sys.argv[1]), int(sys.argv[2])
submit(local_pipelines.folders(salt=salt), profile="mine", run_id=f"killed-{salt}", root=root)
"""


def drive(project, salt, send):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(project.root), str(salt)],
        env=os.environ | {MARK: project.mark, "WATERFLOW_SEND": send},
    )


def status(project, run_id):
    try:
        return project.provider.status(run_id).status
    except NotFoundError:
        return None


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def test_killing_a_run_at_any_moment_leaves_nothing_half_done(tracked, tmp_path):
    began = time.monotonic()
    first = drive(tracked, 0, "now")
    until(lambda: status(tracked, "killed-0"), what="a run")
    submitting = time.monotonic() - began
    until(lambda: status(tracked, "killed-0") is Status.SUCCEEDED, what="a whole run")
    life = time.monotonic() - began
    first.wait()
    chance = random.Random(20240229)
    ended = []
    for number in range(1, MOMENTS + 1):
        moment = life * (number - 1 + chance.random()) / MOMENTS
        run_id = f"killed-{number}"
        began = time.monotonic()
        submitter = drive(tracked, number, "later" if number % 4 else "now")
        if moment > submitting:  # counted from where the run is there, however long that took
            until(partial(status, tracked, run_id), what="a run")
            began = time.monotonic() - submitting
        time.sleep(max(0.0, moment - (time.monotonic() - began)))
        runner = tracked.runner(run_id)
        submitter.kill()
        if runner is not None:
            kill(runner)
        submitter.wait()
        # A runner that came to be between the look and the kill goes on by right: kill it too.
        late = tracked.runner(run_id)
        if late is not None:
            kill(late)
        until(lambda: not tracked.working(), 20, f"an end of all processes after {moment:.2f} s")
        end = status(tracked, run_id)
        assert end in (None, Status.FAILED, Status.SUCCEEDED), (number, end)
        ended.append(end)
    assert Status.FAILED in ended
    assert None in ended or Status.SUCCEEDED in ended, "the moments were too close together"
    for folder in (tracked.state / "artifacts").glob("[!.]*/*"):
        artifacts.verify(folder)
    killed = [n for n, end in enumerate(ended, start=1) if end is Status.FAILED]
    for number in killed[-2:]:
        before = tracked.provider.status(f"killed-{number}")
        done = {name for name, step in before.steps.items() if step.status is Status.SUCCEEDED}
        run = tracked.submit("folders", salt=number)
        state = tracked.finish(run)
        assert state.status is Status.SUCCEEDED
        cached = {name for name, step in state.steps.items() if step.status is Status.CACHED}
        assert cached >= done, "a finished step of the killed run was run again"
        with tracked.code() as module:
            digests = reference_digests(
                module.folders(salt=number), tmp_path / f"reference{number}"
            )
        assert tracked.digests(run) == {step: digest for (step, _), digest in digests.items()}
    until(lambda: not tracked.processes(), 60, "an end of all writers")
    assert_none_runs(tracked)


def assert_none_runs(project):
    from mlflow import MlflowClient

    uri = None
    for state in project.provider.runs():
        assert state.status.final
        sent = project.provider.sync(state.run)
        assert sent.left == 0, sent
        uri = state.tracking_uri
    client = MlflowClient(tracking_uri=uri)
    places = [one.experiment_id for one in client.search_experiments()]
    running = client.search_runs(places, "attributes.status = 'RUNNING'")
    assert not list(running)


def test_a_killed_fork_server_fails_the_step_and_leaves_no_orphan(project, tmp_path):
    note = tmp_path / "note"
    run = project.submit("waits", note=str(note))
    step = int(until(lambda: note.exists() and note.read_text(), what="the step"))
    (server,) = (p for p, c in project.working().items() if "launcher" in c and p != step)
    assert kill(server)
    state = project.finish(run)
    assert state.status is Status.FAILED
    assert "SIGKILL" in state.steps["patient"].error
    until(lambda: not project.processes(), 30, "an end of all processes")
    until(lambda: not Path(f"/proc/{step}").exists(), 30, "the end of its orphan")


def test_a_killed_step_fails_and_says_so(project, tmp_path):
    note = tmp_path / "note"
    run = project.submit("waits", note=str(note))
    step = int(until(lambda: note.exists() and note.read_text(), what="the step"))
    assert kill(step)
    state = project.finish(run)
    assert state.status is Status.FAILED
    assert "memory" in state.steps["patient"].error


def test_the_end_of_an_attached_submitter_cancels_the_run(project, tmp_path):
    note = tmp_path / "note"
    script = tmp_path / "watch.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(project.root)!r})\n"
        "from pathlib import Path\n"
        "import local_pipelines\n"
        "from waterflow.runs.submit import submit\n"
        f"call = local_pipelines.waits(note={str(note)!r})\n"
        "how = {'profile': 'mine', 'run_id': 'watched', 'attached': True}\n"
        f"run = submit(call, root=Path({str(project.root)!r}), **how)\n"
        "while True: time.sleep(0.05)\n"
    )
    watcher = subprocess.Popen(
        [sys.executable, str(script)], env=os.environ | {MARK: project.mark}, start_new_session=True
    )
    until(lambda: note.exists() and note.read_text(), what="the step")
    watcher.kill()
    watcher.wait()
    until(lambda: status(project, "watched") is Status.CANCELLED, 30, "the cancellation")
    until(lambda: not project.processes(), 60, "an end of all processes")
    assert_none_runs(project)


def test_ctrl_c_in_the_command_line_cancels_the_run(project, tmp_path):
    note = tmp_path / "note"
    command = [
        sys.executable, "-m", "waterflow.cli", "run", "local_pipelines.py:waits",
        "--profile", "mine", "--run-id", "typed", "-p", f"note={note}",
    ]  # fmt: skip
    typed = subprocess.Popen(
        command,
        cwd=project.root,
        env=os.environ | {MARK: project.mark},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: note.exists() and note.read_text(), what="the step")
    os.killpg(typed.pid, signal.SIGINT)
    assert typed.wait(300) == 130
    assert status(project, "typed") is Status.CANCELLED
    until(lambda: not project.processes(), 60, "an end of all processes")


def test_a_run_is_cancelled_while_libraries_are_imported(
    project, tmp_path, tmp_path_factory, monkeypatch
):
    libraries, note = tmp_path_factory.mktemp("libraries"), tmp_path / "note"
    (libraries / "everlasting.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
        "while True: time.sleep(0.05)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    monkeypatch.syspath_prepend(libraries)
    run = project.submit("importing")
    server = int(until(lambda: note.exists() and note.read_text(), what="the import"))
    assert f"PPid:\t{project.runner(run.id)}\n" in Path(f"/proc/{server}/status").read_text()
    run.cancel()
    state = project.finish(run, 20)
    assert (state.status, state.steps["imports"].status) == (Status.CANCELLED, Status.CANCELLED)
    until(lambda: not project.processes(), 20, "an end of all processes")


def test_a_cancelled_step_keeps_its_checkpoint_and_nothing_else(project, tmp_path):
    note = tmp_path / "note"
    run = project.submit("waits", note=str(note))
    until(lambda: note.exists() and note.read_text(), what="the step")
    run.cancel()
    assert project.finish(run).status is Status.CANCELLED
    folder = project.state / "runs" / run.id
    assert (folder / "checkpoints" / "patient" / "kept").read_text() == "kept"
    assert not list(folder.glob("steps/patient/1/out"))
    assert not list(folder.glob("steps/patient/1/scratch"))
