"""MLTables as jobs see them that have them evaluated: the files that their paths name."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from waterflow_azureml.emulator.bodies import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow_azureml.emulator.addresses import Addresses, Place
    from waterflow_azureml.emulator.storage import Blobs

FILE: Final = "MLTable"
_READERS: Final = (
    "read_delimited", "read_parquet", "read_json_lines", "read_delta_lake", "convert_column_types",
    "keep_columns", "drop_columns", "extract_columns_from_partition_format",
)  # fmt: skip
"""Transformations of tables' content, which change no file that a job is given."""


def evaluate(blobs: Blobs, addresses: Addresses, place: Place, folder: Path) -> bool:
    """Bring the files that an MLTable names into a folder.

    Args:
        blobs: Where they are.
        addresses: Reads the addresses of those that are elsewhere.
        place: The folder with the file MLTable.
        folder: A new folder for them.

    Returns:
        Whether there is such a file.

    Raises:
        BodyError: It says what is not evaluated here.
        AddressError: It names what there is not.
    """
    top = place.path.strip("/")
    name = f"{top}/{FILE}" if top else FILE
    if name not in blobs.names(place.account, place.container, name):
        return False
    table = _read(blobs.read(place.account, place.container, name))
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in _paths(table):
        if "://" in text:
            there = addresses.place(text)
            root, path = there, PurePosixPath(there.path.strip("/"))
            base = path.parent
        else:
            root, base = place, PurePosixPath(top)
            path = base / text.removeprefix("./")
        for one in _named(blobs, root, kind, path):
            target = folder / PurePosixPath(one).relative_to(base)
            blobs.fetch(root.account, root.container, one, target)
    return True


def _read(text: bytes) -> dict[str, Any]:
    try:
        table: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BodyError(f"the file MLTable is no YAML: {error}") from None
    if not isinstance(table, dict):
        raise BodyError("the file MLTable says no paths")
    whole = cast("dict[str, Any]", table)
    for one in whole.get("transformations") or ():
        kind = str(next(iter(cast("dict[str, Any]", one)))) if isinstance(one, dict) else str(one)
        if kind not in _READERS:
            raise BodyError(
                f"Waterflow's emulator does not evaluate '{kind}' of an MLTable: leave it out, or "
                "mount the table as it is and use mltable.load in the job"
            )
    return whole


def _paths(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a table's paths name: `file`, `folder` or `pattern`, and the text."""
    for one in table.get("paths") or ():
        held = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
        kinds = [kind for kind in ("file", "folder", "pattern") if held.get(kind)]
        if len(kinds) != 1:
            raise BodyError(f"a path of the MLTable names no file, folder or pattern: {one!r}")
        yield kinds[0], str(held[kinds[0]])


def _named(blobs: Blobs, root: Place, kind: str, path: PurePosixPath) -> list[str]:
    if kind != "pattern":
        return blobs.names(root.account, root.container, str(path))
    fixed = PurePosixPath(*[part for part in path.parts[:-1] if "*" not in part])
    there = blobs.names(root.account, root.container, str(fixed))
    return [one for one in there if fnmatchcase(one, str(path)) and one.rpartition("/")[2] != FILE]
