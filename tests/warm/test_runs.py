"""Runs with a helper: as without one, whatever is killed and whatever library is changed."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.provider import discovery
from waterflow.provider.state import Status
from waterflow.runs import submit as submitting
from waterflow.warm import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from waterflow.runs.run import Run

MODULE = "warm_pipelines"
MOMENTS = 50
ROUNDS = MOMENTS // 2
LIBRARY = "import os\n\nVALUE = {value!r}\nPROCESS = os.getpid()\n"


def until(condition: Callable[[], Any], what: str, seconds: float = 300.0) -> Any:
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.005)
    return answer


class Project:
    """A project with a helper, and a library that it imports."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.library = folder / "project", folder / "library"
        self.root.mkdir()
        self.library.mkdir()
        shutil.copyfile(Path(__file__).with_name(f"{MODULE}.py"), self.root / f"{MODULE}.py")
        (self.root / "waterflow.toml").write_text("".join(
            f'[profiles.{name}]\nprovider = "local"\nsend = "{send}"\nwarm = "{warm}"\n'
            for name, send, warm in (
                ("warm", "later", "1h"), ("tracked", "now", "1h"), ("plain", "later", "0")
            )
        ))  # fmt: skip
        self.write_library("one")
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.delenv(asking.SHARED, raising=False)
        monkeypatch.setenv("PYTHONPATH", str(self.library))
        monkeypatch.syspath_prepend(self.library)
        monkeypatch.syspath_prepend(self.root)
        self.state = self.root / ".waterflow"
        self.patch = monkeypatch

    def write_library(self, value: str) -> None:
        (self.library / "held_library.py").write_text(LIBRARY.format(value=value))
        time.sleep(0.05)  # what is written just before an import is not known to be imported

    def submit(self, pipeline: str, profile: str = "warm", **parameters: Any) -> Run:
        for name in (MODULE, "held_library"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        call = getattr(importlib.import_module(MODULE), pipeline)(**parameters)
        return submitting.submit(call, profile=profile, root=self.root)

    def looked(self, profile: str = "warm") -> dict[str, Any]:
        run = self.submit("looking", profile)
        run.wait()
        return run.artifact("look").load()

    def helpers(self) -> list[dict[str, Any]]:
        return list(asking.shown(self.state, os.environ))

    def processes(self) -> list[int]:
        pids: list[int] = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes()
                alive = (place / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if str(self.root).encode() in words and alive:
                    pids.append(int(place.name))
        return pids

    def close(self) -> None:
        asking.stop(self.state, os.environ)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    project = Project(tmp_path, monkeypatch)
    yield project
    project.close()


def comparable(look: dict[str, Any]) -> dict[str, Any]:
    """Return what a step has seen without what tells its run."""
    own = {"process", "imported_in"}
    environment = {
        name: value
        for name, value in look["environment"].items()
        if "/runs/looking-" not in value and not value.startswith("looking-")
    }
    environment.pop("WATERFLOW_RUN_TAGS")  # they name the profile
    said = {"stdout", "files"}
    return {k: v for k, v in look.items() if k not in own | said} | {
        "environment": {k: v for k, v in environment.items() if not v.isdecimal()},
        "log": Path(look["stdout"]).name,
        "files": [Path(file).name for file in look["files"] if "/runs/" not in file],
    }


def test_a_step_cannot_tell_that_a_helper_forked_it(project: Project) -> None:
    project.looked()  # the helper is there, from a session of another kind
    project.patch.setenv("PWD", "/somewhere")
    project.patch.setenv("WATERFLOW_SECRET_KEY", "of this run")
    mask, handler = os.umask(0o027), signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        plain, warm = project.looked("plain"), project.looked()
    finally:
        os.umask(mask)
        signal.signal(signal.SIGUSR1, handler)
    (helper,) = project.helpers()
    assert warm["imported_in"] in [one["pid"] for one in helper["holders"]]
    assert plain["imported_in"] != warm["imported_in"]
    assert warm["environment"]["WATERFLOW_SECRET_KEY"] == "of this run"
    assert (warm["umask"], "SIGUSR1" in warm["signals"]) == (0o027, True)
    warm, plain = comparable(warm), comparable(plain)
    assert warm.pop("environment") == plain.pop("environment")
    assert warm == plain


def test_a_changed_library_is_never_stale(project: Project) -> None:
    first = project.looked()
    (before,) = project.helpers()
    assert first["imported_in"] in [one["pid"] for one in before["holders"]]
    project.write_library("changed")
    assert project.looked()["value"] == "changed"
    again = project.looked()
    assert again["value"] == "changed"
    (after,) = project.helpers()
    assert again["imported_in"] in [one["pid"] for one in after["holders"]]
    assert after["pid"] != before["pid"]


def test_nothing_is_lost_whenever_the_helper_is_killed(project: Project) -> None:
    chance = random.Random(20261129)
    first = project.submit("small", salt=-1)
    began = time.monotonic()
    first.wait()
    life = time.monotonic() - began
    kills, texts = 0, set()
    for number in range(ROUNDS):
        profile = "tracked" if number in (3, 17) else "warm"
        runs = [project.submit("small", profile, salt=2 * number + one) for one in (0, 1)]
        for moment in sorted(chance.random() * life for _ in range(MOMENTS // ROUNDS)):
            time.sleep(moment / 2)
            for helper in project.helpers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(helper["pid"], signal.SIGKILL)
                    kills += 1
        for run in runs:
            assert run.wait().status is Status.SUCCEEDED
            texts.add(run.artifact("join").load())
    assert len(texts) == 2 * ROUNDS, "each run has its own result"
    assert kills > ROUNDS // 2, "a moment without a helper kills nothing"
    asking.stop(project.state, os.environ)
    until(lambda: not project.processes(), "the end of all processes")
    provider = discovery.open_provider(project.root, "warm")
    left = [provider.sync(state.run).left for state in list(provider.runs())]
    assert left == [0] * (2 * ROUNDS + 1)
    assert all(state.unsent == 0 for state in provider.runs())
