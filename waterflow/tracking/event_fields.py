"""What tracking events hold, in the forms that MLflow takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from waterflow.tracking.spool import Event

_SHOWN: Final = ("mlflow.user", "mlflow.source.name", "mlflow.source.type")


def who(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags by which MLflow shows who has run what: its steps' runs have them too."""
    return {name: tags[name] for name in _SHOWN if name in tags}


def texts(tags: dict[str, Any] | None) -> dict[str, str]:
    """Return tags as texts; those without a value are left out."""
    return {
        str(name): value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in (tags or {}).items()
        if value is not None
    }


def output_tags(event: Event) -> dict[str, str]:
    """Return the digests of the outputs that an event tells of, as tags."""
    return {
        f"waterflow.output.{name}.sha256": str(output["digest"])
        for name, output in (event.get("outputs") or {}).items()
        if output.get("digest")
    }


def number(event: Event) -> int:
    """Return an event's own number: what follows the last "/" of its id."""
    tail = str(event.get("id", "")).rpartition("/")[2].rpartition(".")[2]
    return int(tail) if tail.isdigit() else 0
