"""The effects: starts, watches, stops and reads runs; folders and processes are the service."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from waterflow import artifacts, spec
from waterflow.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    ProviderError,
    UnknownNameError,
)
from waterflow.provider import (
    RUN_ID,
    Artifact,
    CacheSize,
    Code,
    Lineage,
    LogLine,
    Measurement,
    Sent,
)
from waterflow.provider.state import Status
from waterflow.tracking.spool import read
from waterflow.tracking.writer import SETTINGS, Tail
from waterflow_local.document import (
    LocalDocument,
    read_document,
    read_submitted,
)
from waterflow_local.folders import Lock, RunFolder, State, put_aside, read_json
from waterflow_local.foretelling import foretell
from waterflow_local.journal import Reader, finished
from waterflow_local.log_files import LogFile
from waterflow_local.starting import Starter, reap
from waterflow_local.store import Selection, Store, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow.provider import Build, Document, Submission
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.expectation import Expectation
    from waterflow.runs.run import RunState
    from waterflow.tracking.pages import TrackedRun
    from waterflow_local.profile import LocalSettings

_POLL: Final = 0.05
"""Seconds between two looks at a growing file."""


class Client:
    """The runs of one project.

    Args:
        root: The project's folder.
        state: Its state folder.
        settings: The profile's settings.
        profile: The profile's name.
    """

    def __init__(
        self, root: Path, state: State, settings: LocalSettings, profile: str = ""
    ) -> None:
        self.root, self.state, self.settings, self.profile = root, state, settings, profile
        self.store = Store(state)
        self._readers: dict[str, Reader] = {}
        self._artifacts_of: dict[str, tuple[int, list[Artifact]]] = {}
        self._starter = Starter(root, state, settings, profile, self.store)

    # --- starting ------------------------------------------------------------------------------

    def submit(
        self, build: Build, document: Document, submission: Submission, tracking: dict[str, Any]
    ) -> None:
        """Start a run, unless the same was started before under its id.

        Raises:
            ConfigurationError: The id or the project's path cannot be used.
            ConflictError: Another pipeline, or other parameters, ran under the id; or the run to
                go on from cannot be gone on from.
            NotFoundError: There is no run to go on from.
        """
        if not RUN_ID.fullmatch(submission.run_id):
            raise ConfigurationError(
                f"{submission.run_id!r} cannot be a run's id: use letters, digits, '.', '_', '-'."
            )
        if os.pathsep in str(self.state.folder):
            raise ConfigurationError(
                f"The project's path {self.root} holds '{os.pathsep}', which separates the entries "
                "of PYTHONPATH. Move the project to a folder without it."
            )
        folder = self.state.run(submission.run_id)
        if submission.resume is not None and not folder.folder.exists():
            self._check_resumable(submission.resume, build.spec.name)
        self._starter.start(folder, build, document, submission, tracking)

    def _check_resumable(self, run_id: str, pipeline: str) -> None:
        """See that a run of a pipeline can be gone on from.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: It is another pipeline's, ran inline, is under way or has succeeded.
        """
        inline = read_submitted(self._known(run_id)).inline
        state = self.status(run_id)
        if state.pipeline != pipeline:
            why = (
                f"is of pipeline '{state.pipeline}', not of '{pipeline}'. Name a run of "
                f"'{pipeline}': waterflow runs"
            )
        elif not state.status.final:
            why = f"is still running. Watch it: waterflow status {run_id}"
        elif state.status.good:
            why = (
                "has succeeded: there is nothing to go on with. Start a new run: leave --resume out"
            )
        elif inline:
            why = (
                "ran inline: what its steps made came from the live tree and is not kept to go on "
                "from. Start a new run: leave --resume out"
            )
        else:
            return
        raise ConflictError(f"Run '{run_id}' {why}", provider="local", operation="resume run")

    # --- watching ------------------------------------------------------------------------------

    def _known(self, run_id: str) -> RunFolder:
        folder = self.state.run(run_id)
        if not RUN_ID.fullmatch(run_id) or not folder.submission.is_file():
            raise UnknownNameError(
                f"There is no run '{run_id}' in {self.state.runs}. List them: waterflow runs.",
                name=run_id,
                known=(one.name for one in self.state.runs.glob("[!.]*")),
                provider="local",
                operation="find run",
            )
        return folder

    def status(self, run_id: str) -> RunState:
        """Return a run's state."""
        reap()
        folder = self._known(run_id)
        reader = self._readers.get(run_id)
        if reader is None:
            reader = self._readers[run_id] = Reader(folder)
        state = reader.refresh()
        if state.status.final:
            state.sending = Lock(folder.sending).held()
            state.unsent = unsent(folder)
        return state

    def runs(self) -> Iterator[RunState]:
        """Yield all runs, newest first."""
        if not self.state.runs.is_dir():
            return
        ages: list[tuple[int, str]] = []
        for folder in map(RunFolder, self.state.runs.glob("[!.]*")):
            # What else lies here is nobody's run: a file manager's, or a copy half made.
            with contextlib.suppress(OSError):
                if RUN_ID.fullmatch(folder.id) and folder.document.is_file():
                    ages.append((folder.submission.stat().st_mtime_ns, folder.id))
        for _, run_id in sorted(ages, reverse=True):
            try:
                state = self.status(run_id)
            except (NotFoundError, OSError, ValueError, KeyError):
                continue
            yield state

    def logs(self, run_id: str, step: str | None, follow: bool) -> Iterator[LogLine]:
        """Yield the lines of steps' logs, attempt after attempt, as they grow."""
        folder = self._known(run_id)
        state = self.status(run_id)
        if step is not None and step not in state.steps:
            raise UnknownNameError(
                f"Run '{run_id}' has no step '{step}'; it has: {', '.join(state.steps)}.",
                name=step,
                known=state.steps,
                provider="local",
                operation="read logs",
            )
        readers: dict[Path, LogFile] = {}
        while True:
            over = state.status.final
            for name in [step] if step else state.steps:
                for attempt in range(1, state.steps[name].attempt + 1):
                    log = folder.log(name, attempt)
                    reader = readers.setdefault(log, LogFile(name, log))
                    yield from reader.fresh(whole=over, updates=follow and not over)
            if over or not follow:
                return
            time.sleep(_POLL)
            state = self.status(run_id)

    def cancel(self, run_id: str) -> None:
        """Ask the runner to stop the run, and wait until it has."""
        folder = self._known(run_id)
        while not self.status(run_id).status.final:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, ProcessLookupError):
                os.kill(read_json(folder.process)["pid"], signal.SIGTERM)
            deadline = time.monotonic() + self.settings.grace + 5
            while time.monotonic() < deadline and not self.status(run_id).status.final:
                time.sleep(_POLL)

    # --- artifacts -----------------------------------------------------------------------------

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return what a run's steps have made."""
        folder = self._known(run_id)
        size = folder.journal.stat().st_size if folder.journal.exists() else 0
        known = self._artifacts_of.get(run_id)
        if known is None or known[0] != size:  # who fetches many asks as often
            listed = [
                self._artifact(event["step"], output, entry)
                for event in finished(folder)
                for output, entry in event["outputs"].items()
            ]
            known = self._artifacts_of[run_id] = size, listed
        return list(known[1])

    def _artifact(self, step: str, output: str, entry: dict[str, Any]) -> Artifact:
        place = "" if entry["digest"] is None else self.store.place(Stored(**entry)).as_uri()
        return Artifact(
            step=step,
            output=output,
            type=entry["type"],
            sha256=entry["digest"],
            size=entry["size"],
            uri=place,
        )

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return an artifact's folder, verified."""
        known = {(a.step, a.output): a for a in self.artifacts(run_id)}
        artifact = known.get((step, output))
        if artifact is None or artifact.sha256 is None:
            raise UnknownNameError(
                f"Run '{run_id}' has no artifact '{step}.{output}'. "
                f"List them: waterflow artifacts {run_id}",
                provider="local",
                operation="read artifact",
            )
        folder = self.store.place(Stored(artifact.type, artifact.sha256, artifact.size))
        artifacts.verify(folder)
        return folder

    # --- what the local provider has besides ---------------------------------------------------

    def run_spec(self, run_id: str) -> spec.Pipeline | None:
        """Return the spec that a run was started with."""
        kept = self._known(run_id).folder / "spec.json"
        return spec.decode(kept.read_bytes()) if kept.is_file() else None

    def code(self, run_id: str) -> Code:
        """Return the code that a run's steps were given."""
        folder = self._known(run_id)
        jobs = read_document(folder).jobs
        digests = {name: job.bundle for name, job in jobs.items() if job.bundle is not None}
        folders = {digest: self.state.bundles / digest for digest in digests.values()}
        gone = [place for place in folders.values() if not place.is_dir()]
        if gone:
            raise NotFoundError(
                f"The code of run '{run_id}' is no longer in {gone[0]}. Its commit and its patch "
                "are in MLflow: waterflow ui",
                provider="local",
                operation="read code",
            )
        return Code.of(digests, folders, read_submitted(folder).tags)

    def lineage(self, run_id: str) -> Lineage:
        """Return where a run comes from."""
        folder = self._known(run_id)
        submitted = read_submitted(folder)
        files: dict[str, str] = {}
        for name in submitted.files.values():
            with contextlib.suppress(FileNotFoundError):
                files[name] = (folder.folder / name).read_text(encoding="utf-8", errors="replace")
        return Lineage(tags=submitted.tags, files=files, experiment=submitted.tracking.experiment)

    def measurements(self, run_id: str) -> list[Measurement]:
        """Return the values of metrics that a run's steps have logged."""
        folder = self._known(run_id)
        return [
            one
            for name, step in self.status(run_id).steps.items()
            if step.attempt and step.status is not Status.CACHED
            for spool in (folder.attempt(name, step.attempt) / "spool.jsonl",)
            for one in Measurement.of(name, (event for event, _ in read(spool)))
        ]

    def tracked(self, run_id: str) -> TrackedRun | None:
        """Return what MLflow knows a run by; None where nothing was sent to it."""
        folder = self._known(run_id).folder
        return Tail(folder).tracked if (folder / SETTINGS).is_file() else None

    def run_basis(self, run_id: str) -> RunBasis | None:
        """Return what a run was made from."""
        return read_submitted(self._known(run_id)).basis

    def foretell(
        self, build: Build, document: Document, parameters: Mapping[str, Any]
    ) -> dict[str, Expectation]:
        """Return what each step of a run would do."""
        compiled = msgspec.convert(document.content, LocalDocument)
        return foretell(build, compiled, parameters, self.store, self.settings.images)

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run."""
        from waterflow.tracking.writer import sync

        done = sync(self._known(run_id).folder)
        return Sent(sent=done.sent, left=done.left, error=done.error)

    def cache_size(self) -> CacheSize:
        """Return what the project's cache holds."""
        results, count, size = self.store.size()
        return CacheSize(
            place=str(self.state.folder),
            results=results,
            artifacts=count,
            size=size,
            steps=self.store.steps(),
        )

    def clear_cache(self, outdated: Selection) -> tuple[int, int]:
        """Forget results and remove artifacts that nothing names."""
        return prune(self.state, outdated)

    def delete(self, run_id: str) -> None:
        """Remove a run's folder.

        Raises:
            ConflictError: The run is still under way, or its tracking is.
            UnknownNameError: There is no such run.
        """
        folder = self._known(run_id)
        if not self.status(run_id).status.final:
            why = f"is still under way. Wait for it, or stop it: waterflow cancel {run_id}"
            raise ConflictError(f"Run '{run_id}' {why}", provider="local", operation="delete run")
        locks = Lock(folder.lock), Lock(folder.sending)  # of who runs it, and of who sends it
        try:
            if not all(lock.take() for lock in locks):
                why = f"is still being sent to MLflow. Wait for it: waterflow status {run_id}"
                raise ConflictError(
                    f"Run '{run_id}' {why}", provider="local", operation="delete run"
                )
            put_aside(folder.folder, self.state.runs)
        finally:
            for lock in locks:
                lock.release()
        self._readers.pop(run_id, None)


def unsent(folder: RunFolder) -> int:
    """Return how many tracking events MLflow has not got yet."""
    return Tail(folder.folder).left()


def prune(state: State, outdated: Selection) -> tuple[int, int]:
    """Forget cached results and remove artifacts and code that no run and no result names.

    Args:
        state: The project's state.
        outdated: The results to forget.

    Raises:
        ProviderError: A run is under way.
    """
    lock = Lock(state.folder / "prune.lock")
    if not lock.take():
        raise ProviderError(
            "A run is under way, which may need what would be removed. Wait for it: waterflow runs",
            provider="local",
            operation="prune",
        )
    try:
        store = Store(state)
        store.sweep()
        in_use: set[str] = set()
        bundles: set[str] = set()
        for folder in map(RunFolder, state.runs.glob("[!.]*")):
            with contextlib.suppress(OSError, ValueError, KeyError):  # no run, or a broken one
                for event in finished(folder):
                    in_use.update(e["digest"] for e in event["outputs"].values() if e["digest"])
                in_use.update(data.digest for data in read_submitted(folder).data.values())
                bundles.update(job.bundle or "" for job in read_document(folder).jobs.values())
        for bundle in state.bundles.glob("[!.]*"):
            if bundle.name not in bundles:
                put_aside(bundle, state.bundles)
        return store.prune(outdated, in_use)
    finally:
        lock.release()
