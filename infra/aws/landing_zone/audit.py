"""The audit: CloudTrail records who reads and writes the bucket's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from landing_zone.component import Component
from landing_zone.storage import AUDIT

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class AuditArgs:
    """What the trail is made of.

    Attributes:
        trail: Its name, which the policies of its bucket and key hold.
        bucket_arn: The bucket whose objects are watched.
        records: The bucket that it writes to.
        key_arn: The key that encrypts its records; None for S3's own.
        after: What must be there before it can write.
    """

    trail: str
    bucket_arn: pulumi.Input[str]
    records: pulumi.Input[str]
    key_arn: pulumi.Input[str] | None
    after: Sequence[pulumi.Resource]


class Audit(Component[AuditArgs]):
    """The trail."""

    def _make(self, name: str, args: AuditArgs) -> None:
        aws.cloudtrail.Trail(
            name,
            name=args.trail,
            s3_bucket_name=args.records,
            s3_key_prefix=AUDIT,
            kms_key_id=args.key_arn,
            enable_log_file_validation=True,
            include_global_service_events=False,
            is_multi_region_trail=False,
            advanced_event_selectors=[
                {
                    "name": "Objects of Waterflow's bucket",
                    "field_selectors": [
                        {"field": "eventCategory", "equals": ["Data"]},
                        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
                        {
                            "field": "resources.ARN",
                            "starts_withs": [pulumi.Output.concat(args.bucket_arn, "/")],
                        },
                    ],
                }
            ],
            opts=self.child(depends_on=args.after),
        )
        self.register_outputs({})
