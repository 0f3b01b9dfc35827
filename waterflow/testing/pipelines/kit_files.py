"""Steps on files, bytes and plain data with a type of its own."""

from dataclasses import dataclass
from pathlib import Path

import waterflow as wf


@dataclass
class Record:
    """Plain data with a type of its own."""

    name: str
    weights: list[float]
    inner: dict[str, int]


@wf.step
def one_file(text: str) -> Path:
    """Return a file of its own making."""
    path = Path("note.txt")
    path.write_text(text, encoding="utf-8")
    return path


@wf.step
def folder() -> Path:
    """Return a folder with a folder in it."""
    top = Path("made")
    (top / "inner").mkdir(parents=True)
    (top / "a.txt").write_text("a")
    (top / "inner" / "b.bin").write_bytes(bytes(range(256)))
    return top


@wf.step
def raw() -> bytes:
    """Return bytes."""
    return bytes(range(255, -1, -1))


@wf.step
def record(name: str) -> Record:
    """Return a dataclass."""
    return Record(name, [0.1, 2e-308], {"one": 1})


@wf.step
def rename(original: Record) -> Record:
    """Take a dataclass as such and return another."""
    return Record(original.name.upper(), original.weights, original.inner)
