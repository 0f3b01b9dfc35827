"""Outside data: pinned to what it is when a run is submitted, fetched and checked later.

Each way to reach data is a module of its own, imported when data is reached: a run's process passes
here for fingerprints alone. Object stores come from packages besides (`waterflow.data.stores`).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from waterflow.data.pinned import Pinned, refuse_manifest
from waterflow.errors import ConfigurationError
from waterflow.project import leaks, progress
from waterflow.spec.quantities import show_size

__all__ = ["Pinned", "fetch", "pin"]

_OWN: Final = ("file", "http", "https", "dvc")


def pin(uri_or_path: str, root: Path, state: Path) -> Pinned:
    """Find out what some outside data is right now.

    Args:
        uri_or_path: A path relative to the root or absolute, or a URI: file, http, https, s3, gs,
            abfss, another of an installed store, or `dvc://path[@revision]`.
        root: The project's root.
        state: The project's state folder, where the digests of local files are remembered.

    Raises:
        ConfigurationError: The data is not there, cannot be reached, or its URI is not understood.
        ArtifactError: What is there cannot be a file or folder.
        MissingDependencyError: The library that reaches it is not installed.
        ProviderError: The store that holds it refuses.
    """
    from waterflow.data import dvc, http, local, stores

    scheme = stores.scheme_of(uri_or_path)
    if not scheme:
        return local.pin(uri_or_path, root / Path(uri_or_path).expanduser(), state)
    secret = leaks.in_address(uri_or_path)
    if secret is not None:
        raise ConfigurationError(
            f"The address of data at {urlsplit(uri_or_path).hostname} holds {secret}, and "
            "addresses go into documents. Leave it out and use the job's own identity"
        )
    if scheme == "file":
        return local.pin(uri_or_path, Path(unquote(urlsplit(uri_or_path).path)), state)
    if scheme in ("http", "https"):
        held = stores.of_host(uri_or_path)
        return http.pin(uri_or_path) if held is None else held.pin()
    if scheme == "dvc":
        return dvc.pin(uri_or_path, root)
    if scheme in stores.schemes():
        return stores.store(uri_or_path).pin()
    known = ", ".join((*_OWN, *stores.schemes()))
    raise ConfigurationError(
        f"Data at {uri_or_path!r}: '{scheme}' is not understood; {known} are. Use one of them, or "
        "a local path"
    )


def fetch(pinned: Pinned, target: Path) -> Path:
    """Bring pinned data to a new local folder.

    Args:
        pinned: What `pin` returned.
        target: The folder to fill; it must not be there yet, or be empty. It is filled whole or
            not at all.

    Returns:
        The one file or folder in it, under its own name: what else lies in `target` later, such as
        an artifact's manifest, is never taken for the data.

    Raises:
        ArtifactError: The data is gone, is no longer what was pinned, or has a name that artifacts
            need for themselves.
        ConfigurationError: The target holds something, or the data cannot be reached.
        MissingDependencyError: The library that reaches it is not installed.
        ProviderError: The store that holds it refuses.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigurationError(
            f"{target} holds something already. Remove it, or choose another folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        building.chmod(0o755)
        name = _fetch(pinned, building)
        refuse_manifest(pinned, name)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target / name


def _fetch(pinned: Pinned, building: Path) -> str:
    from waterflow.data import dvc, http, local, stores

    scheme = stores.scheme_of(pinned.uri)
    if scheme in ("", "file"):
        return local.fetch(pinned, building)
    if (pinned.size or 0) >= progress.MUCH:
        progress.tell(f"Fetching {pinned.uri}, {show_size(pinned.size or 0)}")
    if scheme in ("http", "https"):
        held = stores.of_host(pinned.uri)
        return http.fetch(pinned, building) if held is None else held.fetch(pinned, building)
    if scheme == "dvc":
        return dvc.fetch(pinned, building)
    return stores.store(pinned.uri).fetch(pinned, building)
