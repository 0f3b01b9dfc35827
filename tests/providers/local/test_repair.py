"""What is altered, broken or foreign below `.waterflow` heals, or is told; it never spreads."""

import json
import shutil

import pytest

from waterflow import artifacts
from waterflow.errors import ConfigurationError, ConflictError, RunError, StepFailed
from waterflow.provider import discovery
from waterflow.provider.state import Status

STEPS = """
import os, signal, subprocess, sys, time
from pathlib import Path
import waterflow as wf


@wf.step
def source() -> Path:
    Path("note.txt").write_text("as it was")
    return Path("note.txt")


@wf.step
def reader(file: Path, salt: int) -> str:
    return file.read_text()


@wf.pipeline
def reads(salt: int = 0) -> None:
    reader(source(), salt)


@wf.step(include=["notes/*.txt"], cache=False)
def scribbler() -> str:
    note = Path("notes/note.txt")
    content = note.read_text()
    note.write_text("scribbled")
    return content


@wf.pipeline
def scribbles() -> None:
    scribbler()


@wf.pipeline
def _hidden(salt: int = 0) -> None:
    source()


@wf.step(retries=1, retry_delay=0.1)
def broken_then_fine(note: str) -> int:
    while not Path(note).exists():
        time.sleep(0.02)
    if not Path(note).read_text():
        Path(note).write_text("once")
        raise RuntimeError("at first")
    return 1


@wf.step
def after_all(number: int) -> int:
    return number + 1


@wf.step
def broken(note: str) -> int:
    Path(note).touch()
    raise RuntimeError("broken at once")


@wf.pipeline
def two_failures(note: str) -> None:
    after_all(broken_then_fine.options(cpu=0.5)(note))
    after_all.options(name="never")(broken.options(cpu=0.5)(note))

"""


@pytest.fixture
def own(project):
    with (project.root / "local_pipelines.py").open("a") as file:
        file.write(STEPS)
    (project.root / "notes").mkdir()
    (project.root / "notes" / "note.txt").write_text("as it was")
    return project


def stored(project, run, step):
    (artifact,) = (one for one in run.artifacts() if one.step == step)
    (folder,) = (project.state / "artifacts").glob(f"[!.]*/{artifact.sha256}.*")
    return folder


def spoil(folder):
    folder.chmod(0o755)
    (folder / "note.txt").chmod(0o644)
    (folder / "note.txt").write_text("spoilt!!!")


def test_what_is_stored_is_read_only(own):
    run = own.submit("reads")
    own.finish(run)
    places = [stored(own, run, "source"), next((own.state / "bundles").iterdir())]
    for place in places:
        for path in place.rglob("*"):
            written = path.is_file() and "__pycache__" not in path.parts
            assert not written or path.stat().st_mode & 0o222 == 0


def test_an_altered_input_fails_one_run_and_the_next_one_heals(own):
    run = own.submit("reads")
    own.finish(run)
    spoil(stored(own, run, "source"))
    with pytest.raises(StepFailed, match="altered"):
        own.submit("reads", salt=1).wait(300)
    healed = own.submit("reads", salt=1)
    state = own.finish(healed)
    assert state.status is Status.SUCCEEDED
    assert state.steps["source"].status is Status.SUCCEEDED, "it is made anew"
    assert healed.artifact("reader").load() == "as it was"
    assert artifacts.verify(stored(own, healed, "source"))


def test_clearing_the_cache_heals_too(own):
    run = own.submit("reads")
    own.finish(run)
    spoil(stored(own, run, "source"))
    own.provider.clear_cache(0)
    healed = own.submit("reads", salt=1)
    assert own.finish(healed).status is Status.SUCCEEDED
    assert healed.artifact("reader").load() == "as it was"
    assert artifacts.verify(stored(own, run, "source"))


def test_a_step_cannot_spoil_its_bundle_and_a_spoilt_one_is_written_anew(own):
    for _ in range(2):
        run = own.submit("scribbles")
        assert own.finish(run).status is Status.SUCCEEDED, list(run.logs())
        assert run.artifact("scribbler").load() == "as it was"
    (note,) = (own.state / "bundles").glob("*/notes/note.txt")
    note.chmod(0o644)
    note.write_text("spoilt")
    (note.parent.parent / "extra.py").write_text("")
    run = own.submit("scribbles")
    assert own.finish(run).status is Status.SUCCEEDED
    assert run.artifact("scribbler").load() == "as it was"
    assert note.read_text() == "as it was"
    assert not (note.parent.parent / "extra.py").exists()


def test_what_killed_processes_left_is_swept(own):
    run = own.submit("reads")
    own.finish(run)
    left = own.state / "artifacts" / ".data-killed" / "inner"
    left.mkdir(parents=True)
    (left / "part").touch()
    left.chmod(0o555)
    (own.state / "artifacts" / ".trash-killed").mkdir()
    (own.state / "runs" / ".run-killed").mkdir()
    broken = own.state / "cache" / "aa" / "broken.json"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("{")
    assert own.provider.cache_size().artifacts == 2
    own.provider.clear_cache(0)
    assert not list((own.state / "artifacts").glob(".*"))
    assert not list((own.state / "runs").glob(".*"))
    assert not broken.exists()
    assert artifacts.verify(stored(own, run, "source")), "a run names it"


def test_a_broken_cache_record_is_as_none(own):
    own.finish(own.submit("reads"))
    for path in (own.state / "cache").rglob("*.json"):
        path.write_text('{"outputs": 3}')
    assert own.finish(own.submit("reads")).status is Status.SUCCEEDED


def test_foreign_folders_among_the_runs_are_passed_over(own):
    run = own.submit("reads")
    own.finish(run)
    (own.state / "runs" / "foreign").mkdir()
    (own.state / "runs" / "a file").touch()
    half = own.state / "runs" / "half"
    half.mkdir()
    shutil.copy(own.state / "runs" / run.id / "submission.json", half)
    assert [state.run for state in own.provider.runs()] == [run.id]
    own.provider.clear_cache(None)


def test_a_run_id_stands_for_one_pipeline_with_one_set_of_parameters(own):
    run = own.submit("reads", {"run_id": "mine"}, salt=1)
    assert own.submit("reads", {"run_id": "mine"}, salt=1).id == run.id
    with pytest.raises(ConflictError, match="other parameters") as refused:
        own.submit("reads", {"run_id": "mine"}, salt=2)
    assert refused.value.exit_code == 4
    with pytest.raises(ConflictError, match="another pipeline"):
        own.submit("scribbles", {"run_id": "mine"})
    assert own.finish(run).status is Status.SUCCEEDED


def test_a_pipeline_may_begin_with_an_underscore(own):
    run = own.submit("_hidden")
    assert own.finish(run).status is Status.SUCCEEDED
    assert [state.run for state in own.provider.runs()] == [run.id]


def test_what_does_not_need_a_failed_step_is_tried_again_and_goes_on(own, tmp_path):
    """As on SageMaker, whose jobs know nothing of each other."""
    run = own.submit("two_failures", note=str(tmp_path / "note"))
    state = own.finish(run, 60)
    assert state.status is Status.FAILED
    assert {name: (step.status, step.attempt) for name, step in state.steps.items()} == {
        "broken_then_fine": (Status.SUCCEEDED, 2),
        "after_all": (Status.SUCCEEDED, 1),
        "broken": (Status.FAILED, 1),
        "never": (Status.NOT_RUN, 0),
    }


def test_a_fault_of_the_runner_itself_is_told(own):
    run = own.submit("reads")
    own.finish(run)
    for path in (own.state / "cache").rglob("*.json"):
        path.unlink()
    shutil.rmtree(own.state / "cache")
    (own.state / "cache").write_text("no folder")
    with pytest.raises((RunError, StepFailed), match="Error"):
        own.submit("reads").wait(300)


def test_a_torn_line_swallows_no_event(own):
    run = own.submit("reads")
    own.finish(run)
    journal = own.state / "runs" / run.id / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:10])
    fresh = discovery.open_provider(own.root, "mine")
    assert fresh.status(run.id).status is Status.FAILED, "its runner has ended, and its end is lost"
    assert [json.loads(line)["kind"] for line in journal.read_bytes().splitlines()[-1:]] == [
        "run.end"
    ]


def test_a_colon_in_the_projects_path_is_refused(tmp_path):
    from .conftest import Project

    root = tmp_path / "a:b"
    root.mkdir()
    project = Project(root)
    with pytest.raises(ConfigurationError, match="a:b"):
        project.submit("inline")
