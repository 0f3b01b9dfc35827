"""Stores that no package of its own reaches: by fsspec and the library that it names."""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING, Any, Final

from waterflow.data.pinned import Pinned, absent, changed, gone, listing_version, unreachable
from waterflow.errors import ArtifactError, MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

LIBRARIES: Final = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}
"""Scheme -> the library by which fsspec reaches it."""


def installed(scheme: str) -> bool:
    """Say whether fsspec can reach a scheme here."""
    return scheme in LIBRARIES and util.find_spec(LIBRARIES[scheme]) is not None


class LibraryStore:
    """One address, by fsspec.

    Args:
        uri: The address.

    Raises:
        MissingDependencyError: The library is not installed.
    """

    def __init__(self, uri: str) -> None:
        scheme = uri.partition("://")[0].lower()
        if not installed(scheme):
            raise MissingDependencyError(LIBRARIES[scheme], f"Data at {uri}")
        self._uri = uri

    def pin(self) -> Pinned:
        """Return what is there now.

        Raises:
            ConfigurationError: Nothing is there, or it cannot be reached.
        """
        try:
            version, size = _version(*self._opened())
        except FileNotFoundError:
            raise absent(self._uri) from None
        except OSError as error:
            raise unreachable(self._uri, error) from None
        return Pinned(self._uri, version, size=size)

    def fetch(self, pinned: Pinned, folder: Path) -> str:
        """Bring what was pinned into a folder, and return its name.

        Raises:
            ArtifactError: It is gone, was changed, or cannot be fetched.
        """
        try:
            system, path = self._opened()
            before, _ = _version(system, path)
            if pinned.version is not None and before != pinned.version:
                raise changed(pinned, before)
            name = path.rstrip("/").rpartition("/")[2] or "data"
            if system.isdir(path):
                (folder / name).mkdir()
                system.get(path.rstrip("/") + "/", f"{folder / name}/", recursive=True)
            else:
                system.get_file(path, str(folder / name))
            # Looked at again: it may have been replaced while it was read.
            system.invalidate_cache()
            after, _ = _version(system, path)
        except FileNotFoundError:
            raise gone(self._uri) from None
        except OSError as error:
            raise ArtifactError(
                f"Data at {self._uri} cannot be fetched: {error}. Try again"
            ) from None
        if after != before:
            raise changed(pinned, after)
        return name

    def _opened(self) -> tuple[Any, str]:
        system, path = import_module("fsspec.core").url_to_fs(self._uri)
        # What was listed before may have changed since.
        system.invalidate_cache()
        return system, path


def _version(system: Any, path: str) -> tuple[str | None, int | None]:
    """Return the version and size of an object, or of all objects below a prefix."""
    info = dict(system.info(path))
    if info.get("type") != "directory":
        return _object_version(info), info.get("size")
    objects: dict[str, tuple[str, int]] = {}
    for name, one in dict(system.find(path, detail=True)).items():
        version = _object_version(one)
        if version is None:
            return None, None
        objects[name.removeprefix(path)] = version, one.get("size")
    if not objects:
        return None, None
    return listing_version(objects), sum(int(size or 0) for _, size in objects.values())


def _object_version(info: dict[str, Any]) -> str | None:
    for kind, keys in (
        ("version", ("VersionId", "version_id")),
        ("generation", ("generation",)),
        ("etag", ("ETag", "etag")),
    ):
        for key in keys:
            # S3 answers "null" for a bucket without versions.
            if (value := info.get(key)) and str(value) != "null":
                return f"{kind}:{str(value).strip(chr(34))}"
    return None
