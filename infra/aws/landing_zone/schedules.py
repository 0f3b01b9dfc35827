"""The group of schedules, by the name and with the tag by which the application knows its own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws

from landing_zone.component import Component


@dataclass(frozen=True, kw_only=True)
class SchedulesArgs:
    """What the group is made of.

    Attributes:
        group: Its name.
        prefix: The application's prefix, which its tag `waterflow` says.
    """

    group: str
    prefix: str


class Schedules(Component[SchedulesArgs]):
    """The schedule group of EventBridge Scheduler; `waterflow schedule apply` fills it."""

    def _make(self, name: str, args: SchedulesArgs) -> None:
        group = aws.scheduler.ScheduleGroup(
            name, name=args.group, tags={"waterflow": args.prefix}, opts=self.child()
        )
        self.arn = group.arn
        self.register_outputs({"arn": self.arn})
