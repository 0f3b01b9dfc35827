"""The spool: the file beside a step's outputs that holds its tracking events, one JSON line each.

Runs inside jobs, so it stands on the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import threading
import time
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final, Self, TextIO, cast
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlencode, urlsplit

from waterflow.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping

FRAME: Final = "::waterflow:: "
"""What a framed event on standard output begins with."""

ITEMS: Final = "items"
"""The kind of events that tell how far a map has come: `total`, `done`, `failed`, `running`."""

SCHEME: Final = "waterflow-spool"
"""The scheme of the URIs under which MLflow finds a spool."""

KEEP: Final = "WATERFLOW_MLFLOW"
"""Environment variable with the names of the MLFLOW_* variables that Waterflow set, by commas."""

FILES: Final = "files"
"""The folder beside a spool that holds the files its `artifact` events name."""

RUNS: Final = ".runs"
"""The folder in `FILES` that holds those of runs within the step's, each under its id."""

NESTED: Final = "nested."
"""How the kinds of events begin that belong to a run within the step's: `run` is its id.

| kind | fields |
|---|---|
| nested.start | name; parent: the run that it is within, "" for the step's own; start, in ms |
| nested.end | status, in MLflow's words; end, in ms |
| nested.metric, nested.param, nested.tag, nested.artifact, nested.dataset | the step's own kinds' |
"""

Event = dict[str, Any]

_counters: dict[str, _Counter] = {}
_counters_lock = [threading.Lock()]


class _Counter:
    """Numbers the events that this process writes to one spool, whoever opened it how often."""

    def __init__(self, path: str) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
            self.opened, self._next = True, 0
        except FileExistsError:
            # Another process made the file: our numbers carry our pid, and begin behind all that
            # is there, because a pid may come again.
            self.opened = False
            with open(path, "rb") as stream:  # noqa: PTH123 - a plain string is at hand
                self._next = sum(1 for _ in stream)

    def take(self) -> str:
        with self._lock:
            number, self._next = self._next, self._next + 1
        pid = os.getpid()
        return str(number) if self.opened and pid == self.pid else f"{pid}.{number}"


def _after_fork() -> None:
    # A lock held by another thread while forking would stay locked in the child for ever.
    _counters_lock[0] = threading.Lock()
    for counter in _counters.values():
        counter._lock = threading.Lock()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


os.register_at_fork(after_in_child=_after_fork)


class Spool:
    """The spool of one attempt of one step.

    Args:
        path: The file; it and its folder are made when they are missing.
        execution: The run's id.
        step: The step's name.
        attempt: The attempt's number, from 1.
        frames: Where each event is also written as a framed line, usually standard output: what
            remains of a job that never uploads its files.

    Several processes of a step may write to one spool. Ids are `step/attempt/n`; from any process
    but the one that made the file they are `step/attempt/pid.n`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        execution: str,
        step: str,
        attempt: int,
        frames: TextIO | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self.execution, self.step, self.attempt, self.frames = execution, step, attempt, frames
        self.path.parent.mkdir(parents=True, exist_ok=True)
        key = str(self.path)
        with _counters_lock[0]:
            # A file that is gone was another spool: number the new one afresh.
            if key not in _counters or not self.path.exists():
                _counters[key] = _Counter(key)
            self._counter = _counters[key]
        self._descriptor = os.open(
            self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
        )

    @property
    def folder(self) -> Path:
        """The folder that paths in `artifact` events are relative to."""
        return self.path.parent

    @property
    def run_id(self) -> str:
        """The id by which MLflow calls inside the step name the step's run."""
        return step_run_id(self.execution, self.step, self.attempt)

    def append(self, kind: str, **fields: Any) -> Event:
        """Write one event.

        Args:
            kind: The event's kind, such as "metric".
            fields: What the kind calls for. A metric's `step` (its x-axis) is written as `at`:
                an event's `step` is always the step's name. Numbers that JSON has no word for
                are written as the strings "NaN", "Infinity" and "-Infinity".

        Returns:
            The event, as written.
        """
        if "step" in fields:
            fields["at"] = fields.pop("step")
        event = self._event(f"{self.step}/{self.attempt}/{self._counter.take()}", kind, fields)
        text = _text(event)
        # One write on an O_APPEND descriptor: lines of several processes never mix.
        os.write(self._descriptor, text.encode("utf-8", "backslashreplace") + b"\n")
        if self.frames is not None:
            self.frames.write(f"{FRAME}{text}\n")
            self.frames.flush()
        return event

    def frame(self, kind: str, **fields: Any) -> None:
        """Write one event as a framed line alone: it is of use while the step runs.

        It goes past the stream's buffer, whose lock a process may hold that forks meanwhile.

        Args:
            kind: The event's kind.
            fields: What the kind calls for.

        Raises:
            OSError: It cannot be written.
        """
        if self.frames is None:
            return
        line = f"{FRAME}{_text(self._event('', kind, fields))}\n"
        os.write(self.frames.fileno(), line.encode("utf-8", "backslashreplace"))

    def _event(self, name: str, kind: str, fields: Mapping[str, Any]) -> Event:
        return {
            "id": name,
            "kind": kind,
            "time": time.time_ns() // 1_000_000,
            "execution": self.execution,
            "step": self.step,
            "attempt": self.attempt,
            **{key: finite(value) for key, value in fields.items()},
        }

    def log_artifact(self, local_path: Path | str, artifact_path: str = "", run: str = "") -> None:
        """Copy a file, or a folder with all in it, beside the spool and write its events.

        Args:
            local_path: The file or folder.
            artifact_path: The folder among the run's artifacts; "" for the top.
            run: The run within the step's that it is logged to; "" for the step's own.

        Raises:
            TrackingError: `artifact_path` leads out of the run's artifacts, or there is no such
                file.
        """
        source = Path(local_path)
        inside = inner(artifact_path) / source.name
        if source.is_dir():
            for file in sorted(path for path in source.rglob("*") if path.is_file()):
                self._copy(file, inside / file.relative_to(source).as_posix(), run)
        elif source.is_file():
            self._copy(source, inside, run)
        else:
            raise TrackingError(f"There is no file {source} to log as an artifact.")

    def files(self, run: str = "") -> Path:
        """Return the folder of a run's artifacts: the step's own, or of one within it."""
        folder = self.folder / FILES
        return folder / RUNS / run if run else folder

    def _copy(self, source: Path, name: PurePosixPath, run: str) -> None:
        target = self.files(run) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
        shutil.copyfile(source, partial)
        partial.replace(target)  # whoever sends it meanwhile reads the old or the new, whole
        file = target.relative_to(self.folder).as_posix()
        if run:
            self.append(f"{NESTED}artifact", run=run, path=str(name), file=file)
        else:
            self.append("artifact", path=str(name), file=file)

    def close(self) -> None:
        """Close the file; the spool takes no more events."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False, default=str)


def inner(artifact_path: str) -> PurePosixPath:
    """Return a path inside a run's artifacts.

    Raises:
        TrackingError: It is absolute or leads upwards.
    """
    path = PurePosixPath(artifact_path)
    if path.is_absolute() or ".." in path.parts:
        raise TrackingError(
            f"The artifact path {artifact_path!r} leads out of the run. Use a relative path."
        )
    return path


def finite(value: Any) -> Any:
    """Return the value itself, or the word for a float that JSON cannot write."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def step_run_id(execution: str, step: str, attempt: int) -> str:
    """Return the id by which MLflow calls inside a step name the step's run: 32 hex digits."""
    return hashlib.sha256(f"{execution}/{step}/{attempt}".encode()).hexdigest()[:32]


def read(path: Path | str, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield a spool's events, each with the offset in bytes to go on from after it.

    A last line that is not yet ended is left for the next time; a line that is no event (cut by a
    crash) is passed over. A file that does not exist has no events.
    """
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - the absence alone is caught
    except FileNotFoundError:
        return
    with stream:
        yield from _read(stream, offset)


def _read(stream: IO[bytes], offset: int) -> Iterator[tuple[Event, int]]:
    stream.seek(offset)
    for line in stream:
        if not line.endswith(b"\n"):
            return
        offset += len(line)
        event = _parse(line)
        if event is not None:
            yield event, offset


def failure(path: Path | str, attempt: int) -> dict[str, str] | None:
    """Return the type, message and traceback of the failure that an attempt has told of last."""
    reason: dict[str, str] | None = None
    for event, _ in read(path):
        if event["kind"] == "failure" and event["attempt"] == attempt:
            reason = {name: str(event[name]) for name in ("type", "message", "traceback")}
    return reason


def parse_lines(content: bytes) -> Iterator[Event]:
    """Yield the events of a spool's content, passing over lines that are none."""
    for line in content.splitlines():
        event = _parse(line)
        if event is not None:
            yield event


def parse_frames(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events framed in the lines of a log, whatever stands before the frame."""
    for line in lines:
        _, frame, text = line.partition(FRAME)
        event = _parse(text) if frame else None
        if event is not None:
            yield event


def _parse(line: str | bytes) -> Event | None:
    try:
        event: object = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or "kind" not in event:
        return None
    return cast("Event", event)


# --- MLflow inside a step ------------------------------------------------------------------------


def clear_foreign_mlflow(environ: MutableMapping[str, str]) -> list[str]:
    """Remove every MLFLOW_* variable that is not named in `WATERFLOW_MLFLOW`.

    Returns:
        The names removed, sorted.
    """
    ours = {name for name in environ.get(KEEP, "").split(",") if name}
    foreign = sorted(n for n in environ if n.startswith("MLFLOW_") and n not in ours)
    for name in foreign:
        del environ[name]
    return foreign


def point_mlflow_at(spool: Spool, environ: MutableMapping[str, str]) -> None:
    """Let plain `mlflow` calls of this process and its children land in the spool."""
    ours = {
        "MLFLOW_TRACKING_URI": spool_uri(spool),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    environ.update(ours)
    kept = {name for name in environ.get(KEEP, "").split(",") if name}
    environ[KEEP] = ",".join(sorted(kept | set(ours)))


def spool_uri(spool: Spool) -> str:
    """Return the tracking URI under which MLflow finds a spool."""
    query = {"execution": spool.execution, "step": spool.step, "attempt": str(spool.attempt)}
    if spool.frames is not None:
        query["frames"] = "1"
    return f"{SCHEME}://{quote(os.fsencode(spool.path))}?{urlencode(query)}"


def artifact_uri(spool: Spool, run: str = "", path: str = "") -> str:
    """Return the URI under which MLflow finds artifacts: it ends in a path, as users add to it.

    Args:
        spool: The spool.
        run: The run within the step's that they are of; "" for the step's own.
        path: What is meant of them; "" for all.
    """
    query = urlencode({"execution": spool.execution, "step": spool.step, "attempt": spool.attempt,
                       "run": run, "frames": "1" if spool.frames is not None else ""})  # fmt: skip
    place = quote(os.fsencode(spool.path))
    return f"{SCHEME}://{place}/{quote(query, safe='')}/{quote(path)}".rstrip("/")


def from_artifact_uri(uri: str) -> tuple[Spool, str, PurePosixPath]:
    """Return the spool of an artifact URI, the run within the step's or "", and the path.

    Raises:
        TrackingError: It is none.
    """
    whole = PurePosixPath(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))
    place = next((one for one in whole.parents if Path(one).is_file()), None)
    if place is None:
        raise TrackingError(f"There is no spool at {uri}.")
    query, *path = whole.relative_to(place).parts
    run = next(iter(parse_qs(query).get("run", ())), "")
    return from_uri(f"{SCHEME}://{quote(os.fsencode(place))}?{query}"), run, inner("/".join(path))


def from_uri(uri: str) -> Spool:
    """Open the spool that a tracking URI names.

    Raises:
        TrackingError: The URI lacks a part.
    """
    parts = urlsplit(uri)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    try:
        return Spool(
            os.fsdecode(unquote_to_bytes(parts.path)),
            execution=query["execution"],
            step=query["step"],
            attempt=int(query["attempt"]),
            frames=sys.stdout if "frames" in query else None,
        )
    except KeyError as missing:
        raise TrackingError(f"The tracking URI {uri} names no {missing}.") from None
