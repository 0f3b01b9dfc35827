"""Resources that are records in the service too: created, described, changed, listed, deleted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.emulation.clock import moment
from waterflow_sagemaker.definition import shapes
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.paging import descending, page, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.model import Shape

    from waterflow.emulation.clock import Clock

Request = dict[str, Any]
Response = dict[str, Any]


@dataclass
class Record:
    """One resource.

    Attributes:
        arn: Its ARN.
        created: When, in seconds since the epoch.
        members: What it was given, tags apart, and what the service adds.
        tags: Its tags.
        modified: When it was last changed, in seconds since the epoch; None before.
    """

    arn: str
    created: float
    members: dict[str, Any]
    tags: list[dict[str, str]]
    modified: float | None = None

    def change(self, now: float, members: dict[str, Any]) -> None:
        """Take new values for some members."""
        self.members |= members
        self.modified = now

    @classmethod
    def of(cls, arn: str, now: float, request: Request, **added: Any) -> Record:
        """Return the resource that a request makes.

        Args:
            arn: Its ARN.
            now: The time.
            request: The request; tags and tokens are no members.
            added: What the service adds.
        """
        members = {
            name: value
            for name, value in request.items()
            if name not in ("Tags", "ClientToken", "ClientRequestToken")
        }
        tags = [dict(tag) for tag in request.get("Tags", [])]
        return cls(arn, now, members | added, tags)


class Records:
    """The resources of some nouns, kept by name.

    Args:
        clock: The time.
        region: The region that ARNs name.
    """

    KINDS: ClassVar[dict[str, str]] = {}
    """Noun, as operations name it -> the word that its ARN has."""

    def __init__(self, clock: Clock, region: str) -> None:
        self._clock, self._region = clock, region
        self._kept: dict[str, dict[str, Record]] = {noun: {} for noun in self.KINDS}
        self._lock = threading.RLock()

    def arn(self, noun: str, name: str) -> str:
        """Return the ARN of a resource."""
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:{self.KINDS[noun]}/{name}"

    def tags_of(self, arn: str) -> list[dict[str, str]] | None:
        """Return the tags of a resource, to be changed in place; None when it is none of ours."""
        with self._lock:
            for records in self._kept.values():
                for record in records.values():
                    if record.arn == arn:
                        return record.tags
            return None

    def shown(self, noun: str, record: Record) -> Response:
        """Return a resource as Describe does."""
        answer = {
            f"{noun}Arn": record.arn,
            "CreationTime": moment(record.created),
            "LastModifiedTime": moment(record.modified or record.created),
            "CreatedBy": {},
            "LastModifiedBy": {},
            **record.members,
        }
        return fitted(answer, shapes.output_of(f"Describe{noun}"))

    def listed(
        self, noun: str, records: Iterable[Record], request: Request, answer: str
    ) -> Response:
        """Return a page of resources as List does.

        Args:
            noun: Their noun.
            records: Those that the request's own filters leave.
            request: May hold NameContains, bounds of the time, SortBy, SortOrder and paging.
            answer: The member that holds the list.
        """
        name, part = f"{noun}Name", request.get("NameContains", "").lower()
        chosen = [one for one in records if part in str(one.members.get(name, "")).lower()]
        for bounds in (("CreationTimeAfter", "CreationTimeBefore"),
                       ("CreatedAfter", "CreatedBefore")):  # fmt: skip
            chosen = within(chosen, request, lambda one: one.created, bounds)
        if request.get("SortBy") == "Name":
            chosen.sort(key=lambda one: str(one.members.get(name, "")))
        else:
            chosen.sort(key=lambda one: one.created)
        if descending(request):
            chosen.reverse()
        some, token = page(chosen, request)
        output: Any = shapes.output_of(f"List{noun}s")
        row = output.members[answer].member
        return {answer: [fitted(self.shown(noun, one), row) for one in some], **token}

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data."""
        with self._lock:
            return {
                noun: {name: dict(vars(record)) for name, record in records.items()}
                for noun, records in self._kept.items()
            }

    def restore(self, data: dict[str, Any]) -> None:
        """Take what a snapshot holds."""
        with self._lock:
            for noun, records in data.items():
                self._kept[noun] = {name: Record(**one) for name, one in records.items()}


def fitted(value: Any, shape: Shape | None) -> Any:
    """Return what of a value a shape has, its times as moments.

    Args:
        value: As it came with a request: times are seconds since the epoch.
        shape: The answer's shape.
    """
    described: Any = shape
    if described is None:
        return value
    kind = described.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            name: fitted(inner, described.members[name])
            for name, inner in value.items()
            if name in described.members
        }
    if kind == "list" and isinstance(value, list):
        return [fitted(inner, described.member) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: fitted(inner, described.value) for key, inner in value.items()}
    if kind == "timestamp" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    return value
