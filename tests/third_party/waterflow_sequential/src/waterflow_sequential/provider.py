"""The provider: starts a process for each run, and reads what that writes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
from msgspec import Struct

from waterflow import artifacts, data, spec
from waterflow.errors import ConfigurationError, UnknownNameError
from waterflow.packing import shipping
from waterflow.project import state_folder
from waterflow.provider import Artifact, Capabilities, Document, LogLine, PlannedJob, Provider
from waterflow.provider.capabilities import check_capabilities
from waterflow.provider.state import RunState, Status, StepState
from waterflow.runs.lineage import tracking_record
from waterflow.runtime.contract import EXECUTION
from waterflow.spec.job import leaves, step_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.provider import Build, Submission

_PROCESSES: list[subprocess.Popen[bytes]] = []


class Settings(Struct, forbid_unknown_fields=True):
    """The profile's settings.

    Attributes:
        folder: Where runs are kept, seen from the project's root.
    """

    folder: str = ".sequential"


class SequentialProvider(Provider):
    """Runs the steps of a pipeline one after the other, each as a job of its own."""

    name: ClassVar[str] = "sequential"

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: less than the local provider."""
        return Capabilities(timeouts=True, secrets=True, spot=True, keep_going=True)

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return self.root / self.profile.convert(Settings).folder

    # --- compiling ------------------------------------------------------------------------------

    def compile(self, build: Build) -> Document:
        """Write down the jobs in the pipeline's own order."""
        check_capabilities(build.spec, self.name, self.capabilities)
        jobs = [
            {
                "step": step_document(
                    build.spec, step, execution={"variable": EXECUTION}, frames=True
                ),
                "sources": {name: msgspec.to_builtins(source) for name, source in leaves(step)},
                "bundle": build.bundles[step.name].digest,
                "code": build.code(step.name),
                "versions": dict(build.versions[step.name]),
                "cache": step.cache and not isinstance(step.run, spec.Register),
            }
            for step in build.spec.steps
        ]
        rows = tuple(
            PlannedJob(step=s.name, kind="job", machine="this machine") for s in build.spec.steps
        )
        content = {"version": 1, "spec": msgspec.to_builtins(build.spec), "jobs": jobs}
        return Document(provider=self.name, content=content, jobs=rows)

    # --- running --------------------------------------------------------------------------------

    def submit(self, build: Build, document: Document, submission: Submission) -> None:
        """Start the run's process, once."""
        self.check_submission(submission)
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", submission.run_id):
            raise ConfigurationError(f"{submission.run_id!r} cannot be a run's id.")
        target = self._run(submission.run_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return
        for code in {one.digest: one for one in build.bundles.values()}.values():
            shipping.write(code, self.folder / "bundles")
        building = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        for index, pinned in enumerate(build.data.values()):
            place = building / "data" / str(index)
            place.mkdir(parents=True)
            data.fetch(pinned, place)
            artifacts.seal(place, "data")
        tracking = tracking_record(build, document, self.profile, submission)
        started = int(time.time() * 1000)
        state = RunState(
            run=submission.run_id, pipeline=build.spec.name, started=started,
            steps={step.name: StepState(name=step.name) for step in build.spec.steps},
            tracking_uri=tracking["uri"],
        )  # fmt: skip
        for name, text in tracking["files"].items():
            (building / name).write_text(text)
        (building / "state.json").write_bytes(msgspec.json.encode(state))
        (building / "run.json").write_text(json.dumps({
            "document": document.content, "parameters": dict(submission.parameters),
            "tracking": {**tracking, "files": {name: name for name in tracking["files"]}},
            "data": {uri: str(index) for index, uri in enumerate(build.data)}, "started": started,
            "cache": submission.cache, "root": str(self.root),
            "state": str(state_folder(self.root)),
        }))  # fmt: skip
        with (building / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                building.rename(target)
            except OSError:
                return  # another submit of the same id was faster
            with (target / "runner.log").open("wb") as log:
                _PROCESSES.append(subprocess.Popen(
                    [sys.executable, "-m", "waterflow_sequential.runner", str(target)],
                    pass_fds=[lock.fileno()], start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                ))  # fmt: skip
            (target / "pid").write_text(str(_PROCESSES[-1].pid))

    def cancel(self, run_id: str) -> None:
        """Ask the run's process to end, and wait for it."""
        while not self.status(run_id).status.final:
            try:
                os.kill(int((self._run(run_id) / "pid").read_text()), signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError):
                continue
            time.sleep(0.2)

    # --- looking --------------------------------------------------------------------------------

    def _run(self, run_id: str) -> Path:
        return self.folder / "runs" / run_id

    def _known(self, run_id: str) -> Path:
        folder = self._run(run_id)
        if not (folder / "state.json").is_file():
            raise UnknownNameError(f"There is no run '{run_id}'.", provider=self.name)
        return folder

    def status(self, run_id: str) -> RunState:
        """Read the state; a run whose process is gone has failed."""
        _PROCESSES[:] = [process for process in _PROCESSES if process.poll() is None]
        folder = self._known(run_id)
        alive = _alive(folder)
        state = msgspec.json.decode((folder / "state.json").read_bytes(), type=RunState)
        if not alive and not state.status.final:
            state.error = "its process was killed"
            state.move(Status.FAILED)
        state.sending = alive and state.status.final
        return state

    def runs(self) -> Iterator[RunState]:
        """Yield the runs, newest first."""
        places = (self.folder / "runs").glob("[!.]*")
        states = [self.status(place.name) for place in places]
        yield from sorted(states, key=lambda state: state.started or 0, reverse=True)

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Yield the lines of the steps' logs."""
        folder = self._known(run_id)
        names = list(self.status(run_id).steps)
        if step is not None and step not in names:
            raise UnknownNameError(f"Run '{run_id}' has no step '{step}'.", provider=self.name)
        offsets = dict.fromkeys([step] if step else names, 0)
        while True:
            over = self.status(run_id).status.final
            for name, offset in offsets.items():
                log = folder / "steps" / name / "output.log"
                text = log.read_bytes()[offset:] if log.exists() else b""
                end = len(text) if over else text.rfind(b"\n") + 1
                offsets[name] = offset + end
                for line in text[:end].decode(errors="replace").splitlines():
                    yield LogLine(step=name, text=line)
            if over or not follow:
                return
            time.sleep(0.05)

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return what the steps that have ended made."""
        folder = self._known(run_id)
        listed: list[Artifact] = []
        for name, step in self.status(run_id).steps.items():
            for place in sorted((folder / "steps" / name / "out").glob("*")):
                if step.status.good:
                    manifest = artifacts.read(place)
                    listed.append(Artifact(
                        step=name, output=place.name, type=manifest.type, sha256=manifest.sha256,
                        size=manifest.size, uri=place.as_uri(),
                    ))  # fmt: skip
        return listed

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return an artifact's folder, verified."""
        listed = {(one.step, one.output): one for one in self.artifacts(run_id)}
        if (step, output) not in listed or listed[step, output].sha256 is None:
            raise UnknownNameError(f"Run '{run_id}' has no artifact '{step}.{output}'.")
        place = self._run(run_id) / "steps" / step / "out" / output
        artifacts.verify(place)
        return place


def _alive(folder: Path) -> bool:
    with (folder / "lock").open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
