"""Data that DVC tracks: pinned by the md5 of its pointer file."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib import import_module, util
from pathlib import Path
from typing import Any

from waterflow.data.fingerprints import walk
from waterflow.data.local import copy
from waterflow.data.pinned import Pinned, changed
from waterflow.errors import ArtifactError, ConfigurationError, MissingDependencyError
from waterflow.project import git


def pin(uri: str, root: Path) -> Pinned:
    """Return what DVC tracks with the md5 that its pointer file names.

    Args:
        uri: `dvc://path[@revision]`.
        root: The project's root.

    Raises:
        ConfigurationError: DVC does not track it.
    """
    name, revision = _parts(uri)
    pointer = f"{name}.dvc"
    where = f"{root / pointer}" + (f" at revision {revision}" if revision else "")
    if revision.startswith("-") or ".." in Path(name).parts or Path(name).is_absolute() or not name:
        raise ConfigurationError(
            f"Data at {uri!r}: write dvc://path/below/the/root, with @revision where one is meant"
        )
    if revision:
        content = git(root, "show", f"{revision}:./{pointer}")
    else:
        content = (root / pointer).read_bytes() if (root / pointer).is_file() else None
    if content is None:
        raise ConfigurationError(
            f"Data at {uri!r} is not tracked by DVC: looked at {where}. Next: dvc add {name}"
        )
    out = _out(content, Path(name).name)
    if out is None:
        raise ConfigurationError(f"{where} names no md5 for {name}. Next: dvc commit {name}")
    size = out.get("size")
    return Pinned(
        uri, f"md5:{out['md5']}", size=size if isinstance(size, int) else None, local=root / name
    )


def _parts(uri: str) -> tuple[str, str]:
    name, _, revision = uri.partition("://")[2].partition("@")
    return name.strip("/"), revision


def _out(content: bytes, name: str) -> dict[str, Any] | None:
    import yaml

    try:
        document: Any = yaml.safe_load(content)
        for out in document["outs"]:
            if Path(str(out["path"])).name == name and isinstance(out.get("md5"), str):
                return out
    except (yaml.YAMLError, KeyError, TypeError):
        return None
    return None


def fetch(pinned: Pinned, building: Path) -> str:
    """Bring it from DVC's cache, the workspace or DVC's remote, and return its name.

    Raises:
        ArtifactError: DVC cannot bring it, or brings something else.
        MissingDependencyError: DVC is needed, and not installed.
    """
    assert pinned.local is not None  # noqa: S101 - `pin` sets it, for the type checker
    md5 = (pinned.version or "").removeprefix("md5:")
    folder = md5.endswith(".dir")
    name = pinned.local.name
    place = building / name
    if folder:
        place.mkdir()
    repository = _repository(pinned.local)
    cached = repository / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    if not folder and cached.is_file():
        shutil.copyfile(cached, place)
    elif pinned.local.exists() and _md5(pinned.local) == md5:
        copy(pinned.local, place)
    else:
        _download(pinned, repository, place)
    if (digest := _md5(place)) != md5:
        raise changed(pinned, f"md5:{digest}")
    return name


def _download(pinned: Pinned, repository: Path, place: Path) -> None:
    assert pinned.local is not None  # noqa: S101 - `pin` sets it, for the type checker
    if util.find_spec("dvc") is None:
        raise MissingDependencyError("dvc", f"Data at {pinned.uri}", 'pip install "waterflow[dvc]"')
    _, revision = _parts(pinned.uri)
    try:
        system = import_module("dvc.api").DVCFileSystem(str(repository), rev=revision or None)
        inside = pinned.local.relative_to(repository).as_posix()
        if place.is_dir():  # The slashes: its content, not the folder itself.
            system.get(f"{inside}/", f"{place}/", recursive=True)
        else:
            system.get_file(inside, str(place))
    except Exception as error:
        raise ArtifactError(
            f"Data at {pinned.uri} cannot be fetched by DVC: {error}. Next: dvc pull"
        ) from error


def _repository(path: Path) -> Path:
    for folder in path.parents:
        if (folder / ".dvc").is_dir():
            return folder
    return path.parent


def _md5(path: Path) -> str:
    """Return DVC's digest of a file or folder."""

    def of_file(file: Path) -> str:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
        return digest.hexdigest()

    if path.is_file():
        return of_file(path)
    files = [
        {"md5": of_file(one), "relpath": one.relative_to(path).as_posix()} for one in walk(path)
    ]
    files.sort(key=lambda one: one["relpath"])
    text = json.dumps(files, sort_keys=True).encode()
    return f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir"
