"""What of moto's services is kept with the emulator's state: S3, CloudWatch Logs and Scheduler."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any

from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from pathlib import Path


class Buckets:
    """S3's buckets: their objects by digest in a folder, so that one is written only once.

    Args:
        folder: Where the objects' bytes are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[ACCOUNT]["aws"]

    def snapshot(self) -> dict[str, Any]:
        """Return the buckets with what their objects are, having written the bytes."""
        self._folder.mkdir(exist_ok=True)
        return {
            name: {
                "region": bucket.region_name,
                "versioning": bucket.versioning_status,
                "objects": {
                    key: self._kept(entry)
                    for key, entry in bucket.keys.items()
                    if hasattr(entry, "value")  # others are marks that a key was deleted
                },
            }
            for name, bucket in list(self._backend.buckets.items())
        }

    def _kept(self, entry: Any) -> dict[str, Any]:
        data = entry.value
        digest = hashlib.sha256(data).hexdigest()
        place = self._folder / digest
        if not place.exists():
            draft = self._folder / f"{digest}.new"
            draft.write_bytes(data)
            draft.replace(place)
        return {
            "sha256": digest,
            "modified": entry.last_modified.replace(tzinfo=UTC),
            "etag": entry.etag.strip('"'),
            "encryption": entry.encryption,
            "kms": entry.kms_key_id,
            "metadata": dict(entry.metadata),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Make the buckets and objects of a snapshot."""
        for name, bucket in saved.items():
            target = self._backend.create_bucket(name, bucket["region"])
            target.versioning_status = bucket["versioning"]
            for key, one in bucket["objects"].items():
                entry = self._backend.put_object(
                    name,
                    key,
                    (self._folder / one["sha256"]).read_bytes(),
                    etag=one["etag"],
                    encryption=one["encryption"],
                    kms_key_id=one["kms"],
                    disable_notification=True,
                )
                entry.set_metadata(one["metadata"])
                entry.last_modified = one["modified"].replace(tzinfo=None)

    def prune(self, saved: dict[str, Any]) -> None:
        """Remove the bytes that a snapshot does not name, once it is on disk."""
        used = {one["sha256"] for bucket in saved.values() for one in bucket["objects"].values()}
        for place in self._folder.iterdir():
            if place.name not in used:
                with contextlib.suppress(OSError):
                    place.unlink()


class Streams:
    """The log streams of all regions."""

    @property
    def _backends(self) -> Any:
        from moto.logs.models import logs_backends

        return logs_backends[ACCOUNT]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return every stream with its events."""
        return [
            {
                "region": region,
                "group": group.name,
                "stream": stream.log_stream_name,
                "events": [[event.timestamp, event.message] for event in list(stream.events)],
            }
            for region, backend in list(self._backends.items())
            for group in list(backend.groups.values())
            for stream in list(group.streams.values())
        ]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Make the streams of a snapshot."""
        for one in saved:
            backend = self._backends[one["region"]]
            if one["group"] not in backend.groups:
                backend.create_log_group(one["group"], {})
            backend.ensure_log_stream(one["group"], one["stream"])
            # By the group itself: the service's door refuses events older than two weeks.
            backend.groups[one["group"]].put_log_events(
                one["stream"],
                [{"timestamp": moment, "message": text} for moment, text in one["events"]],
            )


class ScheduleGroups:
    """The schedules of all regions."""

    @property
    def _backends(self) -> Any:
        from moto.scheduler.models import scheduler_backends

        return scheduler_backends[ACCOUNT]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return every group with its tags and schedules."""
        return [
            {
                "region": region,
                "name": group.name,
                "tags": backend.tagger.list_tags_for_resource(group.arn)["Tags"],
                "schedules": [vars(one) for one in list(group.schedules.values())],
            }
            for region, backend in list(self._backends.items())
            for group in list(backend.schedule_groups.values())
        ]

    def restore(self, saved: list[dict[str, Any]]) -> None:
        """Make the groups and schedules of a snapshot."""
        from moto.scheduler.models import Schedule

        for group in saved:
            backend = self._backends[group["region"]]
            if group["name"] not in backend.schedule_groups:
                backend.create_schedule_group(group["name"], group["tags"])
            for one in group["schedules"]:
                # Not by its door, which takes no start in the past.
                schedule = Schedule.__new__(Schedule)
                vars(schedule).update(one)
                backend.schedule_groups[group["name"]].add_schedule(schedule)
