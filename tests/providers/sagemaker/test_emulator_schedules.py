"""Schedules made through unmodified boto3 that start executions when the clock says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from waterflow_sagemaker.emulator import Emulator, schedule_expressions
from waterflow_sagemaker.emulator.calls import Calls
from waterflow_sagemaker.emulator.identity import Identities
from waterflow_sagemaker.emulator.objects import Objects
from waterflow_sagemaker.emulator.pipelines import Pipelines as Engine
from waterflow_sagemaker.emulator.schedules import PipelineScheduler
from waterflow_sagemaker.emulator.services import Services

from tests.providers.sagemaker.pipelines_kit import ROLE, Pipelines, document, fail, get
from waterflow.emulation.clock import Clock
from waterflow.emulation.errors import ServiceError
from waterflow.emulation.schedules import MISSED

REGION = "us-east-1"
START = datetime(2040, 1, 2, 12, tzinfo=UTC)  # a Monday


class Fixed(Clock):
    """A clock that goes only when it is moved."""

    def now(self) -> float:
        return START.timestamp() + self._offset


class Scheduled:
    """A scheduler, and the pipeline that it starts."""

    def __init__(self, clock: Clock) -> None:
        self.client: Any = boto3.client(
            "scheduler", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )
        # Its one step fails by itself: no job is run, and nothing of these two is called.
        self.pipelines = Engine(
            None, Services("http://127.0.0.1:9", REGION), Objects(REGION), clock, REGION
        )
        text = json.dumps(document(fail("f", get("Parameters.p")), parameters={"p": "no"}))
        request = {"PipelineName": "nightly", "RoleArn": ROLE, "PipelineDefinition": text}
        self.arn = self.pipelines.create_pipeline(request)["PipelineArn"]
        self.schedules = PipelineScheduler(lambda _: self.pipelines, clock, Calls(Identities()))

    def request(self, name: str, expression: str, **more: Any) -> dict[str, Any]:
        pairs = [{"Name": "p", "Value": name}]
        target = {
            "Arn": self.arn,
            "RoleArn": ROLE,
            "SageMakerPipelineParameters": {"PipelineParameterList": pairs},
        }
        return {
            "Name": name, "ScheduleExpression": expression, "Target": target,
            "FlexibleTimeWindow": {"Mode": "OFF"}, **more,
        }  # fmt: skip

    def create(self, name: str, expression: str, **more: Any) -> None:
        self.client.create_schedule(**self.request(name, expression, **more))

    def started(self) -> list[str]:
        """The parameter of each execution, the first first."""
        started: list[str] = []
        listed = self.pipelines.list_pipeline_executions(
            {"PipelineName": "nightly", "SortOrder": "Ascending", "MaxResults": 10_000}
        )
        for one in listed["PipelineExecutionSummaries"]:
            arn = {"PipelineExecutionArn": one["PipelineExecutionArn"]}
            values = self.pipelines.list_pipeline_parameters_for_execution(arn)
            started += [pair["Value"] for pair in values["PipelineParameters"]]
        return started


@pytest.fixture
def scheduled(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with mock_aws():
        instance = Scheduled(Fixed())
        yield instance
        instance.schedules.close()
        instance.pipelines.close()


def days(count: float) -> float:
    return count * 86400


def test_a_weekly_schedule_starts_its_pipeline_with_its_parameters(scheduled):
    scheduled.create("weekly", "cron(0 3 ? * TUE *)")
    scheduled.schedules.advance(days(0.5))
    assert scheduled.started() == []
    scheduled.schedules.advance(days(1))
    assert scheduled.started() == ["weekly"]
    scheduled.schedules.advance(days(14))
    assert scheduled.started() == ["weekly"] * 3
    scheduled.schedules.run_due()
    assert scheduled.started() == ["weekly"] * 3


def test_a_disabled_schedule_starts_nothing_and_makes_up_for_nothing(scheduled):
    scheduled.create("off", "cron(0 * * * ? *)", State="DISABLED")
    scheduled.schedules.advance(days(1))
    scheduled.client.update_schedule(
        **scheduled.request("off", "cron(0 * * * ? *)", State="ENABLED")
    )
    scheduled.schedules.run_due()
    assert scheduled.started() == []
    scheduled.schedules.advance(7200)
    assert scheduled.started() == ["off", "off"]


def test_a_schedule_for_one_time_fires_once_and_deletes_itself(scheduled):
    more = {"ActionAfterCompletion": "DELETE", "ScheduleExpressionTimezone": "Asia/Tokyo"}
    scheduled.create("once", "at(2040-01-02T22:00:00)", **more)  # 13:00 UTC
    scheduled.schedules.advance(3599)
    assert scheduled.started() == []
    assert [one["Name"] for one in scheduled.client.list_schedules()["Schedules"]] == ["once"]
    scheduled.schedules.advance(1)
    assert scheduled.started() == ["once"]
    assert scheduled.client.list_schedules()["Schedules"] == []


def test_a_rate_counts_from_its_start_to_its_end(scheduled):
    scheduled.create("now", "rate(1 hours)", EndDate=START + timedelta(hours=2))
    scheduled.create("later", "rate(1 day)", StartDate=START + timedelta(hours=12))
    scheduled.schedules.advance(days(2))
    assert sorted(scheduled.started()) == ["later"] * 2 + ["now"] * 3


def test_a_far_moved_clock_makes_up_for_a_bounded_number(scheduled):
    scheduled.create("often", "rate(1 minutes)")
    scheduled.schedules.run_due()
    assert scheduled.started() == ["often"]
    scheduled.schedules.advance(days(30))
    assert scheduled.started() == ["often"] * (MISSED + 1)


def test_the_universal_target_starts_a_pipeline_too(scheduled):
    request = scheduled.request("universal", "rate(1 minute)")
    request["Target"] = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution",
        "RoleArn": ROLE,
        "Input": json.dumps({"PipelineName": "nightly"}),
    }
    scheduled.client.create_schedule(**request)
    scheduled.schedules.run_due()
    assert scheduled.started() == ["no"]


def test_one_schedule_that_cannot_start_does_not_keep_others_from_it(scheduled, caplog):
    request = scheduled.request("lost", "rate(1 minute)")
    request["Target"]["Arn"] = scheduled.arn.replace("nightly", "gone")
    scheduled.client.create_schedule(**request)
    scheduled.create("odd", "cron(every day)")
    scheduled.create("good", "rate(1 minute)")
    scheduled.schedules.run_due()
    assert scheduled.started() == ["good"]
    assert "lost could not start its pipeline" in caplog.text
    assert "odd never fires" in caplog.text


def test_schedules_fire_by_themselves_and_outlive_a_restart(scheduled, eventually):
    scheduled.schedules.start()
    scheduled.create("soon", "rate(1 hour)")
    eventually(lambda: scheduled.started() == ["soon"])
    scheduled.schedules.close()
    again = PipelineScheduler(
        lambda _: scheduled.pipelines, scheduled.pipelines.clock, Calls(Identities())
    )
    again.restore(json.loads(json.dumps(scheduled.schedules.snapshot())))
    again.run_due()
    assert scheduled.started() == ["soon"]  # a rate begins once
    again.advance(3600)
    assert scheduled.started() == ["soon", "soon"]


# --- expressions ----------------------------------------------------------------------------------


def times(text: str, count: int = 3, zone: str = "UTC", start: str = "2040-01-02T12:00:00Z"):
    moment = datetime.fromisoformat(start).timestamp()
    expression = schedule_expressions.parse(text, zone)
    moments: list[str] = []
    for _ in range(count):
        after = expression.after(moment, moment)
        if after is None:
            break
        moment = after
        moments.append(schedule_expressions.written(moment).removesuffix(":00Z"))
    return moments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 10 * * ? *)", ["2040-01-03T10:00", "2040-01-04T10:00", "2040-01-05T10:00"]),
        ("cron(15 12 * * ? *)", ["2040-01-02T12:15", "2040-01-03T12:15", "2040-01-04T12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2040-01-02T18:00", "2040-01-03T18:00", "2040-01-04T18:00"]),
        ("cron(0 8 1 * ? *)", ["2040-02-01T08:00", "2040-03-01T08:00", "2040-04-01T08:00"]),
        ("cron(0/20 12 * * ? *)", ["2040-01-02T12:20", "2040-01-02T12:40", "2040-01-03T12:00"]),
        ("cron(5 0 L * ? *)", ["2040-01-31T00:05", "2040-02-29T00:05", "2040-03-31T00:05"]),
        ("cron(0 0 LW * ? *)", ["2040-01-31T00:00", "2040-02-29T00:00", "2040-03-30T00:00"]),
        ("cron(0 0 15W * ? *)", ["2040-01-16T00:00", "2040-02-15T00:00", "2040-03-15T00:00"]),
        ("cron(0 0 1W * ? *)", ["2040-02-01T00:00", "2040-03-01T00:00", "2040-04-02T00:00"]),
        ("cron(0 0 ? * 6L *)", ["2040-01-27T00:00", "2040-02-24T00:00", "2040-03-30T00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2040-01-10T00:00", "2040-02-14T00:00", "2040-03-13T00:00"]),
        ("cron(0 0 ? * 1 *)", ["2040-01-08T00:00", "2040-01-15T00:00", "2040-01-22T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2040-02-29T00:00", "2044-02-29T00:00", "2048-02-29T00:00"]),
        ("cron(0 0 1 JAN ? 2041-2042)", ["2041-01-01T00:00", "2042-01-01T00:00"]),
        ("cron(0 0 30 2 ? *)", []),
        ("cron(0 0 1 1 ? 2039)", []),
        ("rate(5 minutes)", ["2040-01-02T12:05", "2040-01-02T12:10", "2040-01-02T12:15"]),
        ("at(2040-01-02T13:00:00)", ["2040-01-02T13:00"]),
        ("at(2039-01-01T00:00:00)", []),
    ],
)
def test_expressions_mean_the_documented_times(text, expected):
    assert times(text) == expected


def test_a_skipped_hour_is_skipped_and_one_that_comes_twice_counts_once():
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    text, zone = "cron(30 2 * * ? *)", "Europe/Berlin"
    assert times(text, 2, zone, "2040-03-24T00:00:00Z") == ["2040-03-24T01:30", "2040-03-26T00:30"]
    assert times(text, 2, zone, "2040-10-27T23:00:00Z") == ["2040-10-28T00:30", "2040-10-29T01:30"]


@pytest.mark.parametrize(
    "text",
    [
        "cron(0 10 * * ?)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(60 10 * * ? *)",
        "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 0 *)",
        "cron(0 0 1 13 ? *)", "cron(5-1 0 * * ? *)", "cron(*/0 0 * * ? *)", "cron(0 0 * * ? 1969)",
        "rate(0 minutes)", "rate(5 weeks)", "rate(minutes)", "at(tomorrow)", "every day", "",
    ],
)  # fmt: skip
def test_other_expressions_are_refused(text, scheduled):
    with pytest.raises(ValueError, match="Invalid Schedule Expression"):
        schedule_expressions.parse(text)
    with pytest.raises(ServiceError, match="ValidationException: Invalid Schedule Expression"):
        scheduled.schedules.check({"ScheduleExpression": text})


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="Invalid ScheduleExpressionTimezone Mars/Base"):
        schedule_expressions.parse("rate(1 day)", "Mars/Base")


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    weekday=st.integers(1, 7),
    moment=st.integers(946_684_800, 4_102_444_800),
)
def test_the_next_time_is_the_first_that_matches(minute, hour, weekday, moment):
    expression = schedule_expressions.parse(f"cron({minute} {hour} ? * {weekday} *)")
    following = expression.after(moment, 0.0)
    assert following is not None
    assert moment < following <= moment + days(7)
    at = datetime.fromtimestamp(following, UTC)
    assert (at.minute, at.hour, at.isoweekday() % 7 + 1) == (minute, hour, weekday)


# --- the whole emulator ---------------------------------------------------------------------------


def test_a_schedule_of_the_running_emulator_starts_a_pipeline(aws_at):
    with Emulator() as emulator:
        aws = aws_at(emulator)
        sagemaker, scheduler = aws("sagemaker"), aws("scheduler")
        text = json.dumps(document(fail("f", get("Parameters.p")), parameters={"p": "no"}))
        arn = sagemaker.create_pipeline(
            PipelineName="hourly", RoleArn=ROLE, PipelineDefinition=text
        )["PipelineArn"]
        pairs = [{"Name": "p", "Value": "scheduled"}]
        request = {
            "Name": "hourly",
            "ScheduleExpression": "cron(0 * * * ? *)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": arn,
                "RoleArn": ROLE,
                "SageMakerPipelineParameters": {"PipelineParameterList": pairs},
            },
        }
        with pytest.raises(ClientError, match="Invalid Schedule Expression") as error:
            scheduler.create_schedule(**request | {"ScheduleExpression": "cron(0 * * * *)"})
        assert error.value.response["Error"]["Code"] == "ValidationException"
        scheduler.create_schedule(**request)
        emulator.advance(2 * 3600)
        listed = sagemaker.list_pipeline_executions(PipelineName="hourly")
        arns = [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]
        assert len(arns) == 2
        for one in arns:
            assert Pipelines(aws).wait(one).steps["f"]["FailureReason"] == "scheduled"
