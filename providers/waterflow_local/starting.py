"""Starting runs: a run's folder is laid out in one stroke, and its runner begins to work in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from waterflow import data
from waterflow.errors import ConflictError
from waterflow.packing import shipping
from waterflow.provider.basis import RunBasis
from waterflow.warm import asking, wire
from waterflow_local import environments, runner
from waterflow_local.document import (
    RunSettings,
    Submitted,
    Tracking,
    read_document,
    read_submitted,
)
from waterflow_local.folders import Lock, RunFolder, State, write_json
from waterflow_local.foretelling import identity
from waterflow_local.kernel import without_display
from waterflow_local.processes import Inline

if TYPE_CHECKING:
    from waterflow.provider import Build, Document, Submission
    from waterflow_local.profile import LocalSettings
    from waterflow_local.store import Store, Stored

TRACKING_PATIENCE: Final = 10.0
"""Seconds without progress after which a run's end no longer waits for tracking."""
_PATIENCE: Final = 2.0
"""Seconds in which a fork of the helper is ready."""


class Starter:
    """Starts the runs of one project.

    Args:
        root: The project's folder.
        state: Its state folder.
        settings: The profile's settings.
        profile: The profile's name.
        store: Where outside data is kept.
    """

    def __init__(
        self, root: Path, state: State, settings: LocalSettings, profile: str, store: Store
    ) -> None:
        self.root, self.state, self.settings, self.profile = root, state, settings, profile
        self.store = store
        self._attached: list[int] = []

    def start(
        self,
        folder: RunFolder,
        build: Build,
        document: Document,
        submission: Submission,
        tracking: dict[str, Any],
    ) -> None:
        """Start a run, unless the same was started before under its id.

        Args:
            folder: Where the run is to be.
            build: The pipeline, with its code.
            document: What it was compiled to.
            submission: How it is to run.
            tracking: Where it is tracked, and what is said of its origin.

        Raises:
            ConflictError: Another pipeline, or other parameters, ran under the id.
        """
        if folder.folder.exists():
            return _check_same(folder, build, submission)
        in_use = Lock(self.state.folder / "prune.lock")
        in_use.take(wait=True, shared=True)
        try:
            for code in {code.digest: code for code in build.bundles.values()}.values():
                shipping.write(code, self.state.bundles)
            lock = self._lay_out(folder, build, document, submission, tracking)
        finally:
            in_use.release()
        if lock is None:
            return _check_same(folder, build, submission)
        try:
            if submission.inline:
                write_json(folder.process, {"pid": os.getpid()})
                runner.run(folder, self.state, Inline(self.root))
            else:
                self._spawn(folder, lock, submission.attached)
        finally:
            lock.release()

    def _lay_out(
        self,
        folder: RunFolder,
        build: Build,
        document: Document,
        submission: Submission,
        tracking: dict[str, Any],
    ) -> Lock | None:
        """Write the run's folder in one stroke; None when another submit was faster."""
        self.state.runs.mkdir(parents=True, exist_ok=True)
        building = RunFolder(Path(tempfile.mkdtemp(prefix=".run-", dir=self.state.runs)))
        try:
            building.folder.chmod(0o755)
            lock = Lock(building.lock)
            lock.take(wait=True)
            self._write(building, build, document, submission, tracking)
            try:
                building.folder.rename(folder.folder)
            except OSError:
                if not folder.folder.is_dir():
                    raise
                lock.release()
                return None
        finally:
            shutil.rmtree(building.folder, ignore_errors=True)
        return lock

    def _write(
        self,
        folder: RunFolder,
        build: Build,
        document: Document,
        submission: Submission,
        tracking: dict[str, Any],
    ) -> None:
        write_json(folder.document, document.content)
        for name, text in tracking["files"].items():
            (folder.folder / name).write_text(text, encoding="utf-8", newline="")
        write_json(
            folder.folder / "tracking-settings.json",
            {
                "uri": tracking["uri"],
                "experiment": tracking["experiment"],
                "state": str(self.state.folder),
                "closing": "waterflow_local.reporting:write",
            },
        )
        stored = {uri: self._bring(pinned) for uri, pinned in build.data.items()}
        submitted = Submitted(
            created=int(time.time() * 1000),
            root=str(self.root),
            parameters=dict(submission.parameters),
            data=stored,
            data_parameters=tuple(n for n, p in build.spec.parameters.items() if p.type == "data"),
            datasets=tuple(_dataset(uri, artifact) for uri, artifact in stored.items()),
            cache=submission.cache,
            inline=submission.inline,
            resume=submission.resume,
            interpreters=environments.interpreters(build.spec, self.state, self.settings.images),
            settings=RunSettings(
                fork=self._fork(),
                grace=self.settings.grace,
                images=self.settings.images,
                send=self.settings.send,
                tracking_patience=TRACKING_PATIENCE,
                warm=self.settings.warm_seconds,
            ),
            tracking=Tracking(tracking["uri"], tracking["experiment"]),
            tags=tracking["tags"],
            files={name: name for name in tracking["files"]},
            basis=RunBasis.of(build, self.profile, submission.parameters),
        )
        write_json(folder.submission, msgspec.to_builtins(submitted))

    def _fork(self) -> bool:
        # macOS has fork, but its own frameworks do not survive it.
        return self.settings.start == "fork" or (
            self.settings.start == "auto" and sys.platform == "linux"
        )

    def _bring(self, pinned: data.Pinned) -> Stored:
        return self.store.keep_data(identity(pinned), lambda folder: data.fetch(pinned, folder))

    def _spawn(self, folder: RunFolder, lock: Lock, attached: bool) -> None:
        """Start the runner; it inherits the run's lock, so a dead run is seen as such."""
        files = [lock.fileno()]
        theirs: int | None = None
        if attached:
            theirs, ours = os.pipe()
            files.append(theirs)
            self._attached.append(ours)
        with folder.runner_log.open("ab") as log:
            if not self._fork_runner(folder, log.fileno(), files):
                _start_runner(folder, log.fileno(), files)
        if theirs is not None:
            os.close(theirs)

    def _fork_runner(self, folder: RunFolder, log: int, files: list[int]) -> bool:
        """Let the project's helper fork the runner; False where it has none, or none that can."""
        helper, variables = None, without_display(os.environ)
        if self.settings.warm_seconds and self._fork():
            helper = asking.living(self.state.folder, variables)
        if helper is None:
            return False
        document = {
            "call": "waterflow_local.__main__:take_over",
            "like": "steps",
            "nice": 0,
            "folder": str(folder.folder),
        }
        with contextlib.closing(helper):
            fork = helper.fork("runner", document, variables, [log, *files], socket.SOCK_SEQPACKET)
            if fork is None:
                return False
            with fork:
                return wire.go(fork, _PATIENCE) is not None


def _start_runner(folder: RunFolder, log: int, files: list[int]) -> None:
    arguments = [sys.executable, "-P", "-m", "waterflow_local", str(folder.folder)]
    process = subprocess.Popen(
        [*arguments, *map(str, files[1:])],
        env=without_display(os.environ),
        pass_fds=files,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    _CHILDREN.append(process)


def _check_same(folder: RunFolder, build: Build, submission: Submission) -> None:
    """See that a run which is there already is of the same build and parameters.

    Raises:
        ConflictError: It is not.
    """
    digest = read_document(folder).digest
    parameters = json.loads(json.dumps(dict(submission.parameters)))
    differs = "another pipeline" if digest != build.digest else "other parameters"
    if digest != build.digest or read_submitted(folder).parameters != parameters:
        raise ConflictError(
            f"A run '{folder.id}' of {differs} was started before. Choose another run id, "
            f"or look at that run: waterflow status {folder.id}",
            provider="local",
            operation="submit",
        )


def _dataset(uri: str, artifact: Stored) -> dict[str, Any]:
    """Return outside data as tracking shows it."""
    return {
        "name": Path(uri).name or uri,
        "digest": artifact.digest,
        "source": uri,
        "source_type": "uri" if "://" in uri else "local",
        "context": "input",
    }


_CHILDREN: list[subprocess.Popen[bytes]] = []


def reap() -> None:
    """Collect runners that this process started and that have ended."""
    _CHILDREN[:] = [process for process in _CHILDREN if process.poll() is None]
