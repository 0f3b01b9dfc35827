"""Serializers that a project's own code gives with `wf.serializer`, by the class that they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.base import Context, Serializer, payload_file, wrong_type
from waterflow.artifacts.tagged.names import is_script
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SCRIPT: Final = "__main__"
"""The module of a script or notebook: jobs import it by another name."""


class OwnSerializer(Serializer):
    """How a project keeps one of its classes: a pair of functions, and a file's name.

    Its type is called `MODULE:CLASS`, after the module that gives it, which a job imports to have
    it.

    Args:
        kind: The class.
        home: The module that gives the serializer.
        save: Writes a value to a path.
        load: Reads one from a path.
        file: The name of the file or folder that `save` is to write.
        place: `file:line` where it is given.
        run: What tells one import of the module from another.
    """

    def __init__(
        self,
        kind: type,
        home: str,
        save: Callable[[Any, Path], object],
        load: Callable[[Path], Any],
        file: str,
        place: str,
        run: object = None,
    ) -> None:
        self.kind, self.home, self.file, self.place, self.run = kind, home, file, place, run
        self.name = self.format = f"{home}:{kind.__qualname__}"
        self._save, self._load = save, load

    def accepts(self, annotation: type) -> bool:
        """Say whether values of the class are written by this serializer."""
        return any(key(base) == key(self.kind) for base in annotation.__mro__)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Have the project's function write the value."""
        del context
        if not self.accepts(type(value)):
            raise wrong_type(value, f"A {self.kind.__qualname__}")
        path = folder / self.file
        self._save(value, path)
        if not path.exists():
            raise ArtifactError(
                f"The serializer of {self.kind.__qualname__} ({self.place}) has written nothing to "
                f"the path that it was given, {path.name}. Let save(value, path) write there."
            )

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Have the project's function read the value, and see that it is what was declared."""
        del context
        path = folder / self.file
        if not path.is_dir():
            path = payload_file(folder, self.file, self.name)
        value = self._load(path)
        declared = annotation if isinstance(annotation, type) else self.kind
        if not any(key(base) == key(declared) for base in type(value).__mro__) and (
            declared is not Any
        ):
            raise ArtifactError(
                f"The serializer of {self.kind.__qualname__} ({self.place}) has read a "
                f"{type(value).__qualname__} where {declared.__qualname__} is declared. Let "
                "load(path) return what save(value, path) was given."
            )
        return value


_given: Final[dict[tuple[str, str], OwnSerializer]] = {}


def key(kind: type) -> tuple[str, str]:
    """Return what tells a class from others, also when its module is imported anew."""
    return kind.__module__, kind.__qualname__


def give(serializer: OwnSerializer) -> None:
    """Make a serializer known in this process, in place of an earlier one of the same class."""
    _given[key(serializer.kind)] = serializer


def of(kind: type) -> OwnSerializer | None:
    """Return the serializer of a class, or of the nearest of its bases that has one."""
    if not _given:
        return None
    return next((_given[key(base)] for base in kind.__mro__ if key(base) in _given), None)


def by_name(name: str) -> OwnSerializer:
    """Return the serializer of a type.

    Args:
        name: `MODULE:CLASS`.

    Raises:
        ArtifactError: No module that was imported here gives it.
    """
    home, _, kind = name.partition(":")
    for serializer in _given.values():
        if serializer.name == name:
            return serializer
    for serializer in _given.values():
        # Jobs import a script by another name than it has where it was started.
        script = serializer.place.rpartition(":")[0]
        same = home == SCRIPT or (serializer.home == SCRIPT and is_script(home, script))
        if same and serializer.kind.__qualname__ == kind:
            return serializer
    if home == SCRIPT:
        raise ArtifactError(
            f"{kind} is kept by a serializer of the script or notebook that the run is of. Read it "
            "there, or move the class and its serializer into a module, and import that first."
        )
    raise ArtifactError(
        f"{kind} is kept by a serializer of the project's own, in module '{home}', which is not "
        f"imported here. In a step, annotate the argument with {kind}, so that the module comes "
        f"along; elsewhere, import {home} first."
    )


def modules(types: Iterable[str]) -> list[str]:
    """Return the modules that give the serializers of some types, sorted."""
    names = {_innermost(name).partition(":")[0] for name in types if ":" in name}
    return sorted(names - {SCRIPT})


def _innermost(name: str) -> str:
    """Return the type of the items of a list of lists, or of whatever holds others."""
    return name.rpartition("[")[2].partition("]")[0]
