"""The log groups of SageMaker's jobs: kept for a time, and encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi_aws as aws

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi

GROUPS: Final = ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs")
"""SageMaker's own names for them, one of each in a region."""


@dataclass(frozen=True, kw_only=True)
class LogsArgs:
    """What the log groups are made of.

    Attributes:
        retention_days: Days for which logs are kept.
        key_arn: The key that encrypts them; None for AWS's own.
    """

    retention_days: int
    key_arn: pulumi.Input[str] | None


class Logs(Component[LogsArgs]):
    """The log groups."""

    def _make(self, name: str, args: LogsArgs) -> None:
        for group in GROUPS:
            aws.cloudwatch.LogGroup(
                f"{name}-{group.rpartition('/')[2]}",
                name=group,
                retention_in_days=args.retention_days,
                kms_key_id=args.key_arn,
                opts=self.child(),
            )
        self.register_outputs({})
