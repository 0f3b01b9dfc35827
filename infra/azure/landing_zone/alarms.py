"""Alarms: runs that fail, runs that do not end; each comes to one group of addressees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_azure_native import monitor
from waterflow_infra import alarms as texts

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.place import Place

_SHORT: Final = 12
_ENDED: Final = ("Completed", "Failed", "Canceled", "NotStarted")
_ERROR, _WARNING = 1, 2


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """What the alarms are made of.

    Attributes:
        place: Where they are.
        zone: The landing zone's name.
        logs: Address of the log workspace, where the runs' changes are.
        emails: Who is told.
        failing_runs: Failures within an hour that are an alarm.
        stuck_hours: Hours after which a run that goes on is told.
    """

    place: Place
    zone: str
    logs: pulumi.Input[str]
    emails: Sequence[str]
    failing_runs: int
    stuck_hours: int


class Alarms(Component[AlarmsArgs]):
    """The alarms, and the group of those who are told."""

    def _make(self, name: str, args: AlarmsArgs) -> None:
        self._name, self._args = name, args
        group = monitor.ActionGroup(
            name,
            resource_group_name=args.place.group,
            location="Global",
            group_short_name=args.zone[:_SHORT],
            enabled=True,
            email_receivers=[
                {"name": mail, "email_address": mail, "use_common_alert_schema": True}
                for mail in args.emails
            ],
            opts=self.child(),
        )
        self.group_id = group.id
        # A run is the job that is its own root: the steps' jobs are below it.
        runs = "AmlRunStatusChangedEvent | where RunId == RootRunId"
        ended = ", ".join(f"'{status}'" for status in _ENDED)
        self._rule(
            "failed",
            texts.failed_run(args.zone, "a pipeline", "the alert names it"),
            f"{runs} | where Status == 'Failed' | project TimeGenerated, RunId",
            severity=_WARNING,
            minutes=(5, 15),
            by="RunId",
        )
        self._rule(
            "failing",
            texts.failing_runs(args.zone, args.failing_runs, 60),
            f"{runs} | where Status == 'Failed' | distinct RunId",
            severity=_ERROR,
            minutes=(15, 60),
            more_than=args.failing_runs - 1,
        )
        self._rule(
            "stuck",
            texts.stuck_run(args.zone, "a pipeline", "the alert names it", args.stuck_hours),
            f"{runs} | summarize Since = min(TimeGenerated), arg_max(TimeGenerated, Status) "
            f"by RunId | where Status !in ({ended}) and Since < ago({args.stuck_hours}h)",
            severity=_ERROR,
            # Two days is as far as a query looks back.
            minutes=(60, 2 * 24 * 60),
            by="RunId",
        )
        self.register_outputs({"group": self.group_id})

    def _rule(
        self,
        noun: str,
        text: str,
        query: str,
        *,
        severity: int,
        minutes: tuple[int, int],
        more_than: int = 0,
        by: str | None = None,
    ) -> None:
        """Make an alarm.

        Args:
            noun: Which.
            text: What it says.
            query: Finds what it is about, one row for each.
            severity: How bad that is, 0 being the worst.
            minutes: How often it looks, and how far back.
            more_than: How many rows are no alarm yet.
            by: A column by whose values alarms are told apart: one message for each.
        """
        every, back = minutes
        monitor.ScheduledQueryRule(
            f"{self._name}-{noun}",
            resource_group_name=self._args.place.group,
            location=self._args.place.region,
            kind=monitor.Kind.LOG_ALERT,
            display_name=f"{self._args.zone}: {noun} runs",
            description=text,
            enabled=True,
            severity=severity,
            scopes=[self._args.logs],
            evaluation_frequency=_span(every),
            window_size=_span(back),
            # An alarm that goes on is told once, and told anew after it was over.
            auto_mitigate=True,
            # The table is there when the first run has been.
            skip_query_validation=True,
            criteria={
                "all_of": [
                    {
                        "query": query,
                        "time_aggregation": "Count",
                        "operator": "GreaterThan",
                        "threshold": more_than,
                        "dimensions": []
                        if by is None
                        else [{"name": by, "operator": "Include", "values": ["*"]}],
                        "failing_periods": {
                            "number_of_evaluation_periods": 1,
                            "min_failing_periods_to_alert": 1,
                        },
                    }
                ]
            },
            actions={"action_groups": [self.group_id], "custom_properties": {"next": texts.NEXT}},
            opts=self.child(),
        )


def _span(minutes: int) -> str:
    """Return a time as Azure writes it."""
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    day = f"{days}D" if days else ""
    time = (f"{hours}H" if hours else "") + (f"{left}M" if left else "")
    return f"P{day}" + (f"T{time}" if time else "")
