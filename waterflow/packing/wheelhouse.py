"""Wheelhouses: requirements resolved once into wheels, kept by digest, installed offline."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from waterflow.data.fingerprints import text_digest
from waterflow.errors import ConfigurationError
from waterflow.packing.installed import code_files, digest_of
from waterflow.project import progress
from waterflow.tracking.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIP: Final = ("-m", "pip", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True)
class Wheelhouse:
    """Wheels of some requirements and of all that they require.

    Attributes:
        digest: sha256 over the wheels' names and the sha256 of each, in hex.
        folder: Where the wheels are.
    """

    digest: str
    folder: Path

    @property
    def wheels(self) -> list[Path]:
        """The wheels, sorted by name."""
        return sorted(self.folder.glob("*.whl"))


@dataclass(frozen=True)
class TargetPlatform:
    """What wheels are for, where that is not this machine and this Python.

    Attributes:
        platform: A wheel platform tag, such as "manylinux2014_x86_64".
        python: A Python version, such as "3.11".
    """

    platform: str
    python: str


def resolve(
    requirements: Sequence[str],
    place: Path,
    target: TargetPlatform | None = None,
    contents: str = "",
) -> Wheelhouse:
    """Return the wheels of some requirements, resolved anew only when they were never before.

    Args:
        requirements: PEP 508 requirements.
        place: The folder of all wheelhouses.
        target: What the wheels are for; None for this machine and this Python. For another
            machine nothing is built: each library must have a wheel.
        contents: What tells them from others of the same names and versions: with another one
            they are resolved anew.

    Raises:
        ConfigurationError: The requirements cannot be resolved.
    """
    with locked(place / ".lock"):  # one at a time: two would take the wheels from each other
        return _resolve(requirements, place, target, contents)


def _resolve(
    requirements: Sequence[str], place: Path, target: TargetPlatform | None, contents: str
) -> Wheelhouse:
    system = target or TargetPlatform(sys.platform, sys.version)
    request = text_digest(
        "\n".join([system.platform, system.python, *sorted(requirements), contents])
    )
    known = place / f"{request}.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        wheels = Wheelhouse(digest := json.loads(known.read_text())["digest"], place / digest)
        if wheels.folder.is_dir() and _digest(wheels.folder) == digest:
            return wheels
    count = len(requirements)
    where = "this machine" if target is None else f"{target.platform}, Python {target.python}"
    progress.tell(f"Resolving {count} {'library' if count == 1 else 'libraries'} for {where}")
    building = Path(tempfile.mkdtemp(prefix=".wheels-", dir=place))
    try:
        if target is None:
            asked_of_pip = ["wheel", "--wheel-dir", str(building)]
        else:
            asked_of_pip = [
                "download",
                "--dest",
                str(building),
                "--only-binary=:all:",
                *(word for tag in platforms(target.platform) for word in ("--platform", tag)),
                "--python-version",
                target.python,
            ]
        _run([_python_with_pip(place), *_PIP, *asked_of_pip, *requirements])
        digest = _digest(building)
        building.chmod(0o755)
        shutil.rmtree(place / digest, ignore_errors=True)
        building.rename(place / digest)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    written = place / f".{request}.json"
    written.write_text(json.dumps({"digest": digest, "requirements": sorted(requirements)}))
    written.replace(known)
    return Wheelhouse(digest, place / digest)


def file_contents(requirements: Iterable[str]) -> dict[str, str]:
    """Return digests of what requirements of this machine's own files name: `x @ file:///x.whl`.

    A file can be built anew under its name and version; what an index answers for a version cannot
    be known without asking it.

    Args:
        requirements: PEP 508 requirements.

    Returns:
        Requirement -> digest; without those of indexes, and of files that are not there.
    """
    digests: dict[str, str] = {}
    for requirement in requirements:
        address = urlsplit(requirement.partition("@")[2].partition(";")[0].strip())
        path = Path(unquote(address.path))
        if address.scheme != "file":
            continue
        if path.is_file():
            digests[requirement] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            files = [*code_files(path), *filter(Path.is_file, [path / "pyproject.toml"])]
            digest = digest_of((one.relative_to(path).as_posix(), one) for one in files)
            digests[requirement] = digest or ""
    return digests


def platforms(platform: str) -> list[str]:
    """Return the platform tags that a machine of one takes: with a newer glibc, all older ones.

    Args:
        platform: A wheel platform tag; pip itself takes it for that very one.
    """
    match = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if match is None:
        return [platform]
    newest, machine = int(match[1]), match[2]
    named = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    tags: list[str] = []
    for minor in range(newest, 4, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in named:
            tags.append(f"{named[minor]}_{machine}")
    return tags


def install(wheelhouse: Wheelhouse, python: Path) -> None:
    """Install all wheels into an environment, asking no index.

    Args:
        wheelhouse: The wheels.
        python: The environment's Python.

    Raises:
        ConfigurationError: They do not fit each other or this Python.
    """
    wheels = [str(wheel) for wheel in wheelhouse.wheels]
    if wheels:
        pip = [_python_with_pip(wheelhouse.folder.parent), *_PIP, "--python", str(python)]
        _run([*pip, "install", "--no-index", "--no-deps", *wheels])


def _digest(folder: Path) -> str:
    lines = [
        f"{wheel.name} {hashlib.sha256(wheel.read_bytes()).hexdigest()}"
        for wheel in sorted(folder.glob("*.whl"))
    ]
    return text_digest("\n".join(lines))


def _python_with_pip(place: Path) -> str:
    """Return this Python if it has pip; otherwise one that gets Python's own copy of it, once."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    tool = place / ".pip"
    python = tool / "bin" / "python"
    ready = tool / ".ready"
    if not ready.exists():
        shutil.rmtree(tool, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(tool)])
        ready.touch()
    return str(python)


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise ConfigurationError(f"Requirements could not be resolved or installed:\n{tail}")
