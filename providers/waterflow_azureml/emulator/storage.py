"""Storage accounts as jobs and clients share them: containers of blobs, their bytes on disk."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
import time
import uuid
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from waterflow.emulation.clock import Clock

FOLDER: Final = "hdi_isfolder"
"""The metadata by which a blob stands for a folder."""
_NUMBERS = itertools.count(1)


@dataclass
class Blob:
    """A blob: where its bytes are, and what is said about them.

    Attributes:
        digest: The SHA-256 of its bytes, by which they are kept.
        size: Bytes.
        md5: Their MD5, in base64.
        created: When, in seconds since the epoch.
        modified: When it was last changed.
        tag: Its ETag, without quotes.
        version: Its version id; "" where versions are not enabled.
        metadata: The user's.
        headers: What it is served with: `Content-Type`.
        kind: `BlockBlob` or `AppendBlob`.
        copy: Of which copy it was made: `id`, `source`, and `until` when it goes on; empty for
            none.
    """

    digest: str
    size: int
    md5: str
    created: float
    modified: float
    tag: str = ""
    version: str = ""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    kind: str = "BlockBlob"
    copy: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def copying(self) -> bool:
        """Whether it is still being copied, as the service says."""
        return bool(self.copy) and time.time() < self.copy["until"]


@dataclass
class Container:
    """A container of a storage account.

    Attributes:
        created: When, in seconds since the epoch.
        blobs: Name -> blob.
        earlier: Name -> the versions that are not current, the oldest first.
        blocks: Name -> block id -> (digest, size) of what no list has taken yet.
        committed: Name -> the blocks of which it was made: id, digest, size.
        metadata: The user's.
        folders: Folders made as such through the Data Lake's API, which hold nothing yet.
    """

    created: float
    blobs: dict[str, Blob] = field(default_factory=dict[str, Blob])
    earlier: dict[str, list[Blob]] = field(default_factory=dict[str, list[Blob]])
    blocks: dict[str, dict[str, tuple[str, int]]] = field(
        default_factory=dict[str, dict[str, tuple[str, int]]]
    )
    committed: dict[str, list[tuple[str, str, int]]] = field(
        default_factory=dict[str, list[tuple[str, str, int]]]
    )
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    folders: dict[str, float] = field(default_factory=dict[str, float])

    def committed_blocks(self, name: str) -> dict[str, tuple[str, int]]:
        """Return the blocks of which a blob was made: id -> digest and size."""
        return {one: (digest, size) for one, digest, size in self.committed.get(name, [])}


@dataclass
class Account:
    """A storage account.

    Attributes:
        name: Its name, the first part of its host.
        versioned: Whether a blob's earlier versions are kept.
        keys: Whether shared keys are taken.
        hierarchical: Whether it has the Data Lake's folders.
        containers: Name -> container.
    """

    name: str
    versioned: bool = False
    keys: bool = True
    hierarchical: bool = False
    containers: dict[str, Container] = field(default_factory=dict[str, Container])


class Blobs:
    """The part that has all storage accounts.

    Args:
        clock: The time.
        folder: Where bytes are kept, each content once.
    """

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock, self._folder = clock, folder
        self.accounts: dict[str, Account] = {}
        self.lock = threading.RLock()
        """Held by who looks and then changes."""

    # --- for jobs, which know no wire -------------------------------------------------------------

    def account(self, name: str) -> Account:
        """Return a storage account, made where there is none."""
        with self.lock:
            return self.accounts.setdefault(name, Account(name))

    def container(self, account: str, container: str) -> Container:
        """Return a container, made with its account where there is none.

        Args:
            account: The storage account's name.
            container: The container's.
        """
        with self.lock:
            held = self.account(account).containers
            return held.setdefault(container, Container(self._clock.now()))

    def read(self, account: str, container: str, name: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            KeyError: There is none.
        """
        return self.path(self.accounts[account].containers[container].blobs[name]).read_bytes()

    def write(
        self,
        account: str,
        container: str,
        name: str,
        data: bytes | Path,
        metadata: Mapping[str, str] | None = None,
    ) -> Blob:
        """Write a blob.

        Args:
            account: The storage account's name.
            container: The container's, made where there is none.
            name: The blob's.
            data: Its bytes, or a file with them.
            metadata: The user's.
        """
        with self.lock:
            held = self.container(account, container)
            return self.place(self.accounts[account], held, name, self.keep(data), metadata or {})

    def names(self, account: str, container: str, place: str) -> list[str]:
        """Return the names of the blobs at a place or below it, in their order.

        Args:
            account: The storage account's name.
            container: The container's.
            place: A blob's name, or a folder's.
        """
        held = self.accounts.get(account)
        there = held.containers.get(container) if held else None
        if there is None:
            return []
        folder = f"{place.strip('/')}/" if place.strip("/") else ""
        with self.lock:
            return sorted(n for n in there.blobs if n == place.strip("/") or n.startswith(folder))

    def fetch(self, account: str, container: str, place: str, target: Path) -> int:
        """Bring what lies at a place into a file or a folder, and return how many files.

        Args:
            account: The storage account's name.
            container: The container's.
            place: A blob's name: then `target` becomes a file; or a folder's.
            target: Where it is to be.
        """
        place = place.strip("/")
        names = self.names(account, container, place)
        for name in names:
            file = target if name == place else target / name[len(place) :].lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(
                self.path(self.accounts[account].containers[container].blobs[name]), file
            )
        return len(names)

    def store(self, account: str, container: str, place: str, source: Path) -> list[str]:
        """Write a file, or all files of a folder, at a place; return the blobs' names.

        Args:
            account: The storage account's name.
            container: The container's.
            place: The blob's name for a file, the folder's for a folder.
            source: The file or folder.
        """
        place = place.strip("/")
        if source.is_file():
            self.write(account, container, place, source)
            return [place]
        names: list[str] = []
        for file in sorted(source.rglob("*")):
            if file.is_file():
                names.append("/".join(filter(None, (place, file.relative_to(source).as_posix()))))
                self.write(account, container, names[-1], file)
        return names

    # --- for the wire -----------------------------------------------------------------------------

    def path(self, blob: Blob) -> Path:
        """Return the file that has a blob's bytes; it must not be changed."""
        return self._file(blob.digest)

    def keep(self, data: bytes | Path) -> Blob:
        """Keep bytes on disk, and return a blob of them that is in no container yet."""
        sha, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        draft = self._folder / f"new-{uuid.uuid4().hex}"
        self._folder.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as target:
            for chunk in _chunks(data):
                sha.update(chunk)
                md5.update(chunk)
                size += target.write(chunk)
        file = self._file(sha.hexdigest())
        file.parent.mkdir(exist_ok=True)
        draft.replace(file)
        moment = self._clock.now()
        return Blob(sha.hexdigest(), size, b64encode(md5.digest()).decode(), moment, moment)

    def joined(self, digests: list[str]) -> Blob:
        """Return a blob, in no container yet, of kept contents one after the other."""
        draft = self._folder / f"new-{uuid.uuid4().hex}"
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as target:
                for digest in digests:
                    with self._file(digest).open("rb") as source:
                        shutil.copyfileobj(source, target)
            return self.keep(draft)
        finally:
            draft.unlink(missing_ok=True)

    def place(
        self,
        account: Account,
        container: Container,
        name: str,
        blob: Blob,
        metadata: Mapping[str, str],
    ) -> Blob:
        """Put a kept blob in a container, in place of the one of that name.

        Args:
            account: The account, which says whether the one before is kept.
            container: The container.
            name: The blob's name.
            blob: What `keep` returned.
            metadata: The user's.
        """
        with self.lock:
            before = container.blobs.get(name)
            blob.metadata = dict(metadata)
            blob.headers.setdefault("Content-Type", "application/octet-stream")
            blob.created = before.created if before else blob.modified
            self.touch(account, container, name, blob)
            container.blobs[name] = blob
            parent = name.rpartition("/")[0]
            if account.hierarchical and parent and parent not in container.blobs:
                folder = self.keep(b"")
                self.place(account, container, parent, folder, {FOLDER: "true"})
            return blob

    def touch(self, account: Account, container: Container, name: str, blob: Blob) -> None:
        """Give a changed blob another tag, and keep the one that it stands in place of.

        Args:
            account: The account, which says whether the one before is kept.
            container: The container.
            name: The blob's name.
            blob: What has become of it.
        """
        blob.modified, blob.tag = self.stamp()
        if account.versioned:
            before = container.blobs.get(name)
            if before is not None:
                container.earlier.setdefault(name, []).append(before)
            blob.version = _version(blob.modified)

    def stamp(self) -> tuple[float, str]:
        """Return the time, and an ETag that no blob has had."""
        return self._clock.now(), f"0x8D{time.time_ns() + next(_NUMBERS):X}"

    def remove(
        self, account: Account, container: Container, name: str, version: str | None = None
    ) -> None:
        """Remove a blob that is there; an account with versions keeps it as one.

        Args:
            account: The account.
            container: The container.
            name: The blob's name.
            version: The version's id, to remove that one; None for the current blob.
        """
        with self.lock:
            held = container.blobs.get(name)
            if version is None or (held is not None and held.version == version):
                del container.blobs[name]
                container.committed.pop(name, None)
                if account.versioned and version is None and held is not None:
                    container.earlier.setdefault(name, []).append(held)
            else:
                kept = [one for one in container.earlier[name] if one.version != version]
                container.earlier[name] = kept

    def _file(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]

    # --- its state --------------------------------------------------------------------------------

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all accounts as JSON; the bytes are on disk."""
        with self.lock:
            return [asdict(account) for account in self.accounts.values()]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Take the accounts of a snapshot."""
        self.accounts = {one["name"]: _account(one) for one in saved}

    def prune(self, saved: list[dict[str, Any]]) -> None:
        """Remove the bytes that no blob of a snapshot has."""
        used: set[str] = set()
        for one in saved:
            for container in _account(one).containers.values():
                blobs = [*container.blobs.values(), *itertools.chain(*container.earlier.values())]
                used |= {blob.digest for blob in blobs}
                used |= {digest for ids in container.blocks.values() for digest, _ in ids.values()}
                used |= {digest for made in container.committed.values() for _, digest, _ in made}
        if self._folder.is_dir():
            for file in [file for file in self._folder.glob("*/*") if file.is_file()]:
                if file.parent.name + file.name not in used:
                    file.unlink()


def _chunks(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as source:
        while chunk := source.read(1 << 20):
            yield chunk


def _version(moment: float) -> str:
    """Return a version id: the time, to a tenth of a microsecond, as the service writes it."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{text}.{next(_NUMBERS) % 10_000_000:07d}Z"


def _account(saved: dict[str, Any]) -> Account:
    containers = {name: _container(one) for name, one in saved["containers"].items()}
    flags = (saved["versioned"], saved["keys"], saved["hierarchical"])
    return Account(saved["name"], *flags, containers)


def _container(saved: dict[str, Any]) -> Container:
    return Container(
        created=saved["created"],
        blobs={name: Blob(**one) for name, one in saved["blobs"].items()},
        earlier={n: [Blob(**one) for one in blobs] for n, blobs in saved["earlier"].items()},
        blocks={
            name: {block: (digest, size) for block, (digest, size) in blocks.items()}
            for name, blocks in saved["blocks"].items()
        },
        committed={n: [(b, d, s) for b, d, s in made] for n, made in saved["committed"].items()},
        metadata=saved["metadata"],
        folders=saved["folders"],
    )
