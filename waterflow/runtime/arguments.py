"""The arguments of a step's function: read from where the job's command line says that they lie."""

from __future__ import annotations

import tempfile
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow import artifacts
from waterflow.artifacts.watching import Watch
from waterflow.errors import ArtifactError
from waterflow.runtime import contract
from waterflow.runtime.failure import Failure, from_serializer
from waterflow.runtime.mapping import length

if TYPE_CHECKING:
    from waterflow.artifacts import Context
    from waterflow.runtime.contract import Argument, Invocation


_LIST = "list["


class Skipped(Exception):  # noqa: N818 - no error
    """An input's step was skipped, so this one is."""


class Arguments:
    """The arguments of one attempt.

    Args:
        job: What the job was started with.
        scratch: A folder to build in.
        serializers: What serializers are given.

    Attributes:
        watches: Input name -> what tells whether the step has changed it.
    """

    def __init__(self, job: Invocation, scratch: Path, serializers: Context) -> None:
        self._job, self._scratch, self._serializers = job, scratch, serializers
        self.watches: dict[str, Watch] = {}

    def certain(self) -> list[Path]:
        """Return the folders without which the step cannot run: all but alternatives and data."""
        folders: list[Path] = []

        def visit(argument: Argument) -> None:
            if argument.source == "list":
                for item in argument.parts:
                    visit(item)
            elif argument.source == "input":
                folders.append(self.folder(argument.name))

        for argument in self._job.file.arguments.values():
            visit(argument)
        return folders

    def refuse_skipped(self) -> None:
        """Make sure that of each argument with alternatives one is there.

        Raises:
            Skipped: Of some argument there is none.
        """
        for argument in self._job.file.arguments.values():
            if argument.source == "first":
                self.first(argument)

    def folder(self, name: str) -> Path:
        """Return where an input lies.

        Raises:
            Failure: The command line does not say.
        """
        try:
            return self._job.inputs[name]
        except KeyError:
            raise Failure(contract.USAGE, "UsageError", f"--input {name} is missing") from None

    def load(self, name: str, argument: Argument, annotation: object) -> Any:
        """Return one argument's value.

        Raises:
            Failure: It cannot be read, or does not fit its annotation.
            Skipped: The step that makes it was skipped.
        """
        try:
            return self._load(argument, annotation)
        except (Failure, Skipped):
            raise
        except Exception as error:  # noqa: BLE001 - a serializer's, or a dataclass's own check
            raise from_serializer(error, contract.BAD_INPUT, f"argument '{name}'") from None

    def item(self, name: str, argument: Argument, annotation: object, index: int) -> Any:
        """Return one item of a list argument; of a list in files no other item is read.

        Args:
            name: The argument's name.
            argument: Where the list comes from.
            annotation: What the function says of an item.
            index: The item's number.

        Raises:
            Failure: It cannot be read, or does not fit its annotation.
            Skipped: The step that makes the list was skipped.
        """
        from waterflow.artifacts import by_name

        argument = self.first(argument) if argument.source == "first" else argument
        if argument.source == "list":
            return self.load(name, argument.parts[index], annotation)
        kind = self._listed(argument)
        if kind is None:
            whole: Any = self.load(name, argument, list[annotation])  # type: ignore[valid-type]
            return whole[index]
        try:
            folder = self.folder(argument.name)
            self.watches[argument.name] = Watch(folder)
            serializer = by_name(kind[len(_LIST) : -1])
            return serializer.load(folder / str(index), annotation, self._serializers)
        except Exception as error:  # noqa: BLE001 - a serializer's own
            what = f"argument '{name}', item {index}"
            raise from_serializer(error, contract.BAD_INPUT, what) from None

    def length(self, name: str, argument: Argument) -> int:
        """Return of how many items a list argument is.

        Raises:
            Failure: It cannot be read, or is no list.
            Skipped: The step that makes the list was skipped.
        """
        argument = self.first(argument) if argument.source == "first" else argument
        kind = self._listed(argument)
        if kind is not None:
            return length(self.folder(argument.name), kind)
        whole: Any = self.load(name, argument, list[Any])
        return len(whole)

    def _listed(self, argument: Argument) -> str | None:
        """Return the type of a list that is kept in files, once it is verified; None for others."""
        if argument.source != "input" or argument.key is not None or argument.raw:
            return None
        kind = artifacts.verify(self.folder(argument.name)).type
        return kind if kind.startswith(_LIST) else None

    def _load(self, argument: Argument, annotation: object) -> Any:
        from waterflow.artifacts.plain import as_value, fitted

        if argument.source == "constant":
            return self._typed(as_value(argument.constant, annotation), annotation)
        if argument.source == "parameter":
            if argument.name not in self._job.parameters:
                raise Failure(contract.USAGE, "UsageError", f"--param {argument.name} is missing")
            return self._typed(self._job.parameters[argument.name], annotation)
        if argument.source == "first":
            return self._load(self.first(argument), annotation)
        if argument.source == "list":
            items = zip(argument.parts, _inner(annotation, len(argument.parts)), strict=True)
            # A list will do where the annotation is a tuple, and becomes one.
            return fitted([self._load(item, inner) for item, inner in items], annotation)
        if argument.source == "data":
            return self._data(argument)
        return self._artifact(argument, annotation)

    def first(self, argument: Argument) -> Argument:
        """Return the first of several alternatives that was not skipped.

        Raises:
            Skipped: All were.
        """
        for option in argument.parts:
            if not artifacts.read(self.folder(option.name)).skipped:
                return option
        raise Skipped

    @staticmethod
    def _typed(value: Any, annotation: object, *, text: bool = True) -> Any:
        from waterflow.artifacts.plain import fitted, rebuild

        if value is None:
            return None
        return rebuild(value, annotation) if text else fitted(value, annotation)

    def _artifact(self, argument: Argument, annotation: object) -> Any:
        from waterflow.artifacts import by_name
        from waterflow.artifacts.plain import entry

        folder = self.folder(argument.name)
        manifest = artifacts.verify(folder)
        self.watches[argument.name] = Watch(folder)
        if argument.raw:
            return self._payload(folder)
        key = argument.key
        kind = manifest.type if argument.type == "any" or key is not None else argument.type
        value = by_name(kind).load(
            folder, Any if key is not None else annotation, self._serializers
        )
        if key is None:
            return value
        try:
            part = entry(value, key)
        except KeyError:
            raise ArtifactError(f"input '{argument.name}' has no entry {key!r}") from None
        return self._typed(part, annotation, text=False)

    def _data(self, argument: Argument) -> Any:
        from waterflow.language.types import Data

        if argument.optional and argument.name not in self._job.inputs:
            return None
        path = self.folder(argument.name)
        if (path / artifacts.MANIFEST).is_file():
            artifacts.verify(path)
        self.watches[argument.name] = Watch(path)
        if (path / artifacts.MANIFEST).is_file():
            path = self._payload(path)
        return path if argument.type == "path" else Data.at(argument.uri, path)

    def _payload(self, folder: Path) -> Path:
        """Return the one file or folder of an artifact; an empty folder where a store lost it."""
        return artifacts.entry(folder) or Path(tempfile.mkdtemp(dir=self._scratch))


def _inner(annotation: object, number: int) -> list[object]:
    """Return the annotation of each item of a list or tuple."""
    from waterflow.language.signature import without_none

    inner = [one for one in typing.get_args(without_none(annotation)[0]) if one is not Ellipsis]
    return inner if len(inner) == number else [next(iter(inner), Any)] * number
