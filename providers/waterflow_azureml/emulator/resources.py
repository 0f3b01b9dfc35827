"""What Azure Resource Manager keeps: a document for each resource, by its id."""

from __future__ import annotations

import copy
import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.clock import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.emulation.clock import Clock

WHO: Final = {"createdBy": "waterflow", "createdByType": "User"}
"""Who is said to have made what is here: tokens name nobody else."""
HIDDEN: Final = frozenset({"keys"})
"""Members of bodies that are never answered."""


@dataclass
class Record:
    """One resource.

    Attributes:
        id: Its ARM id, as its maker wrote it.
        kind: The last part of its type: `environments/versions`.
        body: What was put: properties, tags, location, and the like.
        created: When, in seconds since the epoch.
        modified: When it was last changed.
        tag: Its ETag, changed with it.
    """

    id: str
    kind: str
    body: dict[str, Any]
    created: float
    modified: float
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def name(self) -> str:
        """Its name: the last segment of its id."""
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties, which may be changed in place."""
        properties: dict[str, Any] = self.body.setdefault("properties", {})
        return properties

    def envelope(self, kind: str | None = None) -> dict[str, Any]:
        """Return the resource as ARM answers it.

        Args:
            kind: Its type within the provider; None for `workspaces/` and its kind.
        """
        kind = f"workspaces/{self.kind}" if kind is None else kind
        return {
            **{n: copy.deepcopy(one) for n, one in self.body.items() if n not in HIDDEN},
            "id": self.id,
            "name": self.name,
            "type": f"Microsoft.MachineLearningServices/{kind}",
            "systemData": {
                "createdAt": written(self.created),
                "lastModifiedAt": written(self.modified),
                **WHO,
                "lastModifiedBy": WHO["createdBy"],
                "lastModifiedByType": WHO["createdByType"],
            },
        }


class Resources:
    """The part that has all resources but jobs.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}
        self.lock = threading.RLock()
        """Held by who looks and then changes."""

    def get(self, identity: str) -> Record | None:
        """Return a resource; None when there is none.

        Args:
            identity: Its id, in any case of letters.
        """
        return self._records.get(_key(identity))

    def put(self, identity: str, kind: str, body: Mapping[str, Any]) -> Record:
        """Keep a resource, in place of one of that id.

        Args:
            identity: Its id.
            kind: The last part of its type.
            body: What it is; a copy is kept.
        """
        with self.lock:
            before = self.get(identity)
            moment = self._clock.now()
            record = Record(
                id=before.id if before else identity,
                kind=kind,
                body=copy.deepcopy(dict(body)),
                created=before.created if before else moment,
                modified=moment,
            )
            self._records[_key(identity)] = record
            return record

    def delete(self, identity: str) -> bool:
        """Remove a resource and what lies below it; return whether it was there."""
        with self.lock:
            gone = self._records.pop(_key(identity), None)
            below = f"{_key(identity)}/"
            for key in [key for key in self._records if key.startswith(below)]:
                del self._records[key]
            return gone is not None

    def below(self, identity: str, kind: str) -> list[Record]:
        """Return the resources of a kind somewhere below an id, the first one made first.

        Args:
            identity: The id of what they belong to.
            kind: The last part of their type.
        """
        start = f"{_key(identity)}/"
        with self.lock:
            return [
                record
                for key, record in self._records.items()
                if record.kind == kind and key.startswith(start)
            ]

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def snapshot(self) -> list[dict[str, Any]]:
        """Return all resources as JSON."""
        return [asdict(record) for record in self]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Take the resources of a snapshot."""
        self._records = {_key(one["id"]): Record(**one) for one in saved}


def _key(identity: str) -> str:
    return identity.rstrip("/").lower()
