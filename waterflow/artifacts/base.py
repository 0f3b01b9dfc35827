"""What a serializer is: how values of one artifact type are written to files and read back."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts.folder import MANIFEST
from waterflow.errors import ArtifactError, MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

_DISTRIBUTIONS: Final = {"sklearn": "scikit-learn"}
"""Import names whose distribution has another name."""


@dataclass(frozen=True)
class Context:
    """What writing and reading depends on besides the value.

    Attributes:
        trusted_types: Dotted names of classes that model files may hold beyond Waterflow's own
            allow-list.
        declared: What the step that returns the value says of it; Any where nothing is known.
    """

    trusted_types: tuple[str, ...] = ()
    declared: object = Any


class Serializer(ABC):
    """How one artifact type is kept in files.

    To add one, derive from it and name the class in the entry point group `waterflow.serializers`.

    The module that defines it may import only the standard library and Waterflow; the value's
    library is imported inside `save` and `load`.

    Attributes:
        name: The artifact type, as the spec names it.
        format: The file format. Types of one format read each other's artifacts.
        requires: PEP 508 requirements of the libraries that a job needs for it.
        classes: The Python classes it takes, with their subclasses: (top package, class name).
        derived: Whether it takes subclasses that other packages define; not where these may hold
            more than the file would.
    """

    name: str
    format: str
    requires: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    derived: bool = True

    def accepts(self, annotation: type) -> bool:
        """Say whether values of the class are written by this serializer.

        Looks at the names of the class and its bases only: the library is not imported.
        """
        own = annotation.__module__.partition(".")[0]
        return any(
            (base.__module__.partition(".")[0], base.__name__) in self.classes
            and (self.derived or base.__module__.partition(".")[0] == own)
            for base in annotation.__mro__
        )

    def resolve(self, value: object) -> Serializer:
        """Return the serializer that writes this value: itself, unless the type is `any`.

        Args:
            value: What a step returned.
        """
        del value
        return self

    @abstractmethod
    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write a value's payload into an empty folder; the same value gives the same bytes.

        Args:
            value: The value.
            folder: The artifact's folder.
            context: What writing depends on besides the value.

        Raises:
            ArtifactError: The value is not of this type, or holds what the format cannot.
        """

    @abstractmethod
    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read a value.

        Args:
            folder: The artifact's folder.
            annotation: What the consumer's signature says.
            context: What reading depends on.

        Raises:
            ArtifactError: The payload is not of this format, or does not fit the annotation.
        """


def library(name: str, needed_for: str) -> Any:
    """Import a library.

    Args:
        name: The module's dotted name.
        needed_for: What asks for it, as the subject of a sentence.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        distribution = _DISTRIBUTIONS.get(top, top)
        raise MissingDependencyError(top, needed_for, f"pip install {distribution}") from None


def payload_file(folder: Path, name: str, type_name: str) -> Path:
    """Return the path of a payload file.

    Raises:
        ArtifactError: The folder does not hold it: the artifact is of another format.
    """
    path = folder / name
    if not path.is_file():
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        names = [entry for entry in names if entry != MANIFEST]
        listed = ", ".join(names[:5]) or "nothing"
        raise ArtifactError(
            f"{folder} cannot be read as '{type_name}': {name} is expected, and it holds {listed}. "
            "Annotate the argument with the type that its step returns."
        )
    return path


def wrong_type(value: object, expected: str) -> ArtifactError:
    """Return the error for a value that is not what the signature promises."""
    return ArtifactError(
        f"{expected} is expected, and the value is {describe(value)}. Make the step return what "
        "its annotation says."
    )


def describe(value: object) -> str:
    """Return a value's type and a short look at it, for a message."""
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    if isinstance(value, (bool, int, float, str)):
        text = repr(value)
        return f"{text if len(text) <= 60 else text[:57] + '...'} ({name})"
    return f"of type {name}"
