"""Which libraries an image holds: what a job asks that has just started in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def lacking(pins: list[str]) -> list[str]:
    """Return the pins that the running Python does not meet.

    Args:
        pins: `name==version`; any other requirement counts as not met.
    """
    pins = _unseen(pins)
    if not pins:
        return []
    from importlib import metadata

    def lacks(pin: str) -> bool:
        name, exact, version = pin.partition("==")
        try:
            known = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            return True
        return not exact or "Version" not in known or known["Version"] != version

    return [pin for pin in pins if lacks(pin)]


def _unseen(pins: list[str]) -> list[str]:
    """Return the pins that the names of what is installed do not show to be met.

    Each job waits for this, and `importlib.metadata` takes longer to import than all else that it
    waits for. Of two distributions of a name the first on the path counts, as there.
    """
    versions: dict[str, str] = {}
    for place in sys.path:
        try:
            entries = os.scandir(place or ".")
        except OSError:
            continue
        with entries:
            for entry in entries:
                stem, _, kind = entry.name.rpartition(".")
                name, _, version = stem.partition("-")
                if kind == "dist-info":
                    whole = Path(entry.path, "METADATA").is_file()
                    versions.setdefault(_normal(name), version if whole else "")
                elif kind in ("egg-info", "egg"):
                    versions.setdefault(_normal(name), "")  # its version stands within it alone

    def shown(pin: str) -> bool:
        name, _, version = pin.partition("==")
        return bool(version) and versions.get(_normal(name)) == version

    return [pin for pin in pins if not shown(pin)]


def _normal(name: str) -> str:
    """Return a distribution's name as the names of folders have it."""
    return name.replace("-", "_").replace(".", "_").lower()
