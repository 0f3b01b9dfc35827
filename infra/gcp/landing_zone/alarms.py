"""Alarms: runs that fail, runs that do not end, and the topic and mails by which they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pulumi_gcp import logging, monitoring, pubsub
from waterflow_infra import alarms as texts

from landing_zone.component import Component
from landing_zone.logs import RUN, failed_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from landing_zone.place import Place

_DURATION: Final = "aiplatform.googleapis.com/pipelinejob/duration"
"""Seconds from a run's beginning to its end, or to now; of PipelineJob, a gauge, in beta.

https://cloud.google.com/monitoring/api/metrics_gcp_a_b
"""
_KEPT_SECONDS: Final = 7 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """What the alarms are made of.

    Attributes:
        place: Where they are.
        zone: The landing zone's name.
        key: The key that messages are encrypted by; None for Google's own.
        emails: Who is told.
        failing_runs: Failures within an hour that are an alarm.
        stuck_hours: Hours after which a run that goes on is told.
    """

    place: Place
    zone: str
    key: pulumi.Input[str] | None
    emails: Sequence[str]
    failing_runs: int
    stuck_hours: int


class Alarms(Component[AlarmsArgs]):
    """The alarms; whoever wants more than mails subscribes to the topic."""

    def _make(self, name: str, args: AlarmsArgs) -> None:
        self._name, self._args = name, args
        project = args.place.project
        topic = pubsub.Topic(
            name,
            project=project,
            kms_key_name=args.key,
            message_storage_policy={"allowed_persistence_regions": [args.place.region]},
            opts=self.child(),
        )
        pubsub.Subscription(
            name,
            project=project,
            topic=topic.id,
            message_retention_duration=f"{_KEPT_SECONDS}s",
            expiration_policy={"ttl": ""},
            opts=self.child(),
        )
        pubsub.TopicIAMMember(
            name,
            project=project,
            topic=topic.name,
            role="roles/pubsub.publisher",
            member=args.place.agent("gcp-sa-monitoring-notification"),
            opts=self.child(),
        )
        self.topic = topic.id
        self.channels: list[pulumi.Output[str]] = [
            self._channel("topic", "pubsub", {"topic": topic.id}),
            *(self._channel(mail, "email", {"email_address": mail}) for mail in args.emails),
        ]
        failed = failed_runs(project)
        failures = logging.Metric(
            name,
            project=project,
            filter=failed,
            description=f"Failures of pipelines of {args.zone}",
            metric_descriptor={"metric_kind": "DELTA", "value_type": "INT64"},
            opts=self.child(),
        )
        self.rule(
            "failed",
            texts.failed_run(args.zone, "a pipeline", "the alert names it"),
            {"display_name": "failed", "condition_matched_log": {"filter": failed}},
            severity="WARNING",
            often="300s",
        )
        self.rule(
            "failing",
            texts.failing_runs(args.zone, args.failing_runs, 60),
            {
                "display_name": "failing",
                "condition_threshold": {
                    "filter": failures.name.apply(
                        lambda own: (
                            f'metric.type="logging.googleapis.com/user/{own}" AND '
                            f'resource.type="{RUN}"'
                        )
                    ),
                    "comparison": "COMPARISON_GT",
                    "threshold_value": args.failing_runs - 1,
                    "duration": "0s",
                    "aggregations": [
                        {
                            "alignment_period": "3600s",
                            "per_series_aligner": "ALIGN_SUM",
                            "cross_series_reducer": "REDUCE_SUM",
                        }
                    ],
                },
            },
            severity="ERROR",
        )
        self.rule(
            "stuck",
            texts.stuck_run(args.zone, "a pipeline", "the alert names it", args.stuck_hours),
            {
                "display_name": "stuck",
                "condition_threshold": {
                    "filter": f'metric.type="{_DURATION}" AND resource.type="{RUN}"',
                    "comparison": "COMPARISON_GT",
                    "threshold_value": args.stuck_hours * 3600,
                    "duration": "0s",
                    "aggregations": [
                        {"alignment_period": "300s", "per_series_aligner": "ALIGN_MAX"}
                    ],
                },
            },
            severity="ERROR",
        )
        self.register_outputs({"topic": self.topic})

    def _channel(
        self, noun: str, kind: str, labels: dict[str, pulumi.Input[str]]
    ) -> pulumi.Output[str]:
        channel = monitoring.NotificationChannel(
            f"{self._name}-{noun}",
            project=self._args.place.project,
            display_name=f"{self._args.zone}: {noun}",
            type=kind,
            labels=labels,
            opts=self.child(),
        )
        return channel.name

    def rule(
        self,
        noun: str,
        text: str,
        condition: monitoring.AlertPolicyConditionArgsDict,
        *,
        severity: str,
        often: str | None = None,
    ) -> None:
        """Make an alarm.

        Args:
            noun: Which.
            text: What it says.
            condition: When.
            severity: How bad that is.
            often: How often it is told at most: what is of single lines of a log has to say it.
        """
        strategy: monitoring.AlertPolicyAlertStrategyArgsDict = {"auto_close": "86400s"}
        if often is not None:
            strategy["notification_rate_limit"] = {"period": often}
        monitoring.AlertPolicy(
            f"{self._name}-{noun}",
            project=self._args.place.project,
            display_name=f"{self._args.zone}: {noun}",
            combiner="OR",
            severity=severity,
            documentation={"content": text, "mime_type": "text/markdown"},
            conditions=[condition],
            notification_channels=self.channels,
            alert_strategy=strategy,
            opts=self.child(),
        )
