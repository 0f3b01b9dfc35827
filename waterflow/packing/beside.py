"""Which modules and files of the project are taken along because a module reaches them by name."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from waterflow.packing import distribution
from waterflow.packing.ignore import NEVER
from waterflow.packing.places import OWN
from waterflow.project import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from waterflow.packing.ignore import Ignore
    from waterflow.packing.imports import Finder, Located, Scan
    from waterflow.packing.places import Place

LOGGER: Final = logging.getLogger("waterflow.packing")

_DEPTH: Final = 6
"""Over how many modules a path that one takes from another is followed."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A path of the project, and where it is in a bundle.

    Attributes:
        path: The file, the folder, or a pattern below the folder.
        inside: Its place in the bundle; None where it would lie above the bundle's top.
        patterns: Glob patterns below it.
        listed: Whether the folder's contents are gone through.
    """

    path: Path
    inside: PurePosixPath | None
    patterns: tuple[str, ...] = ()
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """Finds what is beside the modules of one project.

    Attributes:
        root: The project's root.
        finder: Finds its modules.
        ignore: Knows what is ignored.
        scan: Gives what a module of the project says; None for others.
        told: The lines of which something was told.
    """

    root: Path
    finder: Finder
    ignore: Ignore
    scan: Callable[[str], Scan | None]
    warned: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    # --- modules --------------------------------------------------------------------------------

    def modules(self, scanned: Scan) -> Iterator[str]:
        """Yield the modules that a module imports by texts, and those of packages that it walks."""
        pointed = distribution.entry_modules(self.root) if scanned.dynamic.metadata else ()
        for name in (*scanned.dynamic.names, *pointed):
            located = self._longest(name)
            if located is not None:
                yield located
        for pattern in scanned.dynamic.walks:
            package, _, depth = pattern.rpartition(".")
            located = self.finder.locate(package)
            if located is not None and located.package and not self._is_root(located):
                yield package
                yield from self._below(package, located, deep=depth == "**")

    def _longest(self, name: str) -> str | None:
        """Return the module that a dotted name means: of `a.b.attribute` the module `a.b`."""
        while name:
            if self.finder.locate(name) is not None:
                return name
            name = name.rpartition(".")[0]
        return None

    def _below(self, package: str, located: Located, *, deep: bool) -> Iterator[str]:
        names: dict[str, None] = {}
        for folder in located.folders:
            for entry in sorted(folder.iterdir()):
                if entry.name.startswith((".", "__")):
                    continue
                if entry.is_dir() or entry.suffix == ".py" or ".abi3." in entry.name:
                    names[f"{package}.{entry.name.partition('.')[0]}"] = None
        for name in names:
            inner = self.finder.locate(name)
            if inner is None or (inner.file is None and not deep) or self._is_ignored(inner):
                continue
            if inner.file is not None:
                yield name
            if deep and inner.package:
                yield from self._below(name, inner, deep=True)

    def _is_ignored(self, located: Located) -> bool:
        file = located.file
        return file is not None and file.is_relative_to(self.root) and bool(self.ignore.why([file]))

    def _is_root(self, located: Located) -> bool:
        return any(folder in self.finder.paths for folder in located.folders)

    # --- files ----------------------------------------------------------------------------------

    def files(self, module: str, path: str, scanned: Scan) -> Iterator[tuple[str, Path]]:
        """Yield the files that a module names by their place: path in the bundle, file.

        Args:
            module: The module's dotted name.
            path: Its path in the bundle.
            scanned: What it says.
        """
        for place in scanned.dynamic.places:
            spot = self._spot(place, module, PurePosixPath(path).parent)
            if spot is not None and spot.inside is not None:
                yield from self._held(spot)

    def walked_modules(self, module: str, path: str, scanned: Scan) -> Iterator[str]:
        """Yield the modules among the files that a module names by their place."""
        for inside, file in self.files(module, path, scanned):
            if file.suffix == ".py":
                parts = PurePosixPath(inside).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                located = self.finder.locate(name) if name else None
                if located is not None and located.file == file:
                    yield name

    def tell_relative(self, scans: Mapping[str, Scan], included: Iterable[Path]) -> None:
        """Tell of files that a step looks for in its working folder, where a job has none.

        Args:
            scans: What each module says, by its path.
            included: The files that are taken along.
        """
        looked = [
            (path, line, pattern)
            for path, scanned in scans.items()
            for pattern, line in scanned.dynamic.relative
        ]
        taken = set(included) if looked else set[Path]()
        for path, line, pattern in looked:
            missed = [one for one in self.root.glob(pattern) if not _covered(one, taken)]
            if missed and (path, line) not in self.warned:
                self.warned.add((path, line))
                LOGGER.warning(
                    "waterflow: %s:%s looks for %r in the working folder, which is a job's own and "
                    "begins empty. If a step needs it, take it along: @wf.step(include=[%r])",
                    path,
                    line,
                    pattern,
                    pattern,
                )

    def _spot(
        self, place: Place, module: str, folder: PurePosixPath, depth: int = 0
    ) -> _Spot | None:
        """Return where a place is, seen from a module whose folder in the bundle is known."""
        base = self._base(place, module, folder, depth)
        if base is None or base.patterns:
            return None
        path, inside = base.path, base.inside
        for index, part in enumerate(place.parts):
            if part == "..":
                path = path.parent
                at_top = inside is None or inside == PurePosixPath()
                inside = None if at_top else inside.parent if inside is not None else None
            elif "*" in part or "?" in part:
                return _Spot(path, inside, place.parts[index:], listed=place.listed)
            else:
                path, inside = path / part, None if inside is None else inside / part
        return _Spot(path, inside, listed=place.listed or base.listed)

    def _base(self, place: Place, module: str, folder: PurePosixPath, depth: int) -> _Spot | None:
        if place.anchor == OWN:
            located = self.finder.locate(module)
            if located is None or located.file is None:
                return None
            return _Spot(located.file.parent, folder)
        name, colon, member = place.anchor.partition(":")
        if not colon:
            located = self.finder.locate(name)
            own = PurePosixPath(name.replace(".", "/"))
            if located is not None and located.folders:
                return _Spot(located.folders[0], own)
            if located is not None and located.file is not None:
                return _Spot(located.file.parent, own.parent)
            return None
        located, scanned = self.finder.locate(name), self.scan(name)
        if located is None or scanned is None or depth > _DEPTH:
            return None
        constant = dict(scanned.dynamic.constants).get(member)
        if constant is None:
            return None
        own = PurePosixPath(name.replace(".", "/"))
        return self._spot(constant, name, own if located.package else own.parent, depth + 1)

    def _held(self, spot: _Spot) -> Iterator[tuple[str, Path]]:
        if not spot.path.is_relative_to(self.root):
            return
        at_top = spot.path == self.root or spot.path in self.finder.paths
        taken: dict[Path, None] = {}
        if spot.patterns:
            if at_top and set(spot.patterns[0]) <= {"*"} and not spot.listed:
                return  # any file of the project: which one, only the job can tell
            for match in spot.path.glob("/".join(spot.patterns)):
                taken |= dict.fromkeys(_tree(match) if match.is_dir() else [match])
        elif spot.path.is_file():
            taken[spot.path] = None
        elif spot.path.is_dir() and not at_top:
            taken |= dict.fromkeys(_tree(spot.path))
        elif spot.path.is_dir() and spot.listed:
            taken |= dict.fromkeys(one for one in spot.path.iterdir() if one.is_file())
        ignored = self.ignore.why(taken)
        for file in sorted(taken):
            below = file.relative_to(spot.path)
            secret = leaks.in_name(file.relative_to(self.root).as_posix())
            if file in ignored or secret is not None or not file.is_file():
                continue
            assert spot.inside is not None  # noqa: S101 - the caller's condition, for the type checker
            yield (spot.inside / below.as_posix()).as_posix(), file


def _covered(path: Path, taken: set[Path]) -> bool:
    if path.is_dir():
        return any(one.is_relative_to(path) for one in taken)
    return path in taken


def _tree(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if file.is_file() and not hidden and NEVER.isdisjoint(parts):
            yield file
