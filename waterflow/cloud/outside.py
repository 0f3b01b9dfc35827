"""Outside data in a cloud's object store: what an address names there, and where it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from waterflow.data.pinned import (
    Pinned,
    absent,
    changed,
    gone,
    listing_version,
    refuse_manifest,
)
from waterflow.errors import ArtifactError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

AT_ONCE: Final = 8
"""Transfers at a time."""
_LONGEST: Final = 255
"""Bytes of a file's name on any file system of today."""


@dataclass(frozen=True, slots=True)
class OutsideObject:
    """An object as it was seen.

    Attributes:
        key: Its key.
        etag: Its ETag, without quotes.
        size: Bytes.
        version: Its version's id; None where the store keeps none, and in listings.
    """

    key: str
    etag: str
    size: int
    version: str | None = None

    @property
    def pinned_as(self) -> str:
        """What tells it from later ones of that key."""
        return f"version:{self.version}" if self.version else f"etag:{self.etag}"

    @property
    def marks_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.key.endswith("/") and not self.size


@runtime_checkable
class CopyingStore(Protocol):
    """A store whose data goes to another bucket of its own without passing through this machine."""

    def is_at(self, endpoint: str | None) -> bool:
        """Say whether it is the service at an address.

        Args:
            endpoint: The address; None for the cloud's own service.
        """
        ...

    def copy_to(self, pinned: Pinned, target: str) -> None:
        """Bring what was pinned to another place in this service.

        Args:
            pinned: What `pin` returned.
            target: The address of the folder that it goes to: a scheme, a bucket and a key that
                ends with a slash.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: The service refuses, or cannot be reached.
        """
        ...


class OutsideData(ABC):
    """One address in an object store.

    An address that ends in a slash names all objects below it. Another names the object with that
    key or, where there is none, all objects below it.

    Args:
        uri: The address, as the user wrote it.
        container: The bucket or container.
        key: The key.
        entry: The name that the data has in a folder.
    """

    def __init__(self, uri: str, container: str, key: str, entry: str) -> None:
        self.uri, self.container, self.key, self._entry = uri, container, key, entry

    # --- what a store brings --------------------------------------------------------------------

    @abstractmethod
    def object(self, version: str | None = None) -> OutsideObject | None:
        """Return the object of the very key; None when there is none.

        Args:
            version: The version that is asked for, in place of the current one.

        Raises:
            ProviderError: The store refuses, or cannot be reached.
        """

    @abstractmethod
    def listed(self, prefix: str) -> list[OutsideObject]:
        """Return the objects below a prefix.

        Raises:
            ConfigurationError: There is no such bucket or container.
            ProviderError: The store refuses, or cannot be reached.
        """

    @abstractmethod
    def download(self, pinned: Pinned, targets: Iterable[tuple[OutsideObject, Path]]) -> None:
        """Write objects to files whose folders are there; all of them, or an error.

        Raises:
            ArtifactError: One is gone, or was changed.
            ProviderError: The store refuses, or cannot be reached.
        """

    # --- what stores share ----------------------------------------------------------------------

    @contextmanager
    def at_address(self) -> Generator[None]:
        """Raise what the store refuses inside with the data's address.

        Raises:
            ProviderError: The store refuses, or cannot be reached.
        """
        try:
            yield
        except ProviderError as error:
            if str(error).startswith(f"Data at {self.uri}: "):  # said by what is within
                raise
            raise type(error)(
                f"Data at {self.uri}: {error}",
                provider=error.provider,
                operation=error.operation,
                native_code=error.native_code,
                retryable=error.retryable,
            ) from error

    def places(self, pinned: Pinned) -> list[tuple[OutsideObject, PurePosixPath]]:
        """Return the objects to copy, and where below the copy's prefix each goes.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        name, places = self.layout(pinned)
        refuse_manifest(pinned, name)
        return [(one, place) for one, place in places.items() if not one.marks_folder]

    # --- the contract of a store ----------------------------------------------------------------

    def pin(self) -> Pinned:
        """Return what is there now.

        Raises:
            ConfigurationError: Nothing is there.
            ArtifactError: Keys below the prefix cannot be names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        single = self._single()
        if single is not None:
            return Pinned(self.uri, single.pinned_as, size=single.size)
        below = self._below()
        if not below:
            raise absent(self.uri)
        return Pinned(self.uri, self._listing(below), size=sum(one.size for one in below))

    def fetch(self, pinned: Pinned, folder: Path) -> str:
        """Bring what was pinned into a folder, and return the name that it has there.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        name, places = self.layout(pinned)
        targets: list[tuple[OutsideObject, Path]] = []
        for one, place in places.items():
            file = folder / place
            (file if one.marks_folder else file.parent).mkdir(parents=True, exist_ok=True)
            if not one.marks_folder:
                targets.append((one, file))
        self.download(pinned, targets)
        return name

    def layout(self, pinned: Pinned) -> tuple[str, dict[OutsideObject, PurePosixPath]]:
        """Return the name that the data has in a folder, and where in it each object goes.

        Raises:
            ArtifactError: It is gone, was changed, or has keys that cannot be names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        name = self._place(self._entry).name
        single = self._pinned_object(pinned)
        if single is not None:
            return name, {single: PurePosixPath(name)}
        below = self._below()
        if not below:
            raise gone(self.uri)
        if pinned.version not in (None, listing := self._listing(below)):
            raise changed(pinned, listing)
        return name, {one: name / place for one, place in self._places(below).items()}

    # --- looking --------------------------------------------------------------------------------

    def _single(self, version: str | None = None) -> OutsideObject | None:
        return None if not self.key or self.key.endswith("/") else self.object(version)

    def _pinned_object(self, pinned: Pinned) -> OutsideObject | None:
        """Return the object as it was pinned; None where a prefix was.

        Raises:
            ArtifactError: It is another one now, or none.
        """
        kind, _, version = (pinned.version or "").partition(":")
        if kind == "listing":
            return None
        now = self._single()
        if now is not None and pinned.version in (None, now.pinned_as, f"etag:{now.etag}"):
            return now
        if kind == "version":
            kept = self._single(version)
            if kept is not None:
                return kept
        if now is None and kind:
            raise gone(self.uri)
        if now is not None:
            raise changed(pinned, now.pinned_as)
        return None

    def _below(self) -> list[OutsideObject]:
        """Return the objects below the prefix, which a folder can hold."""
        objects = self.listed(self._prefix)
        self._places(objects)
        return objects

    @property
    def _prefix(self) -> str:
        return self.key if not self.key or self.key.endswith("/") else f"{self.key}/"

    def _inside(self, one: OutsideObject) -> str:
        return one.key[len(self._prefix) :]

    def _listing(self, below: Iterable[OutsideObject]) -> str:
        return listing_version(
            {f"/{self._inside(one)}": (one.pinned_as, one.size) for one in below}
        )

    def _places(self, objects: Iterable[OutsideObject]) -> dict[OutsideObject, PurePosixPath]:
        """Return where each object goes within a folder.

        Raises:
            ArtifactError: No folder can hold them all.
        """
        places = {
            one: PurePosixPath()
            if one.key == self._prefix and one.marks_folder
            else self._place(self._inside(one).removesuffix("/" * one.marks_folder))
            for one in objects
        }
        files = {place for one, place in places.items() if not one.marks_folder}
        for one, place in places.items():
            for folder in (*place.parents, *([place] if one.marks_folder else [])):
                if folder in files:
                    raise ArtifactError(
                        f"Data at {self.uri}: {str(folder)!r} is an object, and "
                        f"{self._inside(one)!r} lies below it; no folder can hold both. Rename one "
                        "of them"
                    )
        return places

    def _place(self, inside: str) -> PurePosixPath:
        """Return where an object goes within a folder.

        Args:
            inside: What follows the prefix in its key.

        Raises:
            ArtifactError: It would not stay in the folder, or no file can be called so.
        """
        parts = inside.split("/")
        strange = any(part in ("", ".", "..") or len(part.encode()) > _LONGEST for part in parts)
        if strange or "\0" in inside:
            raise ArtifactError(
                f"Data at {self.uri}: no file can be called {inside!r}, as an object's key is. "
                "Copy the object to another key, or name a prefix without it"
            )
        return PurePosixPath(*parts)


def all_at_once(do: Callable[..., None], calls: Iterable[tuple[Any, ...]]) -> None:
    """Make all calls, several at a time; after an error none begins any more."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for done in [pool.submit(do, *arguments) for arguments in calls]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
