"""The bucket of code, data and results, and what keeps and clears it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pulumi_gcp import storage

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi

    from landing_zone.place import Place

_UNDELETE_SECONDS: Final = 7 * 24 * 3600
_VERSION_DAYS: Final = 30


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the bucket is made of.

    Attributes:
        place: Where it is.
        prefix: What the application's keys begin with.
        key: The key that it is encrypted by; None for Google's own.
        retention_days: Days until results of runs are deleted.
        checkpoint_days: Days until checkpoints are deleted.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    prefix: str
    key: pulumi.Input[str] | None
    retention_days: int
    checkpoint_days: int
    protect: bool


class Storage(Component[StorageArgs]):
    """The bucket: IAM alone opens it, and to strangers nothing does."""

    def _make(self, name: str, args: StorageArgs) -> None:
        bucket = storage.Bucket(
            name,
            project=args.place.project,
            location=args.place.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            soft_delete_policy={"retention_duration_seconds": _UNDELETE_SECONDS},
            encryption=None if args.key is None else {"default_kms_key_name": args.key},
            lifecycle_rules=[
                self._expires(f"{args.prefix}/runs/", args.retention_days),
                self._expires(f"{args.prefix}/checkpoints/", args.checkpoint_days),
                {
                    "action": {"type": "Delete"},
                    "condition": {"days_since_noncurrent_time": _VERSION_DAYS},
                },
                {
                    "action": {"type": "AbortIncompleteMultipartUpload"},
                    "condition": {"age": 7},
                },
            ],
            force_destroy=not args.protect,
            opts=self.child(protect=args.protect),
        )
        self.name = bucket.name
        self.register_outputs({"bucket": self.name})

    @staticmethod
    def _expires(prefix: str, days: int) -> storage.BucketLifecycleRuleArgsDict:
        return {
            "action": {"type": "Delete"},
            "condition": {"age": days, "matches_prefixes": [prefix], "with_state": "LIVE"},
        }
