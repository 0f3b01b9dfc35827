"""The code bundle of a step: the files its module needs in a job, under one digest."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError, DefinitionError
from waterflow.packing import distribution, jobparts
from waterflow.packing.beside import Beside
from waterflow.packing.ignore import NEVER, Ignore
from waterflow.packing.imports import Finder, Located, Scan, scan, search_path
from waterflow.project import leaks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SIZE_LIMIT: Final = 50 * 1024**2
"""The most bytes that a bundle holds when nothing else is asked for."""

Content = bytes | Path
_Key = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bundle:
    """A step's code.

    Attributes:
        digest: sha256 over the sorted paths and the sha256 of each file, in hex.
        files: The bundle's files by their path in it: bytes, or a file still to be read.
        third_party: Top-level modules imported, by a statement or by name, that are neither of the
            standard library nor of the project, sorted.
        module: The step's module.
        hashes: The sha256 of each file.
        programs: The paths that keep their executable bit.
        libraries: Those of `third_party` that statements import, by their full dotted names, to
            import beforehand.
        modules: The project's modules by their dotted names -> their paths.
        included: The paths that were asked for by `include=`, and those taken along because a
            module reaches them by a text: of these all counts, to the last comment.
        beside: Modules that a job needs whatever the step's module imports: those that its values
            are read and written with.
    """

    digest: str
    files: dict[str, Content]
    third_party: tuple[str, ...]
    module: str
    hashes: dict[str, str] = field(repr=False, default_factory=dict[str, str])
    programs: frozenset[str] = frozenset()
    libraries: tuple[str, ...] = ()
    modules: dict[str, str] = field(repr=False, default_factory=dict[str, str])
    included: frozenset[str] = frozenset()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """One module as it goes into a bundle: its place, its bytes, and what it imports."""

    path: str
    file: Path | None
    content: bytes
    digest: str
    scan: Scan


class Bundler:
    """Builds the bundles of one project, reading each file once.

    It sees the project as it is when it first looks: make one for each submit.

    Args:
        root: The project's root.
        paths: The folders from which the project's modules are imported; by default those of
            `sys.path` under the root, `src`, and the root.
        size_limit: The most bytes that a bundle may hold.
    """

    def __init__(
        self, root: Path, *, paths: Sequence[Path] | None = None, size_limit: int = SIZE_LIMIT
    ) -> None:
        self.root = root.resolve()
        chosen = search_path(self.root) if paths is None else tuple(one.resolve() for one in paths)
        self.size_limit = size_limit
        self._finder = Finder(chosen)
        self._ignore = Ignore(self.root)
        self._beside = Beside(self.root, self._finder, self._ignore, self._scan)
        self._sources: dict[str, _Source | None] = {}
        self._bundles: dict[_Key, Bundle] = {}
        self._included: dict[tuple[str, ...], dict[str, Path]] = {}
        self._hashed: dict[Path, str] = {}

    def build(
        self,
        module: str,
        include: tuple[str, ...] = (),
        *,
        generated: Mapping[str, str] = _NOTHING,
        beside: Iterable[str] = (),
    ) -> Bundle:
        """Build the bundle of a step.

        Args:
            module: Dotted name of the step's module.
            include: Globs of further files, relative to the root; a folder means all it holds.
            generated: Modules given by their source text: dotted name -> source.
            beside: Dotted names of further modules, with all that they import.

        Raises:
            DefinitionError: The module is not there, a module has a syntax error, or is ignored.
            ConfigurationError: A glob finds nothing, a file looks like a secret, or the bundle is
                too large.
        """
        further = tuple(sorted({*beside} - {module}))
        key = (module, tuple(include), tuple(sorted(generated.items())), further)
        if key not in self._bundles:
            self._bundles[key] = self._build(module, tuple(include), generated, further)
        return self._bundles[key]

    def module_of(self, name: str) -> str | None:
        """Return the module in which a class or function is, by its dotted name.

        Args:
            name: Such as `package.module.Class`.

        Returns:
            None where the standard library has it, or nobody that could be found.
        """
        parts = name.split(".")[:-1]
        for end in range(len(parts), 0, -1):
            module = ".".join(parts[:end])
            if self._source(module) is not None:
                return module
        if not parts or parts[0] in sys.stdlib_module_names or not self._is_installed(parts[0]):
            return None
        return ".".join(parts)

    def _build(
        self,
        module: str,
        include: tuple[str, ...],
        generated: Mapping[str, str],
        beside: tuple[str, ...],
    ) -> Bundle:
        sources, outside, by_text = self._closure(module, generated, beside)
        included = self._beside_files(sources) | self._include(include)
        self._beside.tell_relative(
            {source.path: source.scan for source in sources.values()}, included.values()
        )
        self._check_size(sources.values(), included)
        files: dict[str, Content] = dict(jobparts.files())
        hashes = dict(jobparts.hashes())
        if any(source.scan.dynamic.metadata for source in sources.values()):
            for path, content in distribution.files(self.root).items():
                files[path], hashes[path] = content, hashlib.sha256(content).hexdigest()
        programs: set[str] = set()
        for path, file in included.items():
            _refuse_secret(path, file.name, file.read_bytes())
            files[path], hashes[path] = file, self._hash(file)
            if file.stat().st_mode & 0o100:
                programs.add(path)
        for source in sources.values():
            files[source.path], hashes[source.path] = source.content, source.digest
        ordered = {path: files[path] for path in sorted(files)}
        libraries = tuple(
            sorted(name for name in outside if self._is_installed(name.partition(".")[0]))
        )
        text = "".join(
            f"{path}\0{hashes[path]}{' x' if path in programs else ''}\n" for path in ordered
        )
        return Bundle(
            hashlib.sha256(os.fsencode(text)).hexdigest(),
            ordered,
            tuple(sorted({name.partition(".")[0] for name in libraries} | self._named(sources))),
            module,
            hashes,
            frozenset(programs),
            libraries,
            {name: source.path for name, source in sorted(sources.items())},
            frozenset(included) | {sources[name].path for name in by_text if name in sources},
            beside,
        )

    def _named(self, sources: Mapping[str, _Source]) -> set[str]:
        """Return the libraries that modules import by a text: `importlib.import_module("x")`."""
        named = (name for source in sources.values() for name in source.scan.dynamic.names)
        tops = {name.partition(".")[0] for name in named} - {"waterflow"}
        return {
            top
            for top in tops
            if top.isidentifier() and self._is_outside(top) and self._is_installed(top)
        }

    # --- the import closure ---------------------------------------------------------------------

    def _closure(
        self, module: str, generated: Mapping[str, str], beside: tuple[str, ...]
    ) -> tuple[dict[str, _Source], frozenset[str], frozenset[str]]:
        """Return a step's modules, its libraries, and which modules it reaches by a text alone."""
        exported = {name: _generated(name, text) for name, text in generated.items()}
        sources: dict[str, _Source] = {}
        outside: set[str] = set()
        if module not in exported and self._finder.locate(module) is None:
            top = module.partition(".")[0]
            if not self._is_installed(top):
                places = ", ".join(str(path) for path in self._finder.paths)
                raise DefinitionError(
                    f"Module '{module}' is not in the project: looked in {places}. "
                    "Run from the project's folder, or mark its root with a waterflow.toml"
                )
        waiting = [(name, False) for name in (module, *beside)]
        seen: set[tuple[str, bool]] = set()
        while waiting:
            name, by_text = waiting.pop()
            if (name, by_text) in seen or name.partition(".")[0] == "waterflow":
                continue  # Waterflow's own part of a bundle is `jobparts`.
            seen.add((name, by_text))
            if parent := name.rpartition(".")[0]:
                waiting.append((parent, by_text))
            source = exported.get(name) or self._source(name)
            if source is not None:
                sources[name] = source
                waiting.extend((one, by_text) for one in self._names(source.scan, exported))
                waiting.extend((one, True) for one in self._by_text(name, source))
            elif self._is_outside(name):
                outside.add(name)
        return sources, frozenset(outside), frozenset(name for name, by_text in seen if by_text)

    def _by_text(self, name: str, source: _Source) -> Iterator[str]:
        yield from self._beside.modules(source.scan)
        yield from self._beside.walked_modules(name, source.path, source.scan)

    def _names(self, scanned: Scan, exported: Mapping[str, _Source]) -> Iterator[str]:
        for one in scanned.imports:
            yield one.module
            names = one.names
            if one.star and (source := exported.get(one.module) or self._source(one.module)):
                names = (*names, *source.scan.exported)
            for name in names:
                submodule = f"{one.module}.{name}"
                if submodule in exported or self._finder.locate(submodule) is not None:
                    yield submodule

    def _scan(self, name: str) -> Scan | None:
        source = self._source(name)
        return None if source is None else source.scan

    def _beside_files(self, sources: Mapping[str, _Source]) -> dict[str, Path]:
        """Return the files that modules name by their place: path in the bundle -> file."""
        modules = {source.path for source in sources.values()}
        return {
            path: file
            for name, source in sources.items()
            for path, file in self._beside.files(name, source.path, source.scan)
            if path not in modules
        }

    def _source(self, name: str) -> _Source | None:
        """Return a module of the project; None for a namespace package and for others' modules."""
        if name not in self._sources:
            located = self._finder.locate(name)
            read = located is not None and located.file is not None
            self._sources[name] = self._read(name, located) if located and read else None
        return self._sources[name]

    def _read(self, name: str, located: Located) -> _Source:
        assert located.file is not None  # noqa: S101 - the caller's condition, for the type checker
        file = located.file
        content = file.read_bytes()
        label = self._label(file)
        place = name.replace(".", "/")
        folder = PurePosixPath(place) if located.package else PurePosixPath(place).parent
        path = str(folder / file.name)
        python = file.suffix == ".py"
        scanned = (
            scan(content, name, package=located.package, location=str(file)) if python else Scan(())
        )
        if file.is_relative_to(self.root) and (why := self._ignore.why([file])):
            raise DefinitionError(
                f"Module '{name}' is imported by a step but left out by {why[file]}. Add it to "
                f"git, or write `!{label}` into .waterflowignore",
                label,
            )
        _refuse_secret(label, file.name, content)
        return _Source(path, file, content, hashlib.sha256(content).hexdigest(), scanned)

    def _label(self, file: Path) -> str:
        inside = file.is_relative_to(self.root)
        return file.relative_to(self.root).as_posix() if inside else str(file)

    def _is_outside(self, name: str) -> bool:
        """Say whether a name that is no file of the project belongs to a library."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return False
        located = self._finder.locate(top)
        if located is None:
            return True
        # A bare folder beside an installed package of its name (`mlflow/`) is none of it.
        return located.file is None and (name == top or self._finder.locate(name) is None)

    def _is_installed(self, top: str) -> bool:
        places = _places(top)
        own = set(self._finder.paths)
        return any(place not in own for place in places)

    # --- included files -------------------------------------------------------------------------

    def _include(self, patterns: tuple[str, ...]) -> dict[str, Path]:
        if patterns not in self._included:
            files: dict[str, Path] = {}
            for pattern in patterns:
                for file in self._glob(pattern):
                    path = self._place(file)
                    if files.setdefault(path, file) != file:
                        raise ConfigurationError(
                            f"include= finds both {files[path]} and {file}, which would lie at "
                            f"{path} in the bundle. Rename one"
                        )
            self._included[patterns] = files
        return self._included[patterns]

    def _place(self, file: Path) -> str:
        """Return an included file's path: beside the modules of its folder, also below src/."""
        path = file.relative_to(self.root)
        below_source = path.parts[0] == "src" and self.root / "src" in self._finder.paths
        return (path.relative_to("src") if below_source else path).as_posix()

    def _glob(self, pattern: str) -> list[Path]:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts or not pattern.strip("./"):
            raise ConfigurationError(
                f"include={pattern!r}: write a glob relative to the project's root {self.root}, "
                "such as 'templates/*.html'"
            )
        matched: dict[Path, None] = {}
        for path in self.root.glob(pattern.rstrip("/")):
            for file in path.rglob("*") if path.is_dir() else (path,):
                if file.is_file() and NEVER.isdisjoint(file.relative_to(self.root).parts):
                    matched[file] = None
        ignored = self._ignore.why(matched)
        taken = [file for file in matched if file not in ignored]
        if not taken:
            result = "nothing"
            if ignored:
                first = min(ignored)
                result = f"only files left out by {ignored[first]}, such as {self._label(first)}"
            raise ConfigurationError(
                f"include={pattern!r} finds {result} under {self.root}. Correct the glob, or write "
                "`!pattern` into .waterflowignore"
            )
        return sorted(taken)

    def _hash(self, file: Path) -> str:
        if file not in self._hashed:
            self._hashed[file] = hashlib.sha256(file.read_bytes()).hexdigest()
        return self._hashed[file]

    def _check_size(self, sources: Iterable[_Source], included: Mapping[str, Path]) -> None:
        sizes = {path: file.stat().st_size for path, file in included.items()}
        sizes |= {source.path: len(source.content) for source in sources}
        total = sum(sizes.values())
        if total <= self.size_limit:
            return
        largest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:10]
        listing = "\n".join(f"  {size / 1024**2:10.2f} MiB  {path}" for path, size in largest)
        raise ConfigurationError(
            f"The code bundle would hold {total / 1024**2:.2f} MiB; the limit is "
            f"{self.size_limit / 1024**2:.2f} MiB. The largest files:\n{listing}\n"
            "Pass data as wf.Data, or name what stays out in .waterflowignore"
        )


def build(
    module: str,
    root: Path,
    include: tuple[str, ...] = (),
    *,
    generated: Mapping[str, str] = _NOTHING,
) -> Bundle:
    """Build the bundle of one step; see `Bundler.build`, which serves many steps."""
    return Bundler(root).build(module, include, generated=generated)


def _refuse_secret(label: str, name: str, content: bytes) -> None:
    why = leaks.in_name(label) or leaks.in_content(name, content)
    if why is not None:
        raise ConfigurationError(
            f"{label} would go into the code bundle, and {why}. Name the secret in the step with "
            "wf.secret(...) and keep it in the cloud's store, or list the file in .waterflowignore"
        )


def _generated(name: str, text: str) -> _Source:
    content = text.encode()
    path = f"{name.replace('.', '/')}.py"
    _refuse_secret(path, path, content)
    scanned = scan(content, name, package=False, location=path)
    return _Source(path, None, content, hashlib.sha256(content).hexdigest(), scanned)


def _places(top: str) -> tuple[Path, ...]:
    """Return the folders in which a top-level module is found by Python's own import path."""
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is None:
        return (Path(spec.origin).resolve().parent,) if spec.origin else ()
    folders = tuple(Path(one).resolve().parent for one in spec.submodule_search_locations)
    if spec.origin is None:
        # Any folder of the name, say in the working directory, looks like a namespace package.
        return tuple(one for one in folders if one.name in ("site-packages", "dist-packages"))
    return folders
