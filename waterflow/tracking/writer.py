"""The background writer of a run: it sends the run's journal and spools to MLflow as they grow.

`python -m waterflow.tracking.writer RUN_FOLDER [DESCRIPTOR]` runs beside the steps, so that no step
waits for MLflow, and outlives them until all is sent; `sync` sends later what it could not. The
descriptor is that of the run's sending lock, which the starter holds and hands down.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from waterflow.errors import TrackingError
from waterflow.tracking import lean, store
from waterflow.tracking.pages import TrackedRun
from waterflow.tracking.spool import read
from waterflow.tracking.waits import short_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from waterflow.tracking.spool import Event

JOURNAL: Final = "events.jsonl"
SETTINGS: Final = "tracking-settings.json"
STATE: Final = "tracking.json"
LOCK: Final = "tracking.lock"
LEASE: Final = "tracking.lease"
"""The file in the project's state that is locked while a run is searched and made."""

_POLL: Final = 0.05
NICE: Final = 10
"""How far it steps back: the steps come first on a busy machine."""
_LIVE: Final = 1.0
_BATCH: Final = 200
_LIVE_BATCH: Final = 5000
_BACKOFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class SyncResult:
    """What a `sync` did.

    Attributes:
        sent: Events sent now.
        left: Events that are still to be sent.
        error: Why some are left; None when the run is sent whole, or is still going on.
    """

    sent: int
    left: int
    error: str | None


class Tail:
    """A run's journal and spools, and how far they have been sent.

    Args:
        run_folder: The run's folder.

    The position goes to `tracking.json` after what it stands for was sent. A crash between the
    two sends events twice, which changes nothing.
    """

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder
        settings: dict[str, Any] = json.loads((run_folder / SETTINGS).read_text(encoding="utf-8"))
        self.uri, self.experiment = str(settings["uri"]), str(settings["experiment"])
        self.state = Path(settings["state"])
        self.parent = int(settings.get("parent") or 0)
        self.closing = str(settings.get("closing") or "")
        self.offsets: dict[str, int] = {JOURNAL: 0}
        self.sent, self.complete = 0, False
        self.error: str | None = None
        self.tracked: TrackedRun | None = None
        with contextlib.suppress(FileNotFoundError, ValueError):
            saved: dict[str, Any] = json.loads((run_folder / STATE).read_text(encoding="utf-8"))
            # Another store knows nothing of what this one was sent.
            if (saved["uri"], saved["experiment"]) == (self.uri, self.experiment):
                self.offsets |= saved["offsets"]
                self.sent, self.complete = saved["sent"], saved["complete"]
                self.tracked = TrackedRun.read(saved.get("runs"))
        self._replayer: Any = None

    # --- sending ------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Send a batch of what the journal has; return whether there was anything.

        Raises:
            TrackingError: MLflow cannot be used; nothing of the batch counts as sent.
        """
        offsets, sent, complete = dict(self.offsets), 0, False
        with short_waits():  # for all events at once: each asks for it, too
            for event, end in read(self.folder / JOURNAL, offsets[JOURNAL]):
                sent += self._send(event, offsets)
                offsets[JOURNAL] = end
                complete = event["kind"] == "run.end"
                if complete or sent >= _BATCH:
                    break
            if sent:
                self._flush()
        if sent:
            self._save(offsets, sent, complete)
        return sent > 0

    def _send(self, event: Event, offsets: dict[str, int]) -> int:
        """Send one event of the journal, after what its attempt's spool still holds."""
        sent = 1
        if event["kind"] == "step.start":
            offsets.setdefault(_spool_name(event), 0)
        elif event["kind"] == "step.end":
            name = _spool_name(event)
            sent += self._send_spool(name, offsets.pop(name, 0))[1]
        elif event["kind"] == "run.end" and self.closing:
            self._add_page(event)
        self._feed(event, self.folder)
        return sent

    def _add_page(self, event: Event) -> None:
        """Send the page of a run that has ended: its provider knows how it is made.

        The page is an extra: what goes wrong with it costs the run's tracking nothing.
        """
        module, _, name = self.closing.partition(":")
        with contextlib.suppress(Exception):
            self._flush()
            self.save()  # the page links to the runs
            file = getattr(importlib.import_module(module), name)(self.folder)
            page = {"kind": "artifact", "id": f"{event['id']}/page", "file": file, "path": file}
            self._feed({**event, **page, "step": None, "attempt": None}, self.folder)

    def _send_spool(self, name: str, offset: int, limit: int | None = None) -> tuple[int, int]:
        path, sent = self.folder / name, 0
        for event, end in read(path, offset):
            # The supervisor tells of the attempt's start and end here too, for jobs without a
            # journal; where there is one, it decides.
            if not event["kind"].startswith(("run.", "step.")):
                self._feed(event, path.parent)
            offset, sent = end, sent + 1
            if sent == limit:
                break
        return offset, sent

    def advance_live(self) -> None:
        """Send what the spools of running attempts have so far.

        Raises:
            TrackingError: As for `advance`.
        """
        offsets, sent = dict(self.offsets), 0
        for name, offset in self.offsets.items():
            if name != JOURNAL:
                offsets[name], count = self._send_spool(name, offset, _LIVE_BATCH)
                sent += count
        if sent:
            self._flush()
            self._save(offsets, sent, self.complete)

    def _feed(self, event: Event, folder: Path) -> None:
        self._replay().feed(event, folder)

    def _flush(self) -> None:
        self._replay().flush()
        now: TrackedRun | None = self._replay().tracked(self.folder.name)
        self.tracked = now if self.tracked is None else self.tracked.updated(now)

    def _replay(self) -> Any:
        if self._replayer is None:
            from waterflow.tracking.replay import Replayer

            store.prepare(self.uri, self.state)
            self._replayer = Replayer(
                self.uri,
                self.experiment,
                lease=self.state / LEASE,
                artifact_location=store.artifact_location(self.uri, self.state),
            )
        return self._replayer

    # --- the position -------------------------------------------------------------------------

    def _save(self, offsets: dict[str, int], sent: int, complete: bool) -> None:
        self.offsets, self.sent = offsets, self.sent + sent
        self.complete, self.error = complete, None
        self.save()

    def save(self, error: str | None = None) -> None:
        """Write the position, and what went wrong last."""
        self.error = error
        document = {
            "uri": self.uri,
            "experiment": self.experiment,
            "offsets": self.offsets,
            "sent": self.sent,
            "complete": self.complete,
            "error": error,
            "runs": None if self.tracked is None else vars(self.tracked),
        }
        partial = self.folder / f"{STATE}.{os.getpid()}"
        partial.write_text(json.dumps(document), encoding="utf-8")
        partial.replace(self.folder / STATE)

    def left(self) -> int:
        """Return how many events are not yet sent."""
        count, spools = 0, {name: n for name, n in self.offsets.items() if name != JOURNAL}
        for event, _ in read(self.folder / JOURNAL, self.offsets[JOURNAL]):
            count += 1
            if event["kind"] in ("step.start", "step.end"):
                spools.setdefault(_spool_name(event), 0)
        return count + sum(
            1 for name, offset in spools.items() for _ in read(self.folder / name, offset)
        )

    def ended(self) -> bool:
        """Say whether the journal tells of the run's end."""
        unread = read(self.folder / JOURNAL, self.offsets[JOURNAL])
        return self.complete or any(event["kind"] == "run.end" for event, _ in unread)


def _spool_name(event: Event) -> str:
    return f"steps/{event['step']}/{event['attempt']}/spool.jsonl"


@contextlib.contextmanager
def _locked(run_folder: Path, wait: float) -> Generator[bool]:
    """Be the one that sends this run; yields whether that came about within `wait` seconds."""
    with (run_folder / LOCK).open("a") as stream:
        until = time.monotonic() + wait
        held = _try_lock(stream)
        while not held and time.monotonic() < until:
            time.sleep(_POLL)
            held = _try_lock(stream)
        yield held


def _try_lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(
    run_folder: Path, lock: int | None = None, deserted: Callable[[], bool] | None = None
) -> None:
    """Send a run's events as they come, until its end was sent or it has none that could come.

    Args:
        run_folder: The run's folder, with `tracking-settings.json`: uri, experiment, state, and
            optionally parent, the id of the process that runs the steps.
        lock: The descriptor that holds the run's sending lock; None to take it here.
        deserted: Says whether the process that runs the steps has gone; by default this one's
            parent is looked at.

    Returns at once when another process sends this run already. Errors are written to
    `tracking.json`; sending is tried again until the run has ended.
    """
    with _locked(run_folder, 0.0) if lock is None else contextlib.nullcontext(True) as held:
        if not held:
            return
        tail = Tail(run_folder)
        if not tail.complete:
            _loop(tail, deserted or _orphaned(tail.parent))


def _orphaned(parent: int) -> Callable[[], bool]:
    """Return what says whether this process's parent, or another process, has gone."""
    starter = os.getppid()
    return lambda: os.getppid() != starter or not _alive(parent or starter)


def _loop(tail: Tail, deserted: Callable[[], bool]) -> None:
    failures, live_at, frozen = 0, 0.0, False
    while not tail.complete:
        # Asked before reading: what the parent wrote last is then surely read.
        alone = deserted()
        try:
            busy = tail.advance()
            now = time.monotonic()
            if not busy and (alone or now >= live_at):
                tail.advance_live()
                live_at = now + _LIVE
            failures = 0
        except TrackingError as error:
            tail.save(str(error))
            if alone or tail.ended():
                return  # nobody should wait for a server: `sync` sends the rest
            _pause(tail, _BACKOFF[min(failures, len(_BACKOFF) - 1)], deserted)
            failures += 1
            continue
        if busy and not frozen:
            # MLflow leaves a million objects that never die; without them collections are short.
            gc.collect()
            gc.freeze()
            frozen = True
        if not busy:
            if alone:
                return
            time.sleep(_POLL)


def _pause(tail: Tail, seconds: float, deserted: Callable[[], bool]) -> None:
    """Wait after an error, but no longer than until the run ends."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not deserted() and not tail.ended():
        time.sleep(4 * _POLL)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sync(run_folder: Path, wait: float = 10.0) -> SyncResult:
    """Send what of a run is not yet sent.

    Args:
        run_folder: The run's folder.
        wait: Seconds to wait for another process that is sending it.

    Returns:
        What was sent and what is left; errors are told in it, not raised.
    """
    with _locked(run_folder, wait) as held:
        tail = Tail(run_folder)
        if not held:
            return SyncResult(0, tail.left(), "Another process is sending this run.")
        before = tail.sent
        try:
            while not tail.complete and tail.advance():
                pass
            if not tail.complete:
                tail.advance_live()
        except TrackingError as error:
            tail.save(str(error))
            return SyncResult(tail.sent - before, tail.left(), str(error))
        return SyncResult(tail.sent - before, tail.left(), None)


def main(arguments: list[str]) -> int:
    """Be the background writer of the run folder named in the arguments."""
    from waterflow.warm.priority import step_back  # no job has the package of the helper

    # The terminal sends Ctrl-C to all its processes; the run's end is still to be sent then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    step_back(NICE)
    lock = int(arguments[1]) if len(arguments) > 1 else None
    with lean.sparing():
        write(Path(arguments[0]), lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
