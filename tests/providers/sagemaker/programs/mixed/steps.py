"""Waterflow's own steps, before and behind those of the SDK."""

import json
from pathlib import Path

import waterflow as wf


@wf.step
def write(letters: str) -> Path:
    """Return a file."""
    Path("letters.txt").write_text(letters)
    return Path("letters.txt")


@wf.step
def report(model: Path, notes: Path) -> str:
    """Read what programs of the SDK have written."""
    weights = json.loads((model / "model.json").read_text())
    note = (notes / "note.txt").read_text()
    return f"{note}: {weights['letters']} letters, depth {weights['depth']}"
