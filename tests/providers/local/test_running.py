"""What the local provider promises beyond conformance: shares, ways of starting, environments."""

import os
import subprocess
import sys
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow import MlflowClient

from waterflow import artifacts
from waterflow.errors import ConfigurationError, ConflictError
from waterflow.provider import discovery
from waterflow.provider.state import Status
from waterflow.runs.run import Run
from waterflow.testing import reference_digests

from .conftest import until


def overlaps(folder):
    """Return the most that ran at once, by what the steps wrote down."""
    times = [tuple(map(float, file.read_text().split())) for file in folder.iterdir()]
    edges = sorted([(began, 1) for began, _ in times] + [(ended, -1) for _, ended in times])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


@pytest.mark.parametrize(
    ("settings", "parameters", "at_once"),
    [
        ("cpu = 3\n", {"cpu": 1.0}, 3),
        ("cpu = 1\n", {"cpu": 0.5}, 2),
        ("cpu = 8\nmemory = '4GiB'\n", {"cpu": 0.1, "memory": "2GiB"}, 2),
        ("cpu = 1\n", {"cpu": 16.0}, 1),
    ],
)
def test_steps_run_at_once_as_far_as_their_shares_allow(
    configured, tmp_path, settings, parameters, at_once
):
    project = configured(settings)
    notes = tmp_path / "notes"
    notes.mkdir()
    run = project.submit("crowd", folder=str(notes), **parameters)
    assert project.finish(run).status is Status.SUCCEEDED
    assert overlaps(notes) == at_once


def test_each_look_at_a_run_stays_as_it_was(project):
    """Also when a later look finds changes, and when two readers look in turn."""
    run = project.submit("many", count=5)
    looks = [(state := run.state, repr(state))]
    while not state.status.final:
        state = run.state
        looks.append((state, repr(state)))
    last = discovery.open_provider(project.root, "mine").status(run.id)
    assert [repr(state) for state, _ in looks] == [text for _, text in looks]
    assert repr(looks[-1][0].steps) == repr(last.steps)
    assert {step.status for step in last.steps.values()} == {Status.SUCCEEDED}


def test_resuming_runs_what_failed_and_reuses_what_did_not(project, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    failed = project.submit("resumable", folder=str(notes))
    assert project.finish(failed).status is Status.FAILED
    (notes / "repaired").touch()
    run = project.submit("resumable", {"resume": failed.id}, folder=str(notes))
    state = project.finish(run)
    assert state.status is Status.SUCCEEDED
    assert state.steps["first"].status is Status.CACHED, "finished, though cache=False"
    assert (notes / "first").read_text() == "x"
    assert (notes / "second").read_text() == "xx"
    assert run.artifact("second").load() == "first second"
    again = project.submit("resumable", folder=str(notes))
    assert project.finish(again).steps["first"].status is Status.SUCCEEDED


def test_a_cancelled_run_is_gone_on_from(configured, tmp_path):
    project = configured(OWN_PROGRAMS)
    note = tmp_path / "note"
    stopped = project.submit("printed", note=str(note))
    until(lambda: stopped.state.steps["program"].status is Status.SUCCEEDED, what="a step's end")
    with pytest.raises(ConflictError, match="is still running"):
        project.submit("printed", {"resume": stopped.id}, note=str(note))
    stopped.cancel()
    note.touch()
    run = project.submit("printed", {"resume": stopped.id, "cache": False}, note=str(note))
    steps = project.finish(run).steps
    assert {name: step.status for name, step in steps.items()} == {
        "prints": Status.SUCCEEDED,
        "program": Status.CACHED,
    }


def test_a_run_that_cannot_be_gone_on_from_is_refused(project, tmp_path):
    with project.code():
        inline = project.submit("resumable", {"inline": True}, folder=str(tmp_path))
    (tmp_path / "repaired").touch()
    done = project.submit("inline")
    project.finish(done)
    before = sorted(state.run for state in project.provider.runs())
    for run, pipeline, parameters, why in (
        (inline, "resumable", {"folder": str(tmp_path)}, "ran inline"),
        (inline, "inline", {}, "is of pipeline 'resumable', not of 'inline'"),
        (done, "inline", {}, "has succeeded"),
    ):
        with pytest.raises(ConflictError, match=why):
            project.submit(pipeline, {"resume": run.id}, **parameters)
    assert sorted(state.run for state in project.provider.runs()) == before


def test_inline_runs_in_this_process_with_the_same_digests(project, tmp_path):
    with project.code():
        run = project.submit("inline", {"inline": True})
    assert run.status is Status.SUCCEEDED, "it has ended when submit returns"
    assert run.artifact("who").load() == os.getpid()
    with project.code() as module:
        expected = reference_digests(module.inline(), tmp_path / "reference")
    digests = project.digests(run)
    assert digests["words"] == expected["words", "output"]
    project.finish(run)


def test_spawned_steps_give_the_digests_of_forked_ones(configured, tmp_path):
    project = configured('start = "spawn"\n')
    run = project.submit("folders", salt=3)
    assert project.finish(run).status is Status.SUCCEEDED
    with project.code() as module:
        expected = reference_digests(module.folders(salt=3), tmp_path / "reference")
    assert project.digests(run) == {step: digest for (step, _), digest in expected.items()}


def test_processes_start_and_threads_are_awaited_in_a_spawned_step(configured):
    project = configured('start = "spawn"\n')
    run = project.submit("crowded")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    crowded(run)


def test_processes_start_and_threads_are_awaited_inline(project, tmp_path):
    # In a program of its own: the fork of one that has threads, as pytest has, may wait for ever.
    program = (
        "from local_pipelines import crowded; from waterflow.runs import submit; import pathlib; "
        "print(submit.submit(crowded(), profile='mine', root=pathlib.Path(), inline=True).id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    run = Run(done.stdout.split()[-1], project.provider)
    assert run.status is Status.SUCCEEDED, list(run.logs())
    crowded(run)


def crowded(run):
    """See what the steps of `crowded` have returned."""
    for method in ("fork", "spawn", "forkserver"):
        assert run.artifact(method).load() == [2, 4, 6]
    assert [path.name for path in run.artifact("late").load().iterdir()] == ["written"]


OWN_PROGRAMS = "[profiles.mine.images]\nany = ''\n"


def histories(run, metric="loss"):
    """Return the history of a metric in MLflow, by step."""
    client = MlflowClient(tracking_uri=run.state.tracking_uri)
    entries = client.search_runs(
        [one.experiment_id for one in client.search_experiments()],
        f"tags.`waterflow.execution` = '{run.id}'",
    )
    return {
        child.data.tags["waterflow.step"]: [
            (one.step, one.value) for one in client.get_metric_history(child.info.run_id, metric)
        ]
        for child in entries
        if "waterflow.step" in child.data.tags
    }


@pytest.mark.parametrize(
    ("settings", "how"),
    [("", {}), ('start = "spawn"\n', {}), ("", {"inline": True})],
    ids=["forked", "spawned", "inline"],
)
def test_what_steps_print_becomes_metrics(configured, tmp_path, capfd, settings, how):
    project = configured(settings + OWN_PROGRAMS)
    note = tmp_path / "note"
    note.touch()
    run = project.submit("printed", how, note=str(note))
    state = project.finish(run)
    assert state.status is Status.SUCCEEDED, list(run.logs())
    assert project.provider.sync(run.id).left == 0
    histories_ = histories(run)
    assert histories_["prints"] == [(0, 1.0), (1, 0.5), (2, 0.25), (3, 7.0)]
    assert [step for step, _ in histories_["program"]] == [0, 1, 2]
    assert sorted(value for _, value in histories_["program"]) == [3.0, 4.0, 5.0]
    said = capfd.readouterr() if how else None
    lines = said.out.splitlines() if said else [line.text for line in run.logs("prints")]
    assert lines[:3] == ["0: loss=1.0", "1: loss=0.5", "2: loss=0.25"]


def test_metrics_are_known_while_a_step_prints_and_count_for_its_cache(configured, tmp_path):
    project = configured(OWN_PROGRAMS, send="now")
    note = tmp_path / "note"
    run = project.submit("printed", note=str(note))
    until((project.state / "mlflow.db.ready").exists, what="the store")
    until(lambda: len(histories(run).get("prints", ())) == 3, what="the history")
    note.touch()
    assert project.finish(run).status is Status.SUCCEEDED
    again = project.submit("printed", note=str(note))
    steps = project.finish(again).steps
    assert {step.status for step in steps.values()} == {Status.CACHED}
    other = project.submit("printed", note=str(note), name="other")
    steps = project.finish(other).steps
    assert {step.status for step in steps.values()} == {Status.SUCCEEDED}
    assert len(histories(other, "other")["prints"]) == 4


def wheel(folder, version):
    """Write a wheel of one module."""
    path = folder / f"waterflow_tiny-{version}-py3-none-any.whl"
    info = f"waterflow_tiny-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("waterflow_tiny.py", f"VERSION = {version!r}\n")
        packed.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: waterflow-tiny\nVersion: {version}\n"
        )
        packed.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        packed.writestr(f"{info}/RECORD", "")
    return f"waterflow-tiny @ {path.as_uri()}"


def test_a_step_has_the_requirements_that_it_asks_for(project, tmp_path):
    requirement = wheel(tmp_path, "1.5")
    run = project.submit("own_requirement", wheel=requirement)
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    assert run.artifact("tiny_version").load() == "1.5"


def test_a_requirement_that_cannot_be_had_is_said_at_submit(project, tmp_path):
    missing = f"waterflow-tiny @ {(tmp_path / 'waterflow_tiny-1-py3-none-any.whl').as_uri()}"
    with pytest.raises(ConfigurationError, match="could not be resolved"):
        project.submit("own_requirement", wheel=missing)
    assert list(project.provider.runs()) == []


def test_an_image_stands_for_a_folder_of_programs(tmp_path, configured):
    programs = tmp_path / "image" / "bin"
    programs.mkdir(parents=True)
    program = programs / "shout"
    program.write_text('#!/bin/sh\ntr a-z A-Z < "$1/value.json" > "$2/shouted.txt"\n')
    program.chmod(0o755)
    project = configured(f"[profiles.mine.images]\n'registry/shout:1' = '{programs.parent}'\n")
    (project.root / "local_pipelines.py").write_text(
        (project.root / "local_pipelines.py").read_text() + SHOUT
    )
    run = project.submit("shouting")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    assert run.artifact("read").load() == '{"SALT":7}'


SHOUT = """

@wf.step
def read(folder: Path) -> str:
    return (folder / "shouted.txt").read_text()


@wf.pipeline
def shouting() -> None:
    shouted = wf.container(
        name="shout", image="registry/shout:1",
        command=["shout", "{inputs.text}", "{outputs.folder}"],
        inputs={"text": words(7)}, outputs=["folder"],
    )
    read(shouted.folder)
"""


def resident(pid):
    """Return a process's resident memory in KiB."""
    with Path(f"/proc/{pid}/status").open() as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_the_runners_memory_does_not_grow_with_the_steps_done(project):
    run = project.submit("many", count=300)
    pid = until(lambda: project.runner(run.id), what="the runner")
    seen = []

    def look():
        state = run.state
        done = sum(step.status.final for step in state.steps.values())
        if not state.status.final:
            seen.append((done, resident(pid)))
        return state.status.final

    while not look():
        time.sleep(0.05)
    assert project.finish(run).status is Status.SUCCEEDED
    early = next(memory for done, memory in seen if done >= 50)
    late = [memory for done, memory in seen if done >= 250][-1]
    assert late - early < 200 * 8, f"{(late - early) / 200:.1f} KiB a step"
    assert all(a[0] <= b[0] for a, b in pairwise(seen))


def test_every_artifact_of_a_run_is_verified_when_it_is_stored(project):
    run = project.submit("folders", salt=9)
    project.finish(run)
    folders = list((project.state / "artifacts").glob("[!.]*/*"))
    assert len(folders) == 7
    for folder in folders:
        artifacts.verify(folder)
