"""Outside data: pinned to what it is when a run is submitted, fetched and checked later."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from waterflow import leaks
from waterflow.errors import ArtifactError, ConfigurationError, MissingDependencyError
from waterflow.fingerprints import Fingerprints, digest, hash_file, walk
from waterflow.project import git
from waterflow.runtime.artifacts import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Generator

_CHUNK: Final = 1024 * 1024
_TIMEOUT: Final = 60.0
_STORES: Final = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}


@dataclass(frozen=True, slots=True)
class Pinned:
    """Outside data and what it was at one moment.

    Attributes:
        uri: As the user wrote it.
        version: What tells this content from a later one (`etag:...`, `md5:...`, `version:...`);
            None where neither it nor `sha256` can be had: a step that reads it is not cached.
        sha256: Digest of a local file; for a folder, of the canonical JSON of its files.
        size: Bytes, where known.
        local: The local file or folder; for dvc, where it would lie in the workspace.
    """

    uri: str
    version: str | None = None
    sha256: str | None = None
    size: int | None = None
    local: Path | None = None


def pin(uri_or_path: str, root: Path, state: Path) -> Pinned:
    """Find out what some outside data is right now.

    Args:
        uri_or_path: A path relative to the root or absolute, or a URI: file, http, https, s3, gs,
            abfss, or `dvc://path[@revision]`.
        root: The project's root.
        state: The project's state folder, where the digests of local files are remembered.

    Raises:
        ConfigurationError: The data is not there, cannot be reached, or its URI is not understood.
        MissingDependencyError: The library that reaches it is not installed.
    """
    scheme, separator, rest = uri_or_path.partition("://")
    if not separator:
        return _pin_local(uri_or_path, root / Path(uri_or_path).expanduser(), state)
    secret = leaks.in_address(uri_or_path)
    if secret is not None:
        raise ConfigurationError(
            f"The address of data at {urlsplit(uri_or_path).hostname} holds {secret}, and "
            "addresses go into documents. Leave it out and use the job's own identity"
        )
    scheme = scheme.lower()
    if scheme == "file":
        return _pin_local(uri_or_path, Path(unquote(urlsplit(uri_or_path).path)), state)
    if scheme in ("http", "https"):
        return _pin_http(uri_or_path)
    if scheme == "dvc":
        return _pin_dvc(uri_or_path, rest, root)
    if scheme in _STORES:
        return _pin_store(uri_or_path, scheme)
    known = ", ".join(("file", "http", "https", "dvc", *_STORES))
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
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigurationError(
            f"{target} holds something already. Remove it, or choose another folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        building.chmod(0o755)
        scheme = pinned.uri.partition("://")[0].lower() if "://" in pinned.uri else ""
        if scheme in ("http", "https"):
            name = _fetch_http(pinned, building)
        elif scheme == "dvc":
            name = _fetch_dvc(pinned, building)
        elif scheme in _STORES:
            name = _fetch_store(pinned, building, scheme)
        else:
            name = _fetch_local(pinned, building)
        if name == MANIFEST:
            raise ArtifactError(
                f"Data at {pinned.uri} has the name of the artifact's own manifest. Give it "
                "another name, or name the folder that it lies in"
            )
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target / name


def _changed(pinned: Pinned, found: object) -> ArtifactError:
    was = pinned.version or f"sha256:{pinned.sha256}"
    return ArtifactError(
        f"Data at {pinned.uri} changed since it was pinned: it was {was} and is {found}. "
        "Submit the run again"
    )


# --- local files ----------------------------------------------------------------------------------


def _pin_local(uri: str, path: Path, state: Path) -> Pinned:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user named them
    if not absolute.exists():
        raise ConfigurationError(
            f"Data at {uri!r} is not there: looked at {absolute}. Paths are relative to the "
            "project's root; correct it, or give it with -p NAME=PATH"
        )
    with Fingerprints(state) as known:
        sha256, size = digest(absolute, known.sha256)
    return Pinned(uri, sha256=sha256, size=size, local=absolute)


def _fetch_local(pinned: Pinned, building: Path) -> str:
    source = pinned.local
    if source is None or not source.exists():
        raise ArtifactError(f"Data at {pinned.uri} is gone: looked at {source}. Bring it back")
    name = source.name or "data"
    _copy(source, building / name)
    found, _ = digest(building / name, hash_file)
    if found != pinned.sha256:
        raise _changed(pinned, f"sha256:{found}")
    return name


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


# --- http -----------------------------------------------------------------------------------------


def _pin_http(uri: str) -> Pinned:
    try:
        with _open(uri, "HEAD") as answer:
            return _http_pinned(uri, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            if error.code not in (403, 405, 501):
                raise _unreachable(uri, error) from None
    # Some servers, and addresses signed for GET, refuse HEAD: ask for the content, read none.
    try:
        with _open(uri, "GET") as answer:
            return _http_pinned(uri, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            raise _unreachable(uri, error) from None


def _fetch_http(pinned: Pinned, building: Path) -> str:
    name = unquote(Path(urlsplit(pinned.uri).path).name) or "data"
    name = Path(name).name or "data"
    file = building / name
    try:
        with _open(pinned.uri, "GET") as answer:
            now = _http_pinned(pinned.uri, answer.headers)
            if pinned.version is not None and now.version != pinned.version:
                raise _changed(pinned, now.version)
            with file.open("wb") as stream:
                shutil.copyfileobj(answer, stream, _CHUNK)
    except urllib.error.HTTPError as error:
        with error:
            raise ArtifactError(
                f"Data at {pinned.uri} cannot be fetched: {error.code} {error.reason}. "
                "Check the address"
            ) from None
    except OSError as error:
        raise ArtifactError(f"Data at {pinned.uri} broke off: {error}. Try again") from None
    size = file.stat().st_size
    if now.size is not None and size != now.size:
        raise ArtifactError(
            f"Data at {pinned.uri} broke off after {size} of {now.size} bytes. Try again"
        )
    if pinned.sha256 is not None and (found := hash_file(file)) != pinned.sha256:
        raise _changed(pinned, f"sha256:{found}")
    return name


@contextmanager
def _open(uri: str, method: str) -> Generator[Any]:
    # Any content encoding would change the bytes, and with them the ETag.
    headers = {"Accept-Encoding": "identity"}
    request = urllib.request.Request(uri, method=method, headers=headers)  # noqa: S310 - http(s)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310 - as above
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError) as error:
        raise _unreachable(uri, error) from None
    with closing(answer):
        yield answer


def _http_pinned(uri: str, headers: Any) -> Pinned:
    version = None
    if headers.get("ETag"):
        version = f"etag:{headers['ETag']}"
    elif headers.get("Last-Modified"):
        version = f"last-modified:{headers['Last-Modified']}"
    length = headers.get("Content-Length", "")
    return Pinned(uri, version, size=int(length) if length.isdecimal() else None)


def _unreachable(uri: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"Data at {uri} cannot be reached: {error}. Check the address and the network"
    )


# --- object stores --------------------------------------------------------------------------------


def _store(uri: str, scheme: str) -> tuple[Any, str]:
    library = _STORES[scheme]
    if util.find_spec(library) is None:
        raise MissingDependencyError(library, f"Data at {uri}")
    system, path = import_module("fsspec.core").url_to_fs(uri)
    # What was listed before may have changed since.
    system.invalidate_cache()
    return system, path


def _store_version(system: Any, path: str) -> tuple[str | None, int | None]:
    """Return the version and size of an object, or of all objects below a prefix."""
    info = dict(system.info(path))
    if info.get("type") != "directory":
        return _object_version(info), info.get("size")
    found: dict[str, Any] = dict(system.find(path, detail=True))
    versions = {
        name.removeprefix(path): [_object_version(one), one.get("size")]
        for name, one in found.items()
    }
    if not versions or any(version is None for version, _ in versions.values()):
        return None, None
    text = json.dumps(versions, sort_keys=True)
    total = sum(int(size or 0) for _, size in versions.values())
    return f"listing:{hashlib.sha256(text.encode()).hexdigest()}", total


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


def _pin_store(uri: str, scheme: str) -> Pinned:
    try:
        system, path = _store(uri, scheme)
        version, size = _store_version(system, path)
    except FileNotFoundError:
        raise ConfigurationError(f"Data at {uri} is not there. Check the address") from None
    except OSError as error:
        raise _unreachable(uri, error) from None
    return Pinned(uri, version, size=size)


def _fetch_store(pinned: Pinned, building: Path, scheme: str) -> str:
    try:
        system, path = _store(pinned.uri, scheme)
        before, _ = _store_version(system, path)
        if pinned.version is not None and before != pinned.version:
            raise _changed(pinned, before)
        name = path.rstrip("/").rpartition("/")[2] or "data"
        if system.isdir(path):
            (building / name).mkdir()
            system.get(path.rstrip("/") + "/", f"{building / name}/", recursive=True)
        else:
            system.get_file(path, str(building / name))
        # Looked at again: it may have been replaced while it was read.
        system.invalidate_cache()
        after, _ = _store_version(system, path)
    except FileNotFoundError:
        raise ArtifactError(f"Data at {pinned.uri} is gone. Bring it back") from None
    except OSError as error:
        raise ArtifactError(f"Data at {pinned.uri} cannot be fetched: {error}. Try again") from None
    if after != before:
        raise _changed(pinned, after)
    return name


# --- dvc ------------------------------------------------------------------------------------------


def _pin_dvc(uri: str, rest: str, root: Path) -> Pinned:
    name, revision = _dvc_parts(rest)
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
    out = _dvc_out(content, Path(name).name)
    if out is None:
        raise ConfigurationError(f"{where} names no md5 for {name}. Next: dvc commit {name}")
    size = out.get("size")
    return Pinned(
        uri, f"md5:{out['md5']}", size=size if isinstance(size, int) else None, local=root / name
    )


def _dvc_parts(rest: str) -> tuple[str, str]:
    name, _, revision = rest.partition("@")
    return name.strip("/"), revision


def _dvc_out(content: bytes, name: str) -> dict[str, Any] | None:
    import yaml

    try:
        document: Any = yaml.safe_load(content)
        for out in document["outs"]:
            if Path(str(out["path"])).name == name and isinstance(out.get("md5"), str):
                return out
    except (yaml.YAMLError, KeyError, TypeError):
        return None
    return None


def _fetch_dvc(pinned: Pinned, building: Path) -> str:
    assert pinned.local is not None  # noqa: S101 - `pin` sets it, for the type checker
    md5 = (pinned.version or "").removeprefix("md5:")
    folder = md5.endswith(".dir")
    name = pinned.local.name
    place = building / name
    if folder:
        place.mkdir()
    repository = _dvc_repository(pinned.local)
    cached = repository / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    if not folder and cached.is_file():
        shutil.copyfile(cached, place)
    elif pinned.local.exists() and _md5(pinned.local) == md5:
        _copy(pinned.local, place)
    else:
        _dvc_download(pinned, repository, place)
    if (found := _md5(place)) != md5:
        raise _changed(pinned, f"md5:{found}")
    return name


def _dvc_download(pinned: Pinned, repository: Path, place: Path) -> None:
    assert pinned.local is not None  # noqa: S101 - `pin` sets it, for the type checker
    if util.find_spec("dvc") is None:
        raise MissingDependencyError("dvc", f"Data at {pinned.uri}", 'pip install "waterflow[dvc]"')
    _, revision = _dvc_parts(pinned.uri.partition("://")[2])
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


def _dvc_repository(path: Path) -> Path:
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
