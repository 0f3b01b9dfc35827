"""`wf.serializer`: how a project keeps a class of its own, or of a library, between steps."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, overload

from waterflow.language.places import user_location
from waterflow.language.values import definition_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.artifacts.own import OwnSerializer

T = TypeVar("T")


class Kept(Protocol):
    """A class that says itself how its values are kept."""

    def save(self, path: Path, /) -> object:
        """Write the value to a path: a file, or a folder that it makes."""
        ...

    @classmethod
    def load(cls, path: Path, /) -> Self:
        """Read a value from a path."""
        ...


K = TypeVar("K", bound=Kept)


@overload
def serializer(kind: type[K], /) -> type[K]: ...


@overload
def serializer(*, file: str) -> Callable[[type[K]], type[K]]: ...


@overload
def serializer(
    kind: type[T],
    /,
    *,
    save: Callable[[T, Path], object],
    load: Callable[[Path], T],
    file: str = "value",
) -> type[T]: ...


def serializer(
    kind: type[Any] | None = None,
    /,
    *,
    save: Callable[[Any, Path], object] | None = None,
    load: Callable[[Path], Any] | None = None,
    file: str = "value",
) -> Any:
    """Say how values of a class are kept from step to step.

    Over a class of your own, which has the methods `save(path)` and, a class method, `load(path)`:

        @wf.serializer
        class Graph: ...

    For a class of a library, at the top of a module of yours:

        wf.serializer(nx.Graph, save=nx.write_graphml, load=nx.read_graphml, file="graph.xml")

    The module travels with every step whose signature names the class. Equal values should give
    equal bytes: what is kept is known by its digest.

    Args:
        kind: The class; its subclasses are kept likewise.
        save: Called with a value and the path to write: of a file, or of a folder that it makes.
        load: Called with that path; returns the value.
        file: The file's name, for who looks at it.

    Returns:
        The class; without one, a decorator of it.

    Raises:
        DefinitionError: It is no class, one that Waterflow keeps itself, or has a serializer
            already; or `save` or `load` is missing.
    """
    if kind is None:
        return lambda class_: _give(class_, save, load, file)  # pyright: ignore[reportUnknownLambdaType]
    return _give(kind, save, load, file)


def _give(kind: Any, save: Any, load: Any, file: Any) -> type[Any]:
    from waterflow.artifacts import own

    _check(kind, file)
    if save is None and load is None:
        save, load = getattr(kind, "save", None), getattr(kind, "load", None)
    if not callable(save) or not callable(load):
        raise definition_error(
            f"wf.serializer({kind.__qualname__}) needs both ways: give the class the methods "
            "save(self, path) and, as a class method, load(path), or write "
            f"wf.serializer({kind.__qualname__}, save=..., load=...)."
        )
    module = _caller()
    home = str(module.get("__name__"))
    place = user_location() or home
    serializer_ = own.OwnSerializer(kind, home, save, load, file, place, module.get("__spec__"))
    earlier = own.of(kind)
    if earlier is not None and own.key(earlier.kind) == own.key(kind):
        _check_again(earlier, serializer_)
    own.give(serializer_)
    return kind


def _check(kind: Any, file: Any) -> None:
    if not isinstance(kind, type):
        raise definition_error(
            f"wf.serializer({kind!r:.80}): give the class whose values it keeps."
        )
    if kind.__module__ == "builtins" or kind.__module__.startswith("waterflow."):
        raise definition_error(
            f"wf.serializer({kind.__qualname__}): Waterflow keeps {kind.__qualname__} itself. Give "
            "a class of your own, or of a library."
        )
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        raise definition_error(
            f"wf.serializer({kind.__qualname__}): a NamedTuple stands for several outputs, each "
            "kept by itself. Use a class or a dataclass."
        )
    if not isinstance(file, str) or file != Path(file).name or file in ("", "manifest.json"):
        raise definition_error(
            f'file={file!r} cannot be the file\'s name: write one such as "graph.json", without a '
            "folder; manifest.json is Waterflow's own."
        )


def _check_again(earlier: OwnSerializer, later: OwnSerializer) -> None:
    """Refuse a second serializer of one class, but not one whose module, or cell, runs again."""
    files = {one.place.rpartition(":")[0] for one in (earlier, later)}
    again = earlier.home == later.home and (earlier.run is not later.run or len(files) > 1)
    if earlier.place != later.place and not again:
        raise definition_error(
            f"{later.kind.__qualname__} has two serializers: here, and at {earlier.place}. Keep "
            "one: what one writes the other would read."
        )


def _caller() -> dict[str, Any]:
    """Return the names of the module that calls."""
    depth = 1
    while True:
        names = sys._getframe(depth).f_globals  # noqa: SLF001 - the documented way to walk frames
        if names.get("__name__") != __name__:
            return names
        depth += 1
