"""The group of schedules, by the name and with the tag by which the application knows its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi_aws as aws

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True, kw_only=True)
class SchedulesArgs:
    """What the group is made of.

    Attributes:
        group: Its name.
        prefix: The application's prefix, which its tag `waterflow` says.
    """

    group: str
    prefix: str


class Schedules(Component):
    """The schedule group of EventBridge Scheduler; `waterflow schedule apply` fills it.

    Args:
        name: Its name in the stack.
        args: What it is made of.
        opts: Its parent and provider.
    """

    def __init__(
        self, name: str, args: SchedulesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Schedules", name, opts)
        group = aws.scheduler.ScheduleGroup(
            name, name=args.group, tags={"waterflow": args.prefix}, opts=self.child()
        )
        self.arn = group.arn
        self.register_outputs({"arn": self.arn})
