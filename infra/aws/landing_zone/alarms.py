"""Alarms: runs that fail, runs that do not end; each comes to one encrypted topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws
from waterflow_infra import alarms as texts

from landing_zone.component import Component, text
from landing_zone.policies import Place, Statement, raw_policy
from landing_zone.roles import Role, ServiceRoleArgs, service_role

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS: Final = "SageMaker Model Building Pipeline Execution Status Change"
"""https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html"""
_HOUR: Final = 3600
_GOING_ON: Final = ("Executing", "Stopping")


@dataclass(frozen=True, kw_only=True)
class TopicArgs:
    """What the topic is made of.

    Attributes:
        place: Where it is.
        key_arn: The key that encrypts it.
        emails: Who is told.
    """

    place: Place
    key_arn: pulumi.Input[str]
    emails: Sequence[str]


class AlarmTopic(Component[TopicArgs]):
    """The topic that all messages go to; CloudWatch, EventBridge and Budgets publish there."""

    def _make(self, name: str, args: TopicArgs) -> None:
        topic = aws.sns.Topic(name, kms_master_key_id=args.key_arn, opts=self.child())
        self.arn = topic.arn
        self._policy = aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=topic.arn.apply(
                lambda arn: text(
                    raw_policy(
                        {
                            "Sid": "AlarmsOfThisAccount",
                            "Effect": "Allow",
                            "Principal": {
                                "Service": [
                                    f"{one}.amazonaws.com"
                                    for one in ("budgets", "cloudwatch", "events")
                                ]
                            },
                            "Action": "sns:Publish",
                            "Resource": arn,
                            "Condition": {
                                "StringEquals": {"aws:SourceAccount": args.place.account}
                            },
                        }
                    )
                )
            ),
            opts=self.child(),
        )
        for mail in args.emails:
            aws.sns.TopicSubscription(
                f"{name}-{mail}", topic=topic.arn, protocol="email", endpoint=mail,
                opts=self.child(),
            )  # fmt: skip
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """What the alarms are made of.

    Attributes:
        place: Where they are.
        zone: The landing zone's name.
        prefix: What the pipelines' names begin with.
        topic_arn: Who is told.
        topic_key_arn: The key that encrypts that.
        failing_runs: Failures within an hour that are an alarm.
        stuck_hours: Hours after which a run that goes on is told.
        log_group: Name of the log group of failures; EventBridge writes to /aws/events/ only.
        log_retention_days: Days for which they are kept.
        log_key_arn: The key that encrypts them; None for AWS's own.
        role_path: The path of the zone's roles.
        boundary: ARN of the policy that bounds them.
    """

    place: Place
    zone: str
    prefix: str
    topic_arn: pulumi.Input[str]
    topic_key_arn: pulumi.Input[str]
    failing_runs: int
    stuck_hours: int
    log_group: str
    log_retention_days: int
    log_key_arn: pulumi.Input[str] | None
    role_path: str
    boundary: pulumi.Input[str]


class Alarms(Component[AlarmsArgs]):
    """Messages on each failure, an alarm on several, and a watch over runs that do not end."""

    def _make(self, name: str, args: AlarmsArgs) -> None:
        self._name, self._args = name, args
        self._failures(f"{name}-failed")
        self._watch(f"{name}-stuck")
        self.register_outputs({})

    def _rule(
        self, name: str, description: str, statuses: Sequence[str]
    ) -> aws.cloudwatch.EventRule:
        pipelines = self._args.place.arn("sagemaker", f"pipeline/{self._args.prefix}-")
        return aws.cloudwatch.EventRule(
            name,
            description=description,
            event_pattern=text(
                {
                    "source": ["aws.sagemaker"],
                    "detail-type": [_STATUS],
                    "detail": {
                        "currentPipelineExecutionStatus": list(statuses),
                        "pipelineArn": [{"prefix": pipelines}],
                    },
                }
            ),
            opts=self.child(),
        )

    def _failures(self, name: str) -> None:
        args = self._args
        rule = self._rule(name, "Runs of Waterflow's pipelines that failed", ["Failed"])
        aws.cloudwatch.EventTarget(
            f"{name}-message",
            rule=rule.name,
            arn=args.topic_arn,
            input_transformer={
                "input_paths": {
                    "pipeline": "$.detail.pipelineArn",
                    "run": "$.detail.pipelineExecutionArn",
                },
                "input_template": text_template(texts.failed_run(args.zone, "<pipeline>", "<run>")),
            },
            opts=self.child(),
        )
        self._record(name, rule)
        # The rule counts what it matched, which are this prefix's runs and no others: SageMaker's
        # own metrics know single pipelines, or all of the account.
        aws.cloudwatch.MetricAlarm(
            name,
            alarm_description=texts.failing_runs(args.zone, args.failing_runs, _HOUR // 60),
            namespace="AWS/Events",
            metric_name="MatchedEvents",
            dimensions={"RuleName": rule.name},
            statistic="Sum",
            period=_HOUR,
            evaluation_periods=1,
            threshold=args.failing_runs,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[args.topic_arn],
            opts=self.child(),
        )

    def _record(self, name: str, rule: aws.cloudwatch.EventRule) -> None:
        """Keep the events of failures, so that they can be searched long after the messages."""
        args = self._args
        group = aws.cloudwatch.LogGroup(
            name,
            name=args.log_group,
            retention_in_days=args.log_retention_days,
            kms_key_id=args.log_key_arn,
            opts=self.child(),
        )
        writes = aws.cloudwatch.LogResourcePolicy(
            name,
            policy_name=name,
            policy_document=pulumi.Output.all(group.arn, rule.arn).apply(
                lambda arns: text(
                    raw_policy(
                        {
                            "Sid": "EventsOfFailures",
                            "Effect": "Allow",
                            "Principal": {
                                "Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]
                            },
                            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                            "Resource": f"{arns[0]}:*",
                            "Condition": {"ArnEquals": {"aws:SourceArn": arns[1]}},
                        }
                    )
                )
            ),
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(
            f"{name}-record",
            rule=rule.name,
            arn=group.arn,
            opts=self.child(depends_on=[writes]),
        )

    def _watch(self, name: str) -> None:
        """Look at each run again after some hours, for as long as it goes on.

        No metric says that a run has not ended, so that each run gets a watcher of its own: it
        waits, which costs nothing, and looks.
        """
        args = self._args
        watcher = self._role(
            name, "Looks whether runs of Waterflow's pipelines have ended", "states",
            args.place.arn("states", f"stateMachine:{args.zone}-*"),
        )  # fmt: skip
        looks = watcher.allow(
            pulumi.Output.all(args.topic_arn, args.topic_key_arn).apply(
                lambda arns: watch_statements(args.place, args.prefix, arns[0], arns[1])
            )
        )
        machine = aws.sfn.StateMachine(
            name,
            role_arn=watcher.arn,
            definition=pulumi.Output.from_input(args.topic_arn).apply(self._definition),
            opts=self.child(depends_on=[looks]),
        )
        starter = self._role(
            f"{name}-start", "Begins to watch a run that begins", "events",
            args.place.arn("events", f"rule/{args.zone}-*"),
        )  # fmt: skip
        starter.allow(machine.arn.apply(start_statements))
        rule = self._rule(name, "Runs of Waterflow's pipelines that begin", ["Executing"])
        aws.cloudwatch.EventTarget(
            name, rule=rule.name, arn=machine.arn, role_arn=starter.arn, opts=self.child()
        )
        aws.cloudwatch.MetricAlarm(
            name,
            alarm_description=texts.blind_watch(args.zone),
            namespace="AWS/States",
            metric_name="ExecutionsFailed",
            dimensions={"StateMachineArn": machine.arn},
            statistic="Sum",
            period=_HOUR,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[args.topic_arn],
            opts=self.child(),
        )

    def _role(self, name: str, description: str, service: str, source: str) -> Role:
        args = self._args
        return service_role(
            name,
            ServiceRoleArgs(
                description=description,
                service=service,
                place=args.place,
                source=source,
                path=args.role_path,
                boundary=args.boundary,
            ),
            self.child(),
        )

    def _definition(self, topic: str) -> str:
        args, partition = self._args, self._args.place.partition
        message = texts.stuck_run(args.zone, "{}", "{}", args.stuck_hours)
        going_on: list[dict[str, Any]] = [
            {"Variable": "$.now.PipelineExecutionStatus", "StringEquals": status, "Next": "Tell"}
            for status in _GOING_ON
        ]
        # https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-errors.html
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 60, "MaxAttempts": 6}]
        return text(
            {
                "Comment": "Watches one run",
                "StartAt": "Wait",
                "States": {
                    "Wait": {"Type": "Wait", "Seconds": args.stuck_hours * _HOUR, "Next": "Look"},
                    "Look": {
                        "Type": "Task",
                        "Resource": (
                            f"arn:{partition}:states:::aws-sdk:sagemaker:describePipelineExecution"
                        ),
                        "Parameters": {"PipelineExecutionArn.$": "$.detail.pipelineExecutionArn"},
                        "ResultPath": "$.now",
                        "Retry": retry,
                        "Next": "Ended",
                    },
                    "Ended": {"Type": "Choice", "Choices": going_on, "Default": "Done"},
                    "Tell": {
                        "Type": "Task",
                        "Resource": f"arn:{partition}:states:::sns:publish",
                        "Parameters": {
                            "TopicArn": topic,
                            "Subject": f"{args.zone}: a run does not end",
                            "Message.$": (
                                f"States.Format('{message}', $.detail.pipelineArn, "
                                "$.detail.pipelineExecutionArn)"
                            ),
                        },
                        "ResultPath": None,
                        "Retry": retry,
                        "Next": "Wait",
                    },
                    "Done": {"Type": "Succeed"},
                },
            }
        )


def watch_statements(
    place: Place, prefix: str, topic_arn: str, topic_key_arn: str
) -> list[Statement]:
    """Return what the watch over runs may do.

    Args:
        place: Where it is.
        prefix: What the pipelines' names begin with.
        topic_arn: Who is told.
        topic_key_arn: The key that encrypts that.
    """
    return [
        Statement(
            why="look at runs",
            actions=("sagemaker:DescribePipelineExecution",),
            resources=(place.arn("sagemaker", f"pipeline/{prefix}-*"),),
        ),
        Statement(why="tell", actions=("sns:Publish",), resources=(topic_arn,)),
        Statement(
            why="encrypt what is told",
            actions=("kms:Decrypt", "kms:GenerateDataKey"),
            resources=(topic_key_arn,),
        ),
    ]


def start_statements(machine_arn: str) -> list[Statement]:
    """Return what begins to watch a run may do."""
    return [
        Statement(
            why="begin to watch", actions=("states:StartExecution",), resources=(machine_arn,)
        )
    ]


def text_template(message: str) -> str:
    """Return a message as an input transformer takes it: one text of JSON."""
    return f'"{message}"'
