"""Object stores: what reaches one, and where packages name theirs."""

from __future__ import annotations

import fnmatch
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import urlsplit

from waterflow.data.libraries import LIBRARIES, LibraryStore, installed
from waterflow.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from waterflow.data.pinned import Pinned

GROUP: Final = "waterflow.stores"
"""The entry-point group in which a package names its stores: a URI scheme -> a `StoreClass`.

In place of a scheme it may name web addresses of its own, as `https://` and a glob of hosts.
"""


class Store(Protocol):
    """Reaches one address of an object store: an object, or all objects below a prefix.

    The helpers of `waterflow.data.pinned` make the errors.
    """

    def pin(self) -> Pinned:
        """Return what is there now, with its version and size.

        The version tells this content from every later one: `version:ID` where the store keeps
        versions, `etag:TAG` where it does not, and `listing:SHA256` below a prefix. It is the same
        as long as the content is, on every machine.

        Raises:
            ConfigurationError: Nothing is there, or the address is wrong.
            ArtifactError: What is there has keys that cannot be names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        ...

    def fetch(self, pinned: Pinned, folder: Path) -> str:
        """Bring what was pinned into an empty folder: that very content, or nothing.

        Args:
            pinned: What `pin` returned, maybe on another day.
            folder: The folder. What is written stays within it, whatever keys say.

        Returns:
            The name of the one file or folder that was made in it.

        Raises:
            ArtifactError: It is gone, is no longer what was pinned, or has keys that cannot be
                names of files.
            ProviderError: The store refuses, or cannot be reached.
        """
        ...


class StoreClass(Protocol):
    """Makes a store."""

    def __call__(self, uri: str, /) -> Store:
        """Return the store of an address; nothing is asked of it yet.

        Args:
            uri: The address, as the user wrote it.

        Raises:
            ConfigurationError: It is no address of this store.
            MissingDependencyError: A library is not installed.
        """
        ...


def scheme_of(uri: str) -> str:
    """Return an address' scheme in lower case; nothing for a path."""
    scheme, separator, _ = uri.partition("://")
    return scheme.lower() if separator else ""


def schemes() -> list[str]:
    """Return the schemes of all stores."""
    return [name for name in dict.fromkeys((*LIBRARIES, *_named())) if "://" not in name]


def of_host(uri: str) -> Store | None:
    """Return what reaches a web address that is some store's; None for one that is any page's.

    Args:
        uri: An address on the web.

    Raises:
        ConfigurationError: It is no address of its store.
    """
    try:
        point = _of_host(uri)
        return None if point is None else _opened(point, uri)
    except MissingDependencyError:
        return None  # what is public needs no library


def _of_host(uri: str) -> EntryPoint | None:
    place = f"{scheme_of(uri)}://{(urlsplit(uri).hostname or '').lower()}"
    return next(
        (
            point
            for name, point in _named().items()
            if "://" in name and fnmatch.fnmatchcase(place, name)
        ),
        None,
    )


def store(uri: str) -> Store:
    """Return what reaches an address: a package's own store, or else a library of fsspec's.

    Args:
        uri: An address whose scheme is among `schemes`.

    Raises:
        ConfigurationError: It is no address of its store.
        MissingDependencyError: The library that reaches it is not installed.
    """
    scheme = scheme_of(uri)
    point = _named().get(scheme)
    if point is None:
        return LibraryStore(uri)
    try:
        return _opened(point, uri)
    except MissingDependencyError:
        if not installed(scheme):
            raise
    return LibraryStore(uri)


def _opened(point: EntryPoint, uri: str) -> Store:
    try:
        store_class: Any = point.load()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(error.name or point.module, f"Data at {uri}") from error
    return cast("StoreClass", store_class)(uri)


def _named() -> dict[str, EntryPoint]:
    """Return the stores that packages name, by scheme.

    Raises:
        ConfigurationError: Two packages give different stores for one scheme.
    """
    points: dict[str, EntryPoint] = {}
    for point in metadata.entry_points(group=GROUP):
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigurationError(
                f"Two packages reach data at {point.name}://: {other.value} and {point.value}. "
                "Uninstall one: pip uninstall NAME"
            )
    return points
