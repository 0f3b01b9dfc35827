"""Schedules fire by the emulator's clock: start, end, counts, pauses, and runs that wait."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1
from waterflow_vertex.emulator import Emulator

from tests.providers.vertex.emulated import BUCKET, HOST, PARENT, container, entered, pipeline

HOUR = 3600


@pytest.fixture(scope="module")
def emulator():
    """One of the module's own: its clock is moved."""
    with Emulator(grace=1) as running, entered(running):
        yield running


def client(kind):
    # gRPC reads once in a process whom it trusts: that is the suite's own emulator.
    return kind(transport="rest", client_options={"api_endpoint": HOST})


@pytest.fixture(scope="module")
def schedules(emulator):
    return client(aiplatform_v1.ScheduleServiceClient)


@pytest.fixture(scope="module")
def jobs(emulator):
    pipelines = client(aiplatform_v1.PipelineServiceClient)

    def of(schedule):
        wish = f'schedule_name="{schedule.name}"'
        request = {"parent": PARENT, "filter": wish, "order_by": "create_time"}
        return list(pipelines.list_pipeline_jobs(request))

    of.client = pipelines
    return of


def wish(script="true", **more):
    spec = pipeline({"step": container(script)})
    job = {"pipeline_spec": spec, "runtime_config": {"gcs_output_directory": f"gs://{BUCKET}/s"}}
    return {
        "display_name": "suite", "cron": "TZ=UTC 0 * * * *", "max_concurrent_run_count": 10,
        "create_pipeline_job_request": {"parent": PARENT, "pipeline_job": job}, **more,
    }  # fmt: skip


def now(schedules):
    made = schedules.create_schedule(parent=PARENT, schedule=wish())
    schedules.delete_schedule(name=made.name).result()
    return made.create_time


def test_a_schedule_fires_until_its_runs_are_spent(emulator, schedules, jobs):
    one = schedules.create_schedule(parent=PARENT, schedule=wish(max_run_count=3))
    assert one.state.name == "ACTIVE"
    assert one.next_run_time.minute == 0
    emulator.advance(2 * HOUR)
    assert len(jobs(one)) == 2
    first = jobs(one)[0]
    assert first.schedule_name == one.name
    held = schedules.get_schedule(name=one.name)
    assert held.started_run_count == 2
    assert held.last_scheduled_run_response.run_response == "OK"
    emulator.advance(3 * HOUR)
    held = schedules.get_schedule(name=one.name)
    assert (len(jobs(one)), held.state.name) == (3, "COMPLETED")
    assert not held.next_run_time
    with pytest.raises(exceptions.BadRequest):
        schedules.pause_schedule(name=one.name)


def test_a_pause_leaves_runs_out_unless_they_are_caught_up(emulator, schedules, jobs):
    one = schedules.create_schedule(parent=PARENT, schedule=wish())
    schedules.pause_schedule(name=one.name)
    emulator.advance(2 * HOUR)
    assert jobs(one) == []
    schedules.resume_schedule(name=one.name)
    emulator.advance(HOUR)
    assert len(jobs(one)) == 1
    schedules.pause_schedule(name=one.name)
    emulator.advance(2 * HOUR)
    schedules.resume_schedule(name=one.name, catch_up=True)
    assert len(jobs(one)) == 3
    schedules.delete_schedule(name=one.name).result()
    emulator.advance(HOUR)
    assert len(jobs(one)) == 3


def test_it_begins_and_ends_when_it_says(emulator, schedules, jobs):
    moment = now(schedules)
    one = schedules.create_schedule(
        parent=PARENT,
        schedule=wish(start_time=moment + timedelta(hours=2), end_time=moment + timedelta(hours=4)),
    )
    emulator.advance(HOUR)
    assert jobs(one) == []
    emulator.advance(6 * HOUR)
    assert len(jobs(one)) == 2
    assert schedules.get_schedule(name=one.name).state.name == "COMPLETED"


def test_a_zone_s_own_time_counts(schedules):
    one = schedules.create_schedule(parent=PARENT, schedule=wish(cron="TZ=Asia/Kolkata 30 3 * * 1"))
    due = one.next_run_time.astimezone(UTC)
    assert (due.weekday(), due.hour, due.minute) == (6, 22, 0)
    held = schedules.update_schedule(
        schedule={"name": one.name, "cron": "CRON_TZ=UTC 5 4 * * *"},
        update_mask={"paths": ["cron"]},
    )
    assert (held.next_run_time.hour, held.next_run_time.minute) == (4, 5)
    schedules.delete_schedule(name=one.name).result()


def test_runs_beyond_the_limit_are_left_out_or_wait(emulator, schedules, jobs):
    held = {
        queue: schedules.create_schedule(
            parent=PARENT,
            schedule=wish("sleep 30", max_concurrent_run_count=1, allow_queueing=queue),
        )
        for queue in (False, True)
    }
    emulator.advance(2 * HOUR)
    for queue, one in held.items():
        assert len(jobs(one)) == 1, queue
    shown = schedules.get_schedule(name=held[False].name).last_scheduled_run_response
    assert "max_concurrent_run_count" in shown.run_response
    for one in held.values():
        jobs.client.cancel_pipeline_job(name=jobs(one)[0].name)
    deadline = time.monotonic() + 30
    while len(jobs(held[True])) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(jobs(held[False])) == 1
    for one in held.values():
        schedules.delete_schedule(name=one.name).result()
        for job in jobs(one):
            jobs.client.cancel_pipeline_job(name=job.name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cron": "0 0 3 * * *"}, "five fields"),
        ({"cron": "TZ=No/Where 0 * * * *"}, "time zone"),
        ({"cron": "61 * * * *"}, "cron expression"),
        ({"max_concurrent_run_count": 0}, "max_concurrent_run_count"),
        ({"display_name": ""}, "display_name"),
        ({"create_pipeline_job_request": None}, "create_pipeline_job_request"),
        ({"start_time": datetime(2030, 1, 1, tzinfo=UTC),
          "end_time": datetime(2029, 1, 1, tzinfo=UTC)}, "end_time"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule_is_said(schedules, change, words):
    with pytest.raises(exceptions.BadRequest, match=words):
        schedules.create_schedule(parent=PARENT, schedule={**wish(), **change})
