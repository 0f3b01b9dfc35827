"""Projects for the local provider's own tests, and what their processes are known by."""

import contextlib
import importlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from waterflow_local.folders import Lock, State

from waterflow.provider import discovery
from waterflow.provider.state import Status
from waterflow.runs import submit as submitting

SOURCE = Path(__file__).with_name("local_pipelines.py")
MARK = "WATERFLOW_TEST_MARK"


def until(condition, seconds=300.0, what="it"):
    """Poll until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.01)
    return answer


class Project:
    """A project whose processes can be told from all others by a mark in their environment.

    Args:
        root: Its folder.
        settings: Of its profile, as the file has them.
        send: When MLflow gets its runs: a process that imports MLflow costs a test seconds.
    """

    def __init__(self, root, settings="", send="later"):
        self.root = root
        self.mark = f"{root.name}-{time.monotonic_ns()}"
        shutil.copyfile(SOURCE, root / "local_pipelines.py")
        (root / "waterflow.toml").write_text(
            f'[profiles.mine]\nprovider = "local"\nsend = "{send}"\n{settings}'
        )
        self.provider = discovery.open_provider(root, "mine")
        self.state = root / ".waterflow"

    @contextlib.contextmanager
    def code(self):
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        sys.modules.pop("local_pipelines", None)
        try:
            yield importlib.import_module("local_pipelines")
        finally:
            sys.path.remove(str(self.root))
            sys.modules.pop("local_pipelines", None)

    def call(self, pipeline, **parameters):
        with self.code() as module:
            return getattr(module, pipeline)(**parameters)

    def submit(self, pipeline, how=None, **parameters):
        with self.code() as module, pytest.MonkeyPatch.context() as patch:
            patch.setenv(MARK, self.mark)
            call = getattr(module, pipeline)(**parameters)
            return submitting.submit(call, profile="mine", root=self.root, **(how or {}))

    def finish(self, run, seconds=300.0):
        def ended():
            state = run.state
            over = state.status.final and not state.sending
            return state if over and not Lock(State(self.state).run(run.id).lock).held() else None

        return until(ended, seconds, f"the end of {run.id}")

    def digests(self, run):
        return {one.step: one.sha256 for one in run.artifacts()}

    def processes(self):
        """Return the command lines of this project's processes by their pids."""
        commands = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                    if state != "Z" and int(place.name) != os.getpid():
                        commands[int(place.name)] = (place / "cmdline").read_bytes().decode()
        return commands

    def working(self):
        """Return its processes but those that only send tracking."""
        return {p: c for p, c in self.processes().items() if "tracking.writer" not in c}

    def runner(self, run_id):
        """Return the pid of the process that runs a run, or None."""
        place = f"runs/{run_id}"
        return next(
            (p for p, c in self.working().items() if "waterflow_local" in c and place in c), None
        )

    def close(self):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.close()


@pytest.fixture
def tracked(tmp_path):
    """Return a project whose runs are sent to MLflow beside their steps."""
    project = Project(tmp_path, send="now")
    yield project
    project.close()


@pytest.fixture
def configured(tmp_path):
    """Return what makes a project with settings."""
    projects = []

    def make(settings, **more):
        projects.append(Project(tmp_path, settings, **more))
        return projects[-1]

    yield make
    for one in projects:
        one.close()


__all__ = ["MARK", "Project", "Status", "until"]
