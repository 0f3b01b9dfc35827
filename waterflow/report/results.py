"""What a run's steps made, read as far as a report shows it: values, pictures, heads of tables."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import Context, by_name, plain
from waterflow.artifacts.base import payload_file
from waterflow.errors import ArtifactError, WaterflowError
from waterflow.report.data import Figure, Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from waterflow.provider import Artifact, Provider

PLAIN: Final = frozenset({*plain.NAMES, "metrics", "any", "list[metrics]"})
"""Types that are read as JSON."""
TABLES: Final = frozenset({"dataframe", "series", "index", "polars", "arrow"})
_VALUES: Final = 500
"""Plain values that are read of a run at most."""
_LARGEST_VALUE: Final = 64 * 1024
_PICTURES: Final = 24
_LARGEST_PICTURE: Final = 220 * 1024
_ALL_PICTURES: Final = 420 * 1024
_TABLES: Final = 20
_LARGEST_TABLE: Final = 8 * 2**20
_ROWS: Final = 6
_COLUMNS: Final = 12
_CELL: Final = 60
_PNG: Final = b"\x89PNG\r\n\x1a\n"

Place = tuple[str, str]
"""A step and an output of it."""


class Results:
    """What the steps of one run made; each is read once, as it never changes.

    Args:
        provider: The provider.
        run_id: The run.
    """

    def __init__(self, provider: Provider, run_id: str) -> None:
        self._provider, self._run = provider, run_id
        self.values: dict[Place, Any] = {}
        self.figures: dict[Place, Figure] = {}
        self.tables: dict[Place, Table] = {}
        self.missing: dict[str, None] = {}
        self._seen: set[tuple[Place, str]] = set()
        self._bytes = 0

    def read(self, known: Iterable[Artifact], first: Iterable[Place] = ()) -> None:
        """Read what is new among a run's artifacts.

        Args:
            known: The artifacts.
            first: Those that are read whatever the limits are: conditions need them.
        """
        needed = set(first)
        for artifact in sorted(known, key=lambda one: (one.step, one.output) not in needed):
            place = (artifact.step, artifact.output)
            if artifact.sha256 is None or (place, artifact.sha256) in self._seen:
                continue
            self._seen.add((place, artifact.sha256))
            try:
                self._take(artifact, place, always=place in needed)
            except (WaterflowError, OSError, ValueError) as error:
                self.missing[f"{artifact.step}.{artifact.output}: {error}"] = None

    def _take(self, artifact: Artifact, place: Place, *, always: bool) -> None:
        if artifact.type in PLAIN and artifact.size <= _LARGEST_VALUE:
            if always or len(self.values) < _VALUES:
                folder = self._folder(place)
                if (folder / plain.FILE).is_file() or artifact.type.startswith("list["):
                    self.values[place] = _value(folder, artifact.type)
            else:
                self.missing[f"only {_VALUES} plain values are shown"] = None
        elif artifact.type == "figure":
            self.figures[place] = self._figure(artifact, place)
        elif (
            artifact.type in TABLES
            and len(self.tables) < _TABLES
            and artifact.size <= _LARGEST_TABLE
        ):
            self.tables[place] = _head(self._folder(place), place)

    def _folder(self, place: Place) -> Path:
        return self._provider.download(self._run, *place)

    def _figure(self, artifact: Artifact, place: Place) -> Figure:
        over = self._bytes + artifact.size > _ALL_PICTURES or len(self.figures) >= _PICTURES
        if over or artifact.size > _LARGEST_PICTURE:
            return Figure(step=place[0], output=place[1], png=None)
        png = payload_file(self._folder(place), "figure.png", "figure").read_bytes()
        if not png.startswith(_PNG) or len(png) < 24:
            raise ArtifactError("it is no PNG picture")
        self._bytes += len(png)
        width, height = struct.unpack(">II", png[16:24])
        return Figure(step=place[0], output=place[1], png=png, width=width, height=height)


def _value(folder: Path, kind: str) -> Any:
    """Return a plain value; what a project's own classes make of one stays as it is written."""
    if kind in ("json", "any"):
        return plain.encoded(folder, kind)
    if kind == "list[metrics]":
        items: Any = by_name(kind).load(folder, Any, Context())
        return [dict(item) for item in items]
    return plain.read(folder, kind)


def _head(folder: Path, place: Place) -> Table:
    """Return the first rows of a table; the rest of the file is not read."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(folder / "data.parquet") as file:
        names: list[str] = list(file.schema_arrow.names)
        kept = names[:_COLUMNS]
        batch: Any = next(file.iter_batches(batch_size=_ROWS, columns=kept), None)
        rows: list[dict[str, Any]] = batch.to_pylist() if batch is not None else []
        count: int = file.metadata.num_rows
    return Table(
        step=place[0],
        output=place[1],
        columns=tuple(kept),
        cells=tuple(tuple(shown(row[name]) for name in kept) for row in rows),
        rows=count,
        width=len(names),
    )


def shown(value: Any) -> str:
    """Return a value as a cell of a table shows it."""
    if isinstance(value, float):
        return number(value)
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}\u2026"


def number(value: float) -> str:
    """Return a number with as many digits as one reads."""
    if not math.isfinite(value):
        return {math.inf: "\u221e", -math.inf: "-\u221e"}.get(value, "NaN")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"


def short(value: Any, most: int = 200) -> str:
    """Return a plain value as short JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def numeric(value: Any) -> float | None:
    """Return a number as a metric has it; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
