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


class Logs(Component):
    """The log groups.

    Args:
        name: Their name in the stack.
        args: What they are made of.
        opts: Their parent and provider.
    """

    def __init__(
        self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Logs", name, opts)
        for group in GROUPS:
            aws.cloudwatch.LogGroup(
                f"{name}-{group.rpartition('/')[2]}",
                name=group,
                retention_in_days=args.retention_days,
                kms_key_id=args.key_arn,
                opts=self.child(),
            )
        self.register_outputs({})
