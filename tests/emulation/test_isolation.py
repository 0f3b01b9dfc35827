"""Paths of jobs' own: below a folder that exists, at the root of the file system, or none."""

import os
import threading
from pathlib import Path

import pytest

from waterflow.emulation.isolation import Level, probe
from waterflow.emulation.sandbox import Container, Spec, prepare

SCRIPTS = {
    ("/opt/ml",): "cat /opt/ml/mark; ls /opt/ml; pwd",
    (
        "/gcs",
    ): "cat /gcs/mark; ls /gcs; pwd; test -d /proc/self && test -e /dev/null && ls / | grep -c gcs",
    ("/gcs", "/opt/ml", "/mnt/azureml/wd"): "cat /gcs/mark /opt/ml/mark /mnt/azureml/wd/mark",
}


def run(isolation, folder, paths, script, start=None):
    """What a container prints, line by line, and its exit code."""
    prepare(folder, {})
    mounts = {path: folder / f"own-{number}" for number, path in enumerate(paths)}
    for path, place in mounts.items():
        place.mkdir()
        (place / "mark").write_text(f"mark of {path}\n")
    spec = Spec(
        command=["sh", "-ec", script],
        environment={"PATH": os.environ["PATH"]},
        folder=folder,
        mounts=mounts,
        start=start,
    )
    lines, ended = [], threading.Event()
    container = Container(
        isolation, spec, lambda some: lines.extend(text for _, text in some), ended
    )
    assert ended.wait(300)
    code = container.poll()
    container.close()
    return lines, code


@pytest.mark.parametrize("level", [Level.NAMESPACES, Level.MOUNTS])
@pytest.mark.parametrize("paths", SCRIPTS)
def test_a_job_sees_its_own_paths(tmp_path, level, paths):
    isolation = probe(paths, level)
    if isolation.level is not level:
        pytest.skip(f"the kernel refuses this isolation: {isolation.reason}")
    there = {path: Path(path).exists() for path in paths}
    lines, code = run(isolation, tmp_path / "job", paths, SCRIPTS[paths], start=paths[0])
    assert code == 0, lines
    assert lines[: len(paths)] == [f"mark of {path}" for path in paths]
    if len(paths) == 1:
        assert lines[1:3] == ["mark", paths[0]]
    assert {path: Path(path).exists() for path in paths} == there
    assert f"each job has its own {' and '.join(paths)}, by" in isolation.describe()


def test_what_a_job_writes_at_the_root_stays_in_its_folder(tmp_path):
    isolation = probe(("/gcs",))
    if not isolation.mounts:
        pytest.skip(f"the kernel refuses this isolation: {isolation.reason}")
    _, code = run(isolation, tmp_path / "job", ("/gcs",), "mkdir /gcs/b; echo x > /gcs/b/o")
    assert code == 0
    assert (tmp_path / "job" / "own-0" / "b" / "o").read_text() == "x\n"
    assert not Path("/gcs").exists()


def test_links_and_hosts_are_as_before_at_a_new_root(tmp_path):
    isolation = probe(("/gcs",))
    if not isolation.mounts:
        pytest.skip(f"the kernel refuses this isolation: {isolation.reason}")
    names = sorted(path.name for path in Path("/").iterdir() if not path.name.startswith("."))
    lines, code = run(isolation, tmp_path / "job", ("/gcs",), "ls /")
    assert code == 0
    assert lines == sorted([*names, "gcs"])


def test_without_mounts_paths_are_rewritten_and_the_job_starts_there(tmp_path):
    isolation = probe(("/gcs",), Level.REWRITTEN)
    assert "DEGRADED: there is no /gcs; it is replaced" in isolation.describe()
    lines, code = run(isolation, tmp_path / "job", ("/gcs",), "cat /gcs/mark; pwd", start="/gcs")
    assert code == 0
    assert lines == ["mark of /gcs", str(tmp_path / "job" / "own-0")]


@pytest.mark.parametrize("level", [None, Level.REWRITTEN])
def test_a_job_without_paths_has_a_folder_of_its_own(tmp_path, level):
    isolation = probe((), level)
    assert "each job has a folder of its own to run in" in isolation.describe()
    folder = tmp_path / "job" / "home"
    lines, code = run(isolation, tmp_path / "job", (), "pwd; echo x > y")
    assert (lines, code) == ([str(folder)], 0)
    assert (folder / "y").exists()


def test_a_link_serves_one_job_where_nothing_better_works(tmp_path):
    path = str(tmp_path / "here" / "own")
    Path(path).parent.mkdir()
    isolation = probe((path,), Level.SYMLINK)
    assert isolation.level is Level.SYMLINK
    lines, code = run(isolation, tmp_path / "job", (path,), f"cat {path}/mark")
    assert (lines, code) == ([f"mark of {path}"], 0)
    assert not Path(path).exists()
