"""Artifacts by content and results by key: what lets one run use what another has made."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.errors import ArtifactError
from waterflow.provider import CachedStep
from waterflow.runs.cache import Basis
from waterflow_local.folders import (
    State,
    protect,
    put_aside,
    read_json,
    remove,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow.artifacts.folder import Manifest


@dataclass(frozen=True)
class Stored:
    """An artifact in the store: its type, digest and bytes."""

    type: str
    digest: str
    size: int


@dataclass(frozen=True)
class Result:
    """What a step made.

    Attributes:
        outputs: Output name -> artifact.
        values: The scalars that conditions need.
        origin: The run, step and attempt that did the work.
        metrics: The metrics that were logged.
        seconds: How long the attempt took.
    """

    outputs: dict[str, Stored]
    values: dict[str, Any]
    origin: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """Return what is written down of it, but for who did the work."""
        return {
            "values": self.values,
            "outputs": {name: dict(vars(stored)) for name, stored in self.outputs.items()},
            "metrics": self.metrics,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Selection:
    """Which cached results are meant.

    Attributes:
        age: Seconds; only results older than this.
        pipeline: Only those that runs of this pipeline made.
        step: Only those of steps with this name.
    """

    age: float
    pipeline: str | None = None
    step: str | None = None

    @property
    def all(self) -> bool:
        """Whether it takes every result."""
        return self.age <= 0 and self.pipeline is None and self.step is None

    def takes(self, entry: dict[str, Any]) -> bool:
        """Say whether a result's record is one of them."""
        pipeline, step = _made_by(entry)
        return (
            entry["created"] < (time.time() - self.age) * 1000
            and self.pipeline in (None, pipeline)
            and self.step in (None, step)
        )


_FIELDS: Final = frozenset({"outputs", "values", "origin", "metrics", "seconds", "created"})
"""What a cached result's record holds."""


class Store:
    """The project's artifacts and cache.

    Args:
        state: The project's state folder.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def place(self, artifact: Stored) -> Path:
        """Return the folder of an artifact."""
        return self.state.artifacts / artifact.digest[:2] / f"{artifact.digest}.{artifact.type}"

    def has(self, artifact: Stored) -> bool:
        """Say whether the artifact is there, with all its files in their sizes."""
        manifest = artifacts.complete(self.place(artifact))
        return manifest is not None and manifest.sha256 == artifact.digest

    def take(self, folder: Path, manifest: Manifest | None = None) -> Stored:
        """Move a sealed artifact into the store, read-only; an equal one that is there stays.

        One whose files are no longer what its name says makes way.

        Args:
            folder: The artifact's folder, on the store's own file system.
            manifest: Its manifest, when it has just been read.

        Raises:
            ArtifactError: The folder has no manifest.
        """
        manifest = manifest or artifacts.read(folder)
        stored = Stored(manifest.type, manifest.sha256 or "", manifest.size)
        goal = self.place(stored)
        goal.parent.mkdir(parents=True, exist_ok=True)
        protect(folder)
        if goal.exists():
            if self.whole(stored):
                remove(folder)
                return stored
            put_aside(goal, self.state.artifacts)
        try:
            folder.rename(goal)
        except OSError:
            if not self.whole(stored):
                raise
            remove(folder)  # another run was faster
        return stored

    def whole(self, artifact: Stored) -> bool:
        """Say whether the artifact is there and every byte of it is what was stored."""
        try:
            return artifacts.verify(self.place(artifact)).sha256 == artifact.digest
        except (ArtifactError, OSError):
            return False

    def heal(self, stored: Iterable[Stored]) -> list[Stored]:
        """Forget the artifacts that were altered, and the results that name them; return them.

        The next run makes them again.
        """
        altered = [artifact for artifact in stored if not self.whole(artifact)]
        names = {artifact.digest for artifact in altered}
        for path in self.state.cache.glob("[!.]*/*.json") if altered else ():
            entry = _record(path)
            if entry is None or not names.isdisjoint(_digests(entry)):
                path.unlink(missing_ok=True)
        for artifact in altered:
            put_aside(self.place(artifact), self.state.artifacts)
        return altered

    def put(self, key: str, result: Result, basis: Basis | None = None, pipeline: str = "") -> None:
        """Keep a result under its key, with what made the key and the pipeline that it is of."""
        kept: dict[str, Any] = {"pipeline": pipeline}
        kept |= {} if basis is None else {"basis": basis.to_json()}
        created = int(time.time() * 1000)
        made = {**result.record(), "origin": result.origin, "created": created}
        write_json(self._entry(key), made | kept)

    def note_latest(self, pipeline: str, step: str, key: str) -> None:
        """Note which result a step had last: what the next is compared with."""
        place = self._latest(pipeline, step)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if read_json(place)["key"] == key:
                return
        write_json(place, {"key": key})

    def latest(self, pipeline: str, step: str) -> Basis | None:
        """Return what the result that a step had last was made from; None where none is known."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            key = read_json(self._latest(pipeline, step))["key"]
            return Basis.from_json(read_json(self._entry(key))["basis"])
        return None

    def _latest(self, pipeline: str, step: str) -> Path:
        return self.state.latest / pipeline / f"{step}.json"

    def get(self, key: str) -> Result | None:
        """Return the result under a key, if it is there with all its artifacts."""
        entry = _record(self._entry(key))
        return None if entry is None else self.restore(entry)

    def restore(self, entry: dict[str, Any]) -> Result | None:
        """Return a result from its record, if all its artifacts are still there."""
        outputs = {name: Stored(**output) for name, output in entry["outputs"].items()}
        if not all(self.has(stored) for stored in outputs.values()):
            return None
        return Result(outputs, entry["values"], entry["origin"], entry["metrics"], entry["seconds"])

    def _entry(self, key: str) -> Path:
        return self.state.cache / key[:2] / f"{key}.json"

    # --- outside data --------------------------------------------------------------------------

    def keep_data(self, identity: str | None, fetch: Callable[[Path], object]) -> Stored:
        """Bring outside data into the store, once for each version of it.

        Args:
            identity: What tells this version from others; None when nothing does.
            fetch: Writes the data into the folder it is given.
        """
        known = None if identity is None else self.known_data(identity)
        if known is not None:
            return known
        self.state.artifacts.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".data-", dir=self.state.artifacts))
        try:
            fetch(building)
            artifacts.seal(building, "data")
            building.chmod(0o755)
            stored = self.take(building)
        finally:
            remove(building)
        if identity is not None:
            write_json(self._data_entry(identity), asdict(stored))
        return stored

    def known_data(self, identity: str) -> Stored | None:
        """Return the artifact that holds a version of outside data; None where none does yet."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            known = Stored(**read_json(self._data_entry(identity)))
            if self.has(known):
                return known
        return None

    def _data_entry(self, identity: str) -> Path:
        return self.state.data / f"{identity}.json"

    # --- what it holds -------------------------------------------------------------------------

    def size(self) -> tuple[int, int, int]:
        """Return the number of cached results, of artifacts, and the artifacts' bytes."""
        entries = sum(1 for _ in self.state.cache.glob("[!.]*/*.json"))
        count = total = 0
        for folder in self.state.artifacts.glob("[!.]*/*"):
            count += 1
            for parent, _, names in os.walk(folder):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        total += (Path(parent) / name).stat().st_size
        return entries, count, total

    def steps(self) -> tuple[CachedStep, ...]:
        """Return what it holds of each step, by pipeline and step."""
        held: dict[tuple[str, str], tuple[int, int]] = {}
        for path in self.state.cache.glob("[!.]*/*.json"):
            if (entry := _record(path)) is not None:
                results, size = held.get(_made_by(entry), (0, 0))
                size += sum(output["size"] for output in entry["outputs"].values())
                held[_made_by(entry)] = results + 1, size
        return tuple(
            CachedStep(pipeline=pipeline, step=step, results=results, size=size)
            for (pipeline, step), (results, size) in sorted(held.items())
        )

    def prune(self, outdated: Selection, in_use: set[str]) -> tuple[int, int]:
        """Forget results and remove artifacts that nothing names any more.

        Args:
            outdated: The results to forget. Where it takes all, outside data is verified too, and
                brought anew when it was altered.
            in_use: Digests of artifacts that runs still name.

        Returns:
            The number of results forgotten and of artifacts removed.
        """
        named = set(in_use)
        forgotten = removed = 0
        for path in self.state.cache.glob("[!.]*/*.json"):
            entry = _record(path)
            if entry is None or outdated.takes(entry):
                path.unlink(missing_ok=True)
                forgotten += 1
            else:
                named.update(_digests(entry))
        for path in self.state.data.glob("[!.]*.json"):
            try:
                known = Stored(**read_json(path))
            except (OSError, ValueError, TypeError):
                path.unlink(missing_ok=True)
                continue
            if outdated.all and self.heal([known]):
                path.unlink(missing_ok=True)
            else:
                named.add(known.digest)
        for folder in self.state.artifacts.glob("[!.]*/*"):
            if folder.name.partition(".")[0] not in named:
                put_aside(folder, self.state.artifacts)
                removed += 1
        return forgotten, removed

    def sweep(self) -> None:
        """Remove what killed processes were building or removing; only while nothing runs."""
        for place in (self.state.artifacts, self.state.bundles, self.state.runs):
            for left in place.glob(".*"):
                remove(left)


def _record(path: Path) -> dict[str, Any] | None:
    """Return a cached result's record; None when it is not there or broken."""
    try:
        entry = read_json(path)
        for output in entry["outputs"].values():
            Stored(**output)
        complete = isinstance(entry["created"], int) and entry.keys() >= _FIELDS
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return entry if complete else None


def _made_by(entry: dict[str, Any]) -> tuple[str, str]:
    """Return the pipeline and the step that made a result; "" where its record does not say."""
    return str(entry.get("pipeline", "")), str(entry["origin"].get("step", ""))


def _digests(entry: dict[str, Any]) -> set[str]:
    return {output["digest"] for output in entry["outputs"].values()}
