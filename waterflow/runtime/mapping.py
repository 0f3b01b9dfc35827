"""A run-time map: its items in processes of one job, or each in a job of its own."""

from __future__ import annotations

import shutil
import sys
import typing
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow import artifacts
from waterflow.errors import ArtifactError
from waterflow.language.mapped import FAILURES, RESULTS, SKIP
from waterflow.language.signature import SINGLE
from waterflow.runtime import contract, fan
from waterflow.runtime.failure import Failure
from waterflow.tracking.spool import FILES, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from waterflow.runtime.progress import Progress
    from waterflow.tracking.spool import Spool

    Named = Callable[[Any], dict[str, Any]]
    Write = Callable[[Any, Path, str, Any], None]

COUNT: Final = "count"
ITEM: Final = "item"
GATHER: Final = "gather"
_LIST: Final = "list["
_OWN: Final = frozenset({"step.start", "step.end", "failure"})
"""Kinds of events that tell of a job, and not of what its function has logged."""
_RENEWED: Final = frozenset({"id", "kind", "execution", "step", "attempt"})


class Map:
    """One job of a map.

    Args:
        file: STEP.json.
        scratch: A folder to build in.
        named: Returns a function's results by the names of the step's outputs.
        write: Writes a value into a folder, as a type, with what is declared of it.
    """

    def __init__(self, file: contract.StepFile, scratch: Path, named: Named, write: Write) -> None:
        self._file, self._scratch = file, scratch
        self._named, self._write = named, write

    def all(
        self,
        function: Callable[..., Any],
        fixed: dict[str, Any],
        over: str,
        returned: Any,
        progress: Progress,
    ) -> dict[str, Path]:
        """Call a function for all items, in processes of this job; return the step's outputs.

        Args:
            function: The step's function.
            fixed: Its arguments, the list among them.
            over: The argument that takes an item.
            returned: What the function says that it returns.
            progress: Is told of each item that ends.

        Raises:
            Failure: An item has failed, or its result could not be written.
        """
        items: list[Any] = fixed.pop(over)
        skips = self._file.work.on_error == SKIP
        declared = _declared(returned, RESULTS if skips else SINGLE)
        folders = self._folders()
        kept = dict(folders)

        def save(result: Any, index: int) -> None:
            for name, value in self._named(result).items():
                place = folders[name] / str(index)
                place.mkdir()
                self._write(value, place, self._item_type(name, declared), declared[name])

        try:
            failed = fan.run(
                function,
                fixed,
                over,
                items,
                save,
                self._file.threads,
                skip=skips,
                progress=progress,
            )
            if skips:
                self._tell_failures(kept.pop(FAILURES), failed)
            for name, folder in kept.items():
                _close_up(folder, len(items), failed)
                kinds = [self._item_type(name, declared)] * (len(items) - len(failed))
                self._seal(name, folder, kinds)
        except ArtifactError as error:
            raise self._unwritten(error) from None
        return folders

    def _tell_failures(self, folder: Path, failed: Mapping[int, Failure]) -> None:
        """Make the artifact that tells of the items that have failed."""
        from waterflow.artifacts.plain import write

        failures: list[dict[str, Any]] = []
        for index, one in sorted(failed.items()):
            print(f"left out {one.message} ({one.kind})", file=sys.stderr, flush=True)
            message = one.message.removeprefix(f"item {index}").removeprefix(": ")
            failures.append({"item": index, "type": one.kind, "message": message})
        write(folder, failures)
        artifacts.seal(folder, self._file.outputs[FAILURES])

    def one(
        self, function: Callable[..., Any], arguments: dict[str, Any], index: int, returned: Any
    ) -> dict[str, Path]:
        """Call a function for one item; return what it has made, an artifact for each output.

        Args:
            function: The step's function.
            arguments: Its arguments, the item among them.
            index: The item's number.
            returned: What the function says that it returns.

        Raises:
            Failure: It has failed, or its result could not be written.
        """
        declared = _declared(returned)
        folders = self._folders()

        def save(result: Any, _: int) -> None:
            for name, value in self._named(result).items():
                kind = self._item_type(name, declared)
                self._write(value, folders[name], kind, declared[name])
                artifacts.seal(folders[name], kind)

        failure = fan.call(function, arguments, index, save)
        if failure is not None:
            raise failure
        return folders

    def gathered(self, items: Path, spool: Spool) -> dict[str, Path]:
        """Return the step's outputs, made of what the items' jobs have made.

        Args:
            items: The folder with a folder for each item.
            spool: Where the items' events go.

        Raises:
            Failure: What an item has made is not whole.
        """
        parts = [items / str(index) for index in range(sum(1 for _ in items.iterdir()))]
        folders = self._folders()
        try:
            for name, folder in folders.items():
                kinds = [
                    self._taken(item / name, folder / str(number))
                    for number, item in enumerate(parts)
                ]
                self._seal(name, folder, kinds)
        except ArtifactError as error:
            raise self._unwritten(error) from None
        for item in parts:
            _tell(item, spool)
        return folders

    def _taken(self, part: Path, place: Path) -> str:
        """Copy what an item has made, and return its type."""
        manifest = artifacts.verify(part)
        place.mkdir()
        for name in manifest.files:
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part / name, target)
        return manifest.type

    def _folders(self) -> dict[str, Path]:
        folders = {name: self._scratch / name for name in self._file.outputs}
        for folder in folders.values():
            folder.mkdir()
        return folders

    def _item_type(self, output: str, declared: Mapping[str, Any]) -> str:
        """Return the type of one item of a mapped output."""
        from waterflow.artifacts import type_name

        kind = self._file.outputs[output]
        return (
            kind[len(_LIST) : -1]
            if kind.startswith(_LIST)
            else (type_name(declared[output]) or "json")
        )

    def _seal(self, output: str, folder: Path, kinds: list[str]) -> None:
        """Make the artifact of a mapped output of its items' folders, of which each has a type."""
        from waterflow.artifacts.plain import encoded, write

        kind = self._file.outputs[output]
        if kind == "json":
            values = [encoded(folder / str(index), one) for index, one in enumerate(kinds)]
            shutil.rmtree(folder)
            folder.mkdir()
            write(folder, values)
        artifacts.seal(folder, kind)

    def _unwritten(self, error: ArtifactError) -> Failure:
        message = f"step '{self._file.step}': {error}"
        return Failure(contract.BAD_OUTPUT, "ArtifactError", message)


def length(folder: Path, kind: str) -> int:
    """Return of how many items the list in an artifact is.

    Args:
        folder: The artifact's folder.
        kind: Its type.

    Raises:
        ArtifactError: It is no list.
    """
    from waterflow.artifacts import is_plain, plain

    if kind.startswith(_LIST):
        return sum(1 for entry in folder.iterdir() if entry.is_dir())
    value: Any = plain.read(folder, kind) if is_plain(kind) else None
    if not isinstance(value, (list, tuple)):
        raise ArtifactError(f"a list is expected to map over, and this is a '{kind}' without items")
    return len(cast("list[Any]", value))


def refuse_many(count: int, scalar: contract.Scalar) -> None:
    """Refuse a list of more items than can have jobs of their own.

    Raises:
        Failure: It is one.
    """
    if count > scalar.most:
        raise Failure(
            contract.BAD_INPUT,
            "UnsupportedFeatureError",
            f"step '{scalar.counts}' is to have a job for each of {count:,} items, and a step can "
            f'have {scalar.most:,} here. Use fan_out="processes", or a list of fewer items, each '
            "of which is more",
        )


def _declared(returned: Any, single: str = SINGLE) -> dict[str, Any]:
    """Return what is declared of each output of a function."""
    several = hasattr(returned, "_fields")
    return typing.get_type_hints(returned) if several else {single: returned}


def _close_up(folder: Path, count: int, failed: Mapping[int, Failure]) -> None:
    """Number the items that have succeeded without gaps; what others began to write goes."""
    number = 0
    for index in range(count if failed else 0):
        place = folder / str(index)
        if index in failed:
            shutil.rmtree(place, ignore_errors=True)
            continue
        if number != index:
            place.rename(folder / str(number))
        number += 1


def _tell(item: Path, spool: Spool) -> None:
    """Write what an item has logged into the spool of the step."""
    files = item / FILES
    if files.is_dir():
        shutil.copytree(files, spool.folder / FILES, dirs_exist_ok=True)
    for event, _ in read(item / "spool.jsonl"):
        if event["kind"] not in _OWN:
            rest = {name: value for name, value in event.items() if name not in _RENEWED}
            spool.append(event["kind"], **rest)
