"""Lists and dicts of what other serializers write: a folder for each item."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts import annotations, fitting, tagged
from waterflow.artifacts.base import Context, Serializer, payload_file, wrong_type
from waterflow.artifacts.folder import MANIFEST
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

_KEYS: Final = "keys.json"


class _Items(Serializer):
    """Values in folders `0/`, `1/`, ..., each one item's payload.

    Args:
        item: The items' serializer.

    Attributes:
        word: How the type's name begins.
    """

    word = ""

    def __init__(self, item: Serializer) -> None:
        self.item = item
        self.name = f"{self.word}[{item.name}]"
        self.format = f"{self.word}[{item.format}]"
        self.requires = item.requires

    def _inner(self, annotation: object) -> Any:
        """Return the annotation of the items."""
        arguments = self._arguments(annotation)
        return arguments[-1] if arguments else Any

    def _arguments(self, annotation: object) -> tuple[Any, ...]:
        """Return what stands in the brackets of `list[...]`, also where None may come instead."""
        annotation = annotations.bare(annotation)
        for option in (annotation, *typing.get_args(annotation)):
            if annotations.collection(annotations.bare(option)) == self.word:
                return typing.get_args(annotations.bare(option))
        return ()

    def _save(self, places: dict[str, object], folder: Path, context: Context) -> None:
        context = dataclasses.replace(context, declared=self._inner(context.declared))
        for index, (what, item) in enumerate(places.items()):
            place = folder / str(index)
            place.mkdir()
            try:
                self.item.save(item, place, context)
            except ArtifactError as error:
                raise ArtifactError(f"{what}: {error}") from None
            if not any(path.is_file() for path in place.rglob("*")):
                raise ArtifactError(
                    f"{what} is empty, and a {self.word} in files cannot hold an item without a "
                    "file. Leave it out, or put a file in it."
                )

    def _load(self, folder: Path, annotation: object, context: Context) -> list[Any]:
        inner = self._inner(annotation)
        names = [entry.name for entry in folder.iterdir() if entry.name not in (MANIFEST, _KEYS)]
        if set(names) != {str(index) for index in range(len(names))}:
            raise ArtifactError(
                f"{folder} cannot be read as '{self.name}': the folders 0, 1, 2 ... are expected, "
                f"and it holds {', '.join(sorted(names)[:5])}."
            )
        return [self.item.load(folder / str(index), inner, context) for index in range(len(names))]


class ListSerializer(_Items):
    """A list of what another serializer writes."""

    word = "list"

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write each item into its folder."""
        if type(value) is not list:
            raise wrong_type(value, f"A {self.name}")
        items = cast("list[object]", value)
        self._save({f"item {index}": item for index, item in enumerate(items)}, folder, context)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the items in order."""
        return self._load(folder, annotation, context)


class DictSerializer(_Items):
    """A dict of what another serializer writes: the keys in `keys.json`, in their order."""

    word = "dict"

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write the keys, and each value into its folder."""
        if type(value) is not dict:
            raise wrong_type(value, f"A {self.name}")
        entries = cast("dict[Any, object]", value)
        keys = tagged.dumps(list(entries), "the keys")
        arguments = self._arguments(context.declared)
        if len(arguments) == 2:
            fitting.refuse_misfit(list(entries), list[arguments[0]])
        (folder / _KEYS).write_bytes(keys.encode())
        self._save({f"the entry {key!r}": item for key, item in entries.items()}, folder, context)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the values under their keys."""
        keys = tagged.loads(
            payload_file(folder, _KEYS, self.name).read_bytes(),
            lambda: annotations.classes(annotation),
        )
        items = self._load(folder, annotation, context)
        if len(items) != len(keys):
            raise ArtifactError(
                f"{folder} cannot be read as '{self.name}': it has {len(keys)} keys and "
                f"{len(items)} values. Run the step that makes it again."
            )
        return dict(zip(keys, items, strict=True))
