from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from waterflow.errors import TrackingError
from waterflow.tracking.spool import (
    Spool,
    clear_foreign_mlflow,
    from_uri,
    parse_frames,
    point_mlflow_at,
    read,
    spool_uri,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path):
    with Spool(tmp_path / "s" / "spool.jsonl", execution="e", step="train", attempt=2) as spool:
        yield spool


def events(spool: Spool) -> list[dict]:
    return [event for event, _ in read(spool.path)]


def test_an_event_is_a_line_with_its_identity_and_the_time_in_ms(spool: Spool) -> None:
    spool.append("metric", key="auc", value=0.5, step=3)
    spool.append("param", key="trees", value="200")
    first, second = events(spool)
    assert first["id"] == "train/2/0"
    assert second["id"] == "train/2/1"
    assert (first["step"], first["attempt"], first["execution"]) == ("train", 2, "e")
    assert (first["key"], first["value"], first["at"]) == ("auc", 0.5, 3)
    assert abs(first["time"] - spool.path.stat().st_mtime * 1000) < 5000


def test_numbers_json_cannot_write_stay_strict_json(spool: Spool) -> None:
    for value in (float("nan"), float("inf"), float("-inf")):
        spool.append("metric", key="m", value=value)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    lines = spool.path.read_text().splitlines()
    values = [json.loads(line, parse_constant=refuse)["value"] for line in lines]
    assert values == ["NaN", "Infinity", "-Infinity"]


def test_reading_goes_on_where_it_stopped_and_leaves_a_torn_line(spool: Spool) -> None:
    spool.append("tag", key="a", value="1")
    [(event, offset)] = read(spool.path)
    assert event["key"] == "a"
    whole = spool.append("tag", key="ü", value="2")
    text = json.dumps({**whole, "key": "torn"})
    with spool.path.open("a") as stream:
        stream.write(text[:20])
        stream.flush()
        [(event, after)] = read(spool.path, offset)
        assert event["key"] == "ü"
        assert list(read(spool.path, after)) == []
        stream.write(text[20:] + "\n")
    assert [event["key"] for event, _ in read(spool.path, after)] == ["torn"]


def test_a_line_cut_by_a_crash_is_passed_over(spool: Spool) -> None:
    spool.append("tag", key="a", value="1")
    with spool.path.open("a") as stream:
        stream.write('{"id": "tr\n[]\n')
    spool.append("tag", key="b", value="2")
    assert [event["key"] for event in events(spool)] == ["a", "b"]


def test_a_spool_that_does_not_exist_has_no_events(tmp_path: Path) -> None:
    assert list(read(tmp_path / "none")) == []


def test_processes_and_threads_share_a_spool_without_sharing_ids(spool: Spool) -> None:
    code = (
        "import sys; from waterflow.tracking.spool import from_uri\n"
        "spool = from_uri(sys.argv[1])\n"
        "for n in range(200): spool.append('metric', key='m' * 500, value=n)\n"
    )
    command = [sys.executable, "-c", code, spool_uri(spool)]
    others = [subprocess.Popen(command) for _ in range(3)]
    here = [spool, from_uri(spool_uri(spool))]
    threads = [
        threading.Thread(
            target=lambda s=s: [s.append("tag", key="t", value="v") for _ in range(200)]
        )
        for s in here
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(300) for other in others] == [0, 0, 0]
    here[1].close()
    lines = events(spool)
    assert len(lines) == 1000
    assert len({event["id"] for event in lines}) == 1000
    assert {f"train/2/{n}" for n in range(400)} <= {event["id"] for event in lines}


def test_a_forked_process_names_itself_in_ids(spool: Spool) -> None:
    spool.append("tag", key="a", value="1")
    pid = os.fork()
    if pid == 0:
        spool.append("tag", key="b", value="2")
        os._exit(0)
    os.waitpid(pid, 0)
    spool.append("tag", key="c", value="3")
    assert [e["id"] for e in events(spool)] == ["train/2/0", f"train/2/{pid}.1", "train/2/1"]


def test_frames_survive_a_log_that_puts_things_before_them(tmp_path: Path) -> None:
    out = io.StringIO()
    with Spool(tmp_path / "x", execution="e", step="s", attempt=1, frames=out) as spool:
        out.write("epoch 1\n")
        spool.append("metric", key="loss", value=float("nan"))
        out.write("no newline")
        spool.append("tag", key="k", value="line\nbreak")
        lines = [f"2026-01-01T00:00:00Z {line}" for line in out.getvalue().splitlines()]
        assert list(parse_frames([*lines, "::waterflow:: {cut"])) == events(spool)


def test_artifacts_are_copied_beside_the_spool(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "b.txt").write_text("two")
    spool.log_artifact(tmp_path / "a.txt", "notes")
    spool.log_artifact(tmp_path / "folder")
    (tmp_path / "a.txt").write_text("changed since")
    named = {event["path"]: event["file"] for event in events(spool)}
    assert set(named) == {"notes/a.txt", "folder/deep/b.txt"}
    assert (spool.folder / named["notes/a.txt"]).read_text() == "one"
    assert (spool.folder / named["folder/deep/b.txt"]).read_text() == "two"


@pytest.mark.parametrize("path", ["../out", "/abs", "a/../../b"])
def test_an_artifact_cannot_leave_the_run(spool: Spool, tmp_path: Path, path: str) -> None:
    (tmp_path / "a.txt").write_text("one")
    with pytest.raises(TrackingError, match="leads out of the run"):
        spool.log_artifact(tmp_path / "a.txt", path)
    assert events(spool) == []


def test_foreign_mlflow_variables_go_and_ours_stay(spool: Spool) -> None:
    environ = {"MLFLOW_TRACKING_URI": "azureml://x", "MLFLOW_RUN_ID": "theirs", "PATH": "/bin"}
    assert clear_foreign_mlflow(environ) == ["MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"]
    assert environ == {"PATH": "/bin"}
    point_mlflow_at(spool, environ)
    assert environ["MLFLOW_TRACKING_URI"].startswith("waterflow-spool:///")
    before = dict(environ)
    assert clear_foreign_mlflow(environ) == []
    assert environ == before


def test_the_spool_stands_on_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import waterflow.tracking.spool\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'waterflow'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
