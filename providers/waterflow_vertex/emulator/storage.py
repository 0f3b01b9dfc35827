"""Cloud Storage's buckets over one folder, which jobs see at /gcs: what they write are objects."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import uuid
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.blobs import OCTETS, Blob, Bucket, blob, check_name, sums
from waterflow_vertex.emulator.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from waterflow.emulation.clock import Clock

_PART: Final = 255
"""Bytes of the longest name of a file."""


class Buckets:
    """The part that has the buckets, and their objects' bytes on disk.

    Args:
        clock: The time.
        folder: Where both are.
    """

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock = clock
        self.root = folder / "gcs"
        """What jobs see at /gcs: a folder for each bucket."""
        self._aside = folder / "generations"
        self._drafts = folder / "drafts"
        for one in (self.root, self._aside, self._drafts):
            one.mkdir(parents=True, exist_ok=True)
        self._buckets: dict[str, Bucket] = {}
        self.lock = threading.RLock()
        self._last = 0

    # --- buckets ----------------------------------------------------------------------------------

    def make(self, name: str, project: str, about: Mapping[str, Any]) -> Bucket:
        """Make a bucket.

        Raises:
            Refusal: There is one of that name.
        """
        with self.lock:
            if name in self._buckets:
                raise Refusal(
                    "ALREADY_EXISTS",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.",
                    reason="conflict",
                )
            moment = self._clock.now()
            bucket = Bucket(name, project, moment, dict(about), updated=moment)
            (self.root / name).mkdir(exist_ok=True)
            self._buckets[name] = bucket
            return bucket

    def find(self, name: str) -> Bucket | None:
        """Return a bucket; None where there is none."""
        return self._buckets.get(name)

    def get(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            Refusal: There is none.
        """
        bucket = self._buckets.get(name)
        if bucket is None:
            raise Refusal(
                "NOT_FOUND", "The specified bucket does not exist.", reason="NoSuchBucket"
            )
        return bucket

    def all(self, project: str) -> list[Bucket]:
        """Return the buckets of a project, by name."""
        return sorted(
            (one for one in self._buckets.values() if one.project == project),
            key=lambda one: one.name,
        )

    def remove(self, bucket: Bucket) -> None:
        """Remove an empty bucket.

        Raises:
            Refusal: There is something in it.
        """
        with self.lock:
            if bucket.archived or next(self.list(bucket, ""), None) is not None:
                text = "The bucket you tried to delete is not empty."
                raise Refusal("ALREADY_EXISTS", text, reason="BucketNotEmpty")
            shutil.rmtree(self.root / bucket.name, ignore_errors=True)
            del self._buckets[bucket.name]

    # --- objects ----------------------------------------------------------------------------------

    def list(self, bucket: Bucket, prefix: str) -> Iterator[Blob]:
        """Yield the live objects whose names begin with a prefix, in the order of their names."""
        with self.lock:
            self._look_below(bucket, prefix)
            names = sorted(name for name in bucket.live if name.startswith(prefix))
            held = [bucket.live[name] for name in names]
        yield from held

    def find_object(self, bucket: Bucket, name: str, generation: int | None = None) -> Blob | None:
        """Return an object; None where there is none.

        Args:
            bucket: Its bucket.
            name: Its name.
            generation: Which generation; None for the live one.
        """
        with self.lock:
            self._look_at(bucket, name)
            live = bucket.live.get(name)
            if generation is None or (live is not None and live.generation == generation):
                return live
            return next(
                (
                    one
                    for one in bucket.archived
                    if one.name == name and one.generation == generation
                ),
                None,
            )

    def path(self, bucket: Bucket, one: Blob) -> Path:
        """Return the file with the bytes of an object."""
        if one.deleted is None and one.seen is not None:
            return self.root / bucket.name / one.name
        return self._aside / bucket.name / str(one.generation)

    def draft(self) -> Path:
        """Return a file to write to."""
        return self._drafts / uuid.uuid4().hex

    def put(
        self,
        bucket: Bucket,
        name: str,
        source: Path,
        about: Mapping[str, Any],
        *,
        check: Callable[[Blob | None], None] = lambda _: None,
        parts: int = 0,
    ) -> Blob:
        """Make the next generation of an object.

        Args:
            bucket: Its bucket.
            name: Its name.
            source: A draft, which is taken away.
            about: What the client says of it.
            check: Raises a refusal for what stands against it; takes the live generation.
            parts: Of how many objects it was composed.

        Raises:
            Refusal: It cannot be made.
        """
        check_name(name)
        md5, crc32c, size = sums(source)
        about = dict(about)
        key = (bucket.about.get("encryption") or {}).get("defaultKmsKeyName")
        if key and "kmsKeyName" not in about:
            about["kmsKeyName"] = key
        with self.lock:
            before = self.find_object(bucket, name)
            check(before)
            if before is not None:
                self._archive(bucket, before)
            moment, generation = self._clock.now(), self._number()
            blob = Blob(
                name,
                generation,
                1,
                size,
                "" if parts else md5,
                crc32c,
                moment,
                moment,
                about,
                parts,
            )
            seen = self._place(bucket, name, source)
            blob = replace(blob, seen=seen)
            if seen is None:
                aside = self.path(bucket, blob)
                aside.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(source, aside)
            elif bucket.versioned:
                self._keep(bucket, blob)
            bucket.live[name] = blob
            return blob

    def change(self, bucket: Bucket, one: Blob, about: Mapping[str, Any]) -> Blob:
        """Change what clients say of an object."""
        with self.lock:
            changed = replace(
                one,
                about=dict(about),
                metageneration=one.metageneration + 1,
                updated=self._clock.now(),
            )
            if one.deleted is None:
                bucket.live[one.name] = changed
            else:
                bucket.archived[bucket.archived.index(one)] = changed
            return changed

    def delete(self, bucket: Bucket, one: Blob, *, forever: bool = False) -> None:
        """Delete an object.

        Args:
            bucket: Its bucket.
            one: Which generation.
            forever: Whether nothing of it is kept where generations are.
        """
        with self.lock:
            if one.deleted is not None:
                bucket.archived.remove(one)
                self.path(bucket, one).unlink(missing_ok=True)
                return
            self._archive(bucket, one, forever=forever)
            live = self.root / bucket.name / one.name
            if one.seen is not None:
                with contextlib.suppress(OSError):
                    live.unlink()
            elif one.name.endswith("/"):
                with contextlib.suppress(OSError):
                    live.rmdir()
            del bucket.live[one.name]

    # --- what jobs have written -------------------------------------------------------------------

    def _look_below(self, bucket: Bucket, prefix: str) -> None:
        """Take up the files below a prefix, and let go of what is no file any more."""
        head = prefix.rpartition("/")[0]
        start = self.root / bucket.name / head
        present: set[str] = set()
        if _plain(f"{head}/x" if head else "x"):
            for name in _files(start, f"{head}/" if head else ""):
                if name.startswith(prefix):
                    present.add(name)
                    self._look_at(bucket, name)
        for name, one in list(bucket.live.items()):
            if name.startswith(prefix) and one.seen is not None and name not in present:
                self._look_at(bucket, name)

    def _look_at(self, bucket: Bucket, name: str) -> None:
        """Take up one file as an object, if it is new or another one."""
        held = bucket.live.get(name)
        if (held is not None and held.seen is None) or not _plain(name):
            return
        file = self.root / bucket.name / name
        seen = _seen(file)
        if held is not None and held.seen == seen:
            return
        if held is not None:
            self._archive(bucket, held, changed=True)
            del bucket.live[name]
        if seen is None:
            return
        md5, crc32c, size = sums(file)
        moment = self._clock.now()
        blob = Blob(
            name, self._number(), 1, size, md5, crc32c, moment, moment,
            {"contentType": OCTETS}, seen=seen,
        )  # fmt: skip
        bucket.live[name] = blob
        if bucket.versioned:
            self._keep(bucket, blob)

    def _archive(
        self, bucket: Bucket, one: Blob, *, forever: bool = False, changed: bool = False
    ) -> None:
        """Keep a generation that stops being the live one, where the bucket keeps such."""
        aside = self._aside / bucket.name / str(one.generation)
        if not bucket.versioned or forever:
            aside.unlink(missing_ok=True)
            return
        if not aside.exists():
            if changed:  # its bytes are gone
                return
            self._keep(bucket, one)
        bucket.archived.append(replace(one, deleted=self._clock.now(), seen=None))

    def _keep(self, bucket: Bucket, one: Blob) -> None:
        """Keep a copy of a live file: jobs may write over it."""
        aside = self._aside / bucket.name / str(one.generation)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / bucket.name / one.name, aside)

    def _place(self, bucket: Bucket, name: str, source: Path) -> tuple[int, int, int] | None:
        """Move a draft to where jobs see it; None where its name is no file's."""
        base = self.root / bucket.name
        target = base / name
        if name.endswith("/") and _plain(f"{name}x"):
            with contextlib.suppress(OSError):
                target.mkdir(parents=True, exist_ok=True)
            return None
        if not _plain(name):
            return None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                target.rmdir()
            source.replace(target)
        except OSError:  # a file stands where a folder would, or a folder where a file
            return None
        return _seen(target)

    def _number(self) -> int:
        self._last = max(int(self._clock.now() * 1e6), self._last + 1)
        return self._last

    # --- its state --------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all buckets and what is known of their objects as JSON."""
        with self.lock:
            for bucket in self._buckets.values():
                self._look_below(bucket, "")
            return {name: asdict(bucket) for name, bucket in self._buckets.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take the buckets of a snapshot."""
        for name, one in saved.items():
            live = {key: blob(value) for key, value in one["live"].items()}
            archived = [blob(value) for value in one["archived"]]
            whole: dict[str, Any] = {**one, "live": live, "archived": archived}
            self._buckets[name] = Bucket(**whole)
            numbers = [blob.generation for blob in (*live.values(), *archived)]
            self._last = max(self._last, *numbers, 0)

    def prune(self, saved: Mapping[str, Any]) -> None:
        """Remove the bytes of what a snapshot does not name."""
        del saved
        shutil.rmtree(self._drafts, ignore_errors=True)
        for folder in self._aside.iterdir():
            bucket = self._buckets.get(folder.name)
            kept = [] if bucket is None else [*bucket.live.values(), *bucket.archived]
            numbers = {str(one.generation) for one in kept}
            for file in folder.iterdir():
                if file.name not in numbers:
                    file.unlink(missing_ok=True)


def _plain(name: str) -> bool:
    """Return whether an object's name can be a file's."""
    return all(
        part not in ("", ".", "..") and len(part.encode()) <= _PART for part in name.split("/")
    )


def _seen(file: Path) -> tuple[int, int, int] | None:
    try:
        there = file.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(there.st_mode):
        return None
    return there.st_mtime_ns, there.st_size, there.st_ino


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the names of the files below a folder, links not followed."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name, f"{prefix}{entry.name}/")
        elif entry.is_file(follow_symlinks=False):
            yield f"{prefix}{entry.name}"
