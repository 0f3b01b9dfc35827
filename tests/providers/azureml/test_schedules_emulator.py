"""Schedules of the Azure ML emulator: when they are due, and what they make."""

from datetime import UTC, datetime

import pytest
from waterflow_azureml.emulator.triggers import TriggerError, trigger

from tests.providers.azureml.workspace import RefusedError, literal, step

BEGIN = "2026-03-02T08:30:00"  # a Monday


def _moments(body, after=BEGIN, count=3):
    when, begin = trigger(body), _seconds(BEGIN)
    found, moment = [], _seconds(after)
    while len(found) < count and (moment := when.next(moment, begin)) is not None:
        found.append(datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H:%M"))
    return found


def _seconds(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _cron(expression, **more):
    return {"triggerType": "Cron", "expression": expression, **more}


def _every(frequency, interval=1, **more):
    return {
        "triggerType": "Recurrence", "frequency": frequency, "interval": interval, **more,
    }  # fmt: skip


DUE = {
    "cron": (_cron("15 9 * * *"), ["03-02 09:15", "03-03 09:15", "03-04 09:15"]),
    "cron's weekdays": (_cron("0 6 * * 1,3"), ["03-04 06:00", "03-09 06:00", "03-11 06:00"]),
    "cron's days and months say nothing": (
        _cron("0 6 17 5 *"), ["03-03 06:00", "03-04 06:00", "03-05 06:00"],
    ),
    "a zone": (
        _cron("0 9 * * *", timeZone="W. Europe Standard Time"),
        ["03-03 08:00", "03-04 08:00", "03-05 08:00"],
    ),
    "a zone over the change of its clocks": (
        _cron("0 9 * * 6,0", timeZone="W. Europe Standard Time",
              startTime="2026-03-28T00:00:00"),
        ["03-28 08:00", "03-29 07:00", "04-04 07:00"],
    ),
    "an end": (_cron("15 9 * * *", endTime="2026-03-03T10:00:00"), ["03-02 09:15", "03-03 09:15"]),
    "a start in its zone": (
        _cron("0 * * * *", timeZone="Tokyo Standard Time", startTime="2026-03-04 18:30:00"),
        ["03-04 10:00", "03-04 11:00", "03-04 12:00"],
    ),
    "minutes": (_every("Minute", 20), ["03-02 08:50", "03-02 09:10", "03-02 09:30"]),
    "hours from a start": (
        _every("Hour", 5, startTime="2026-03-02T06:00:00"),
        ["03-02 11:00", "03-02 16:00", "03-02 21:00"],
    ),
    "days at the time of the start": (
        _every("Day", 2), ["03-04 08:30", "03-06 08:30", "03-08 08:30"],
    ),
    "days at hours": (
        _every("Day", schedule={"hours": [7, 19], "minutes": [0]}),
        ["03-02 19:00", "03-03 07:00", "03-03 19:00"],
    ),
    "every other week": (
        _every("Week", 2, schedule={"hours": [9], "minutes": [0], "weekDays": ["Tuesday"]}),
        ["03-03 09:00", "03-17 09:00", "03-31 09:00"],
    ),
    "days of a month": (
        _every("Month", schedule={"hours": [1], "minutes": [30], "monthDays": [1, 31]}),
        ["03-31 01:30", "04-01 01:30", "05-01 01:30"],
    ),
    "the last day": (
        _every("Month", schedule={"hours": [1], "minutes": [0], "monthDays": [-1]}),
        ["03-31 01:00", "04-30 01:00", "05-31 01:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DUE)
def test_due(name):
    body, moments = DUE[name]
    assert _moments(body) == moments


def test_a_start_counts_itself():
    body = _every("Hour", startTime="2026-03-02T09:00:00")
    assert _moments(body, count=1) == ["03-02 09:00"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (_cron("0 9 * *"), "5 fields"),
        (_cron("0 99 * * *"), "0 99"),
        (_cron("0 9 * * *", timeZone="Nowhere"), "no time zone 'Nowhere'"),
        (_cron("0 9 * * *", startTime="soon"), "startTime 'soon'"),
        (_cron("0 9 * * *", startTime="2026-02-01", endTime="2026-01-01"), "before the start"),
        (_every("Year"), "frequency 'Year'"),
        (_every("Day", 0), "interval"),
        (_every("Day", schedule={"hours": [24]}), "schedule.hours"),
        (_every("Week", schedule={"weekDays": ["Someday"]}), "day of the week 'Someday'"),
        ({"triggerType": "Moon"}, "type 'Moon'"),
    ],
)
def test_wrong_triggers(body, says):
    with pytest.raises(TriggerError, match=says):
        trigger(body)


# --- what they make -----------------------------------------------------------------------------


def _schedule(azure, name, job, **more):
    body = {
        "trigger": _cron("0 * * * *"),
        "action": {"actionType": "CreateJob", "jobDefinition": job},
        **more,
    }
    return azure.put(f"schedules/{name}", body)["properties"]


def _jobs(azure, name):
    return [one["name"] for one in azure("GET", "jobs", scheduled="true", scheduleId=name)["value"]]


def test_jobs_of_a_schedule(azure):
    part = azure.component("echo ${{inputs.when}}", {"when": {"type": "string"}})
    job = {
        "jobType": "Pipeline", "experimentName": "nightly", "displayName": "template",
        "tags": {"a": "b"}, "inputs": {"when": literal("${{creation_context.trigger_time}}")},
        "jobs": {"say": step(part, {"when": "${{parent.inputs.when}}"})},
    }  # fmt: skip
    assert _schedule(azure, "nightly", job)["isEnabled"]
    azure.emulator.advance(2 * 3600)
    first, second = sorted(_jobs(azure, "nightly"))
    properties = azure("GET", f"jobs/{first}")["properties"]
    assert properties["displayName"] == first
    assert (properties["experimentName"], properties["tags"]) == ("nightly", {"a": "b"})
    assert azure.wait(second)["status"] == azure.wait(first)["status"] == "Completed"
    child = azure.children(first)["say"]
    due = datetime.strptime(first, "nightly-%Y%m%dT%H0000Z").replace(tzinfo=UTC)
    assert azure.log(child["runId"]) == f"{due.isoformat()}\n"

    azure.put("schedules/nightly", {
        "trigger": _cron("0 * * * *"), "isEnabled": False,
        "action": {"actionType": "CreateJob", "jobDefinition": job},
    })  # fmt: skip
    azure.emulator.advance(3600)
    assert len(_jobs(azure, "nightly")) == 2
    assert [one["name"] for one in azure("GET", "schedules")["value"]] == []
    listed = azure("GET", "schedules", listViewType="All")["value"]
    assert [one["name"] for one in listed] == ["nightly"]
    azure("DELETE", "schedules/nightly")


def test_a_schedule_of_a_job_that_there_is(azure):
    azure.pipeline({"say": step(azure.component("echo again"))}, "model", tags={"k": "v"})
    job = {"jobType": "Pipeline", "sourceJobId": azure("GET", "jobs/model")["id"]}
    _schedule(azure, "copy", job)
    made = azure("POST", "schedules/copy/trigger", {"scheduleTime": "2026-01-01T00:00:00Z"})
    assert made == {"submissionId": "copy-20260101T000000Z", "scheduleActionType": "CreateJob"}
    assert azure.wait(made["submissionId"])["status"] == "Completed"
    assert azure.run(made["submissionId"])["tags"] == {"k": "v"}
    with pytest.raises(RefusedError, match="409"):
        azure("DELETE", "schedules/copy")


def test_refusals(azure):
    command = {"jobType": "Command", "command": "true", "environmentId": azure.environment}
    for more, says in (
        ({"trigger": _cron("0 9 1")}, "5 fields"),
        ({"action": {"actionType": "InvokeBatchEndpoint", "endpointInvocationDefinition": {}}},
         "InvokeBatchEndpoint"),
        ({"action": {"actionType": "CreateJob"}}, "jobDefinition"),
        ({"action": {"actionType": "CreateJob",
                     "jobDefinition": {"jobType": "Pipeline", "sourceJobId": "none"}}}, "'none'"),
    ):  # fmt: skip
        with pytest.raises(RefusedError) as refused:
            _schedule(azure, "wrong", command, **more)
        assert says in refused.value.message
    listed = azure("GET", "schedules", listViewType="All")["value"]
    assert "wrong" not in [one["name"] for one in listed]
