"""Schedules: cron in AWS's words, and reconciling with EventBridge Scheduler as moto keeps it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from waterflow_sagemaker.compiler import compile_sagemaker
from waterflow_sagemaker.connections import Connections
from waterflow_sagemaker.cron import aws_cron
from waterflow_sagemaker.profile import SageMakerSettings
from waterflow_sagemaker.provider import SageMakerProvider
from waterflow_sagemaker.schedules import EventBridgeSchedules

from tests.unit.test_cron import five_fields
from waterflow import project, spec
from waterflow.cloud.records import BuildRecord
from waterflow.errors import (
    ConfigurationError,
    ConflictError,
    DefinitionError,
    NotFoundError,
)
from waterflow.language import cron
from waterflow.packing import lockfile
from waterflow.project.profile import Profile
from waterflow.provider import Build, TrackingTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow_sagemaker.document import SageMakerDocument

ROLE = "arn:aws:iam::123456789012:role/waterflow"
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
NUMBERS = itertools.count(1)


# --- cron -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "aws"),
    [
        ("0 3 * * 1", "0 3 ? * MON *"),
        ("* * * * *", "* * * * ? *"),
        ("*/15 * * * *", "0/15 * * * ? *"),
        ("0 9-17 * * mon-fri", "0 9-17 ? * MON-FRI *"),
        ("5/20 */6 * */3 7", "5/20 0/6 ? 1/3 SUN *"),
        ("0 0 1-15/5 jan,Mar *", "0 0 1,6,11 1,3 ? *"),
        ("30 0 1 * *", "30 0 1 * ? *"),
        ("0 0 * * 5-7", "0 0 ? * SUN,FRI-SAT *"),
        ("0 0 * * 0,6", "0 0 ? * SUN,SAT *"),
        ("0 0 * * */2", "0 0 ? * SUN,TUE,THU,SAT *"),
        ("0 0 * * 0-6", "0 0 * * ? *"),
        # Debian's cron: neither day field begins with *, so that one of them suffices.
        ("0 0 1-31 * 1", "0 0 * * ? *"),
        ("0 0 */1 * 1", "0 0 ? * MON *"),
        ("0 0 29 2 *", "0 0 29 2 ? *"),
        ("0 0 1,2,3,9 * *", "0 0 1-3,9 * ? *"),
    ],
)
def test_cron_in_the_words_of_aws(schedule: str, aws: str) -> None:
    assert aws_cron(schedule) == f"cron({aws})"


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("0 0 1 * 1", "both a day of month and a day of week"),
        ("0 0 */2 * mon", "both a day of month and a day of week"),
    ],
)
def test_what_aws_cannot_say_is_refused(schedule: str, why: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be kept by EventBridge Scheduler") as raised:
        aws_cron(schedule)
    assert why in str(raised.value)
    assert schedule in str(raised.value)


def named(text: str, low: int, high: int) -> set[int]:
    """Return the values of a field as AWS writes them: a start with a step goes on to the end."""
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        end = high if first == "*" or step else int(last or first)
        values |= set(range(start, end + 1, int(step or 1)))
    return values


@given(five_fields())
@example("59 23 31 1-11/2,12 *")
@example("0-1,3-4,6-7,9-10,12-58/2 0-1,3-4,6-22/2 1-2,4-5,7-31/2 1-2,4-5,7-8,10-11 *")
def test_the_translation_means_the_same(schedule: str) -> None:
    try:
        meaning = cron.read(schedule)
    except DefinitionError as error:
        assert "never comes" in str(error)  # noqa: PT017 - all else that is drawn can be read
        return
    every = frozenset(range(1, 32)), frozenset(range(7))
    days, weekdays = meaning.days, meaning.weekdays
    if not meaning.both and (days == every[0] or weekdays == every[1]):
        days, weekdays = every
    if days != every[0] and weekdays != every[1]:
        with pytest.raises(DefinitionError, match="both a day of month and a day of week"):
            aws_cron(schedule)
        return
    expression = aws_cron(schedule)
    assert len(expression) <= 256
    minute, hour, day, month, weekday, year = expression[len("cron(") : -1].split()
    assert (day == "?") != (weekday == "?")
    assert year == "*"
    assert "*/" not in expression
    assert "/" not in weekday  # AWS has no steps there
    for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")):
        weekday = weekday.replace(name, str(number))
    assert named(minute, 0, 59) == meaning.minutes
    assert named(hour, 0, 23) == meaning.hours
    assert named(month, 1, 12) == meaning.months
    assert days == every[0] if day == "?" else named(day, 1, 31) == days
    assert weekdays == every[1] if weekday == "?" else named(weekday, 0, 6) == weekdays


# --- the service ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Moto's server, in a process of its own that ends with its input."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()
            server.wait(timeout=300)


class World:
    """One prefix of a profile, with pipelines deployed as the client deploys them."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        number = next(NUMBERS)
        raw: dict[str, Any] = {
            "region": "eu-west-1", "role": ROLE, "bucket": f"bucket-{number}",
            "prefix": f"team/p{number}", "scheduler_role": ROLE, "tags": {"team": "fraud"},
            **settings,
        }  # fmt: skip
        self.settings = SageMakerSettings(**raw)
        self.profile = Profile("aws", "sagemaker", raw, None, None, "waterflow.toml")
        self.connections = Connections(self.settings)
        self.connections.s3.create_bucket(
            Bucket=self.settings.bucket,
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        self.schedules = EventBridgeSchedules(
            self.connections, self.deploy, SageMakerProvider(root, self.profile).profile_runs
        )
        self.deployed: list[str] = []

    def compiled(
        self, name: str = "fraud", schedule: str | None = "0 3 * * 1", **parameters: spec.Parameter
    ) -> tuple[Build, SageMakerDocument]:
        pipeline = spec.Pipeline(name=name, schedule=schedule, parameters=parameters)
        build = Build(
            spec=pipeline,
            digest=spec.digest(pipeline),
            root=self.root,
            bundles={},
            versions={},
            data={},
            lock=lockfile.read(self.root),
            git=project.git_state(self.root),
            python="3.11",
            tracking=TrackingTarget(uri="https://mlflow.example", experiment=name),
        )
        return build, compile_sagemaker(build, self.settings, self.profile)

    def deploy(self, build: Build, document: SageMakerDocument) -> str:
        native, text = document.pipeline, json.dumps(document.definition)
        self.connections.s3.put_object(
            Bucket=self.settings.bucket,
            Key=f"{document.prefix}/{document.build}",
            Body=json.dumps(BuildRecord.of(build, document.tags).to_json()).encode(),
        )
        sagemaker = self.connections.sagemaker
        if native in self.deployed:
            arn = sagemaker.update_pipeline(PipelineName=native, PipelineDefinition=text)
        else:
            arn = sagemaker.create_pipeline(
                PipelineName=native,
                PipelineDefinition=text,
                RoleArn=ROLE,
                ClientRequestToken="t" * 32,
            )
        self.deployed.append(native)
        return str(arn["PipelineArn"])

    def apply(self, parameters: dict[str, Any] | None = None, **compiled: Any) -> str:
        return self.schedules.apply(*self.compiled(**compiled), parameters or {})

    def native(self, name: str) -> dict[str, Any]:
        return dict(
            self.connections.scheduler.get_schedule(Name=name, GroupName=self.schedules.group)
        )


@pytest.fixture
def world(tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    cloud = World(tmp_path)
    yield cloud
    for client in (cloud.connections.s3, cloud.connections.sagemaker, cloud.connections.scheduler):
        client.close()


def test_a_schedule_is_made_kept_changed_and_deleted(world: World) -> None:
    assert world.schedules.list() == []
    assert world.apply() == "created"
    (schedule,) = world.schedules.list()
    name = world.deployed[0]
    assert (schedule.name, schedule.pipeline) == (name, name)
    assert (schedule.state, schedule.orphan) == ("enabled", False)
    assert schedule.expression == "cron(0 3 ? * MON *) UTC"
    native = world.native(name)
    assert native["Target"]["RoleArn"] == ROLE
    assert native["Target"]["Arn"].endswith(f":pipeline/{name}")
    assert native["FlexibleTimeWindow"] == {"Mode": "OFF"}
    before = native["LastModificationDate"]

    assert world.apply() == "unchanged"
    assert world.native(name)["LastModificationDate"] == before
    assert world.apply(schedule="30 4 * * *") == "updated"
    (schedule,) = world.schedules.list()
    assert schedule.expression == "cron(30 4 * * ? *) UTC"

    assert world.apply(schedule=None) == "deleted"
    assert world.apply(schedule=None) == "none"
    assert world.schedules.list() == []


def test_a_paused_schedule_stays_paused(world: World) -> None:
    world.apply()
    (name,) = world.deployed
    world.schedules.pause(name)
    world.schedules.pause(name)
    assert world.schedules.list()[0].state == "paused"
    assert world.apply() == "unchanged"
    assert world.apply(schedule="1 1 * * *") == "updated"
    (paused,) = world.schedules.list()
    assert (paused.state, paused.expression) == ("paused", "cron(1 1 * * ? *) UTC")
    world.schedules.resume(name)
    (resumed,) = world.schedules.list()
    assert (resumed.state, resumed.expression) == ("enabled", "cron(1 1 * * ? *) UTC")


def test_what_others_set_survives_an_update(world: World) -> None:
    world.apply()
    (name,) = world.deployed
    native = world.native(name)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    retry = {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 600}
    letters = {"Arn": "arn:aws:sqs:eu-west-1:123456789012:dead"}
    world.connections.scheduler.update_schedule(
        Name=name,
        GroupName=world.schedules.group,
        EndDate=end,
        ScheduleExpression=native["ScheduleExpression"],
        FlexibleTimeWindow=native["FlexibleTimeWindow"],
        Description=native["Description"],
        Target={**native["Target"], "RetryPolicy": retry, "DeadLetterConfig": letters},
    )
    assert world.apply() == "unchanged"
    assert world.apply(schedule="2 2 * * *") == "updated"
    world.schedules.pause(name)
    after = world.native(name)
    assert after["Target"]["RetryPolicy"] == retry
    assert after["Target"]["DeadLetterConfig"] == letters
    assert after["EndDate"] == end


def test_parameters_of_scheduled_runs(world: World) -> None:
    trees = spec.Parameter(type="integer", default=200)
    source = spec.Parameter(type="string", required=True)
    with pytest.raises(DefinitionError, match=r"nobody to give source\..* -p source=VALUE"):
        world.apply(trees=trees, source=source)
    assert world.deployed == []
    assert world.apply({"source": "a"}, trees=trees, source=source) == "created"
    target = world.native(world.deployed[0])["Target"]
    parameters = target["SageMakerPipelineParameters"]["PipelineParameterList"]
    assert parameters == [{"Name": "source", "Value": '"a"'}]
    values = {"source": "a", "trees": 300}
    assert world.apply(values, trees=trees, source=source) == "updated"
    assert world.apply(values, trees=trees, source=source) == "unchanged"
    assert world.apply({"source": "a"}, trees=trees, source=source) == "updated"


def test_orphans_are_told(world: World) -> None:
    for name in ("gone", "quiet", "kept"):
        world.apply(name=name)
    gone, quiet, kept = world.deployed
    world.connections.sagemaker.delete_pipeline(PipelineName=gone, ClientRequestToken="t" * 32)
    world.deploy(*world.compiled(name="quiet", schedule=None))
    orphans = {one.name: one.orphan for one in world.schedules.list()}
    assert orphans == {gone: True, quiet: True, kept: False}
    world.schedules.delete(gone)
    assert [one.name for one in world.schedules.list()] == sorted([quiet, kept])


def test_what_is_not_there_is_not_found(world: World) -> None:
    for there in (False, True):
        if there:
            world.apply()
        for act in (world.schedules.delete, world.schedules.pause, world.schedules.resume):
            with pytest.raises(NotFoundError, match="waterflow schedule list"):
                act("nothing")


def test_a_profile_without_a_role_for_the_scheduler(world: World, tmp_path: Path) -> None:
    without = World(tmp_path, scheduler_role=None)
    with pytest.raises(ConfigurationError, match="scheduler_role = "):
        without.apply()
    assert without.deployed == []


def test_a_group_of_somebody_else_is_left_alone(world: World, tmp_path: Path) -> None:
    world.connections.scheduler.create_schedule_group(Name="waterflow-theirs")
    theirs = World(tmp_path, prefix="theirs")
    with pytest.raises(ConflictError, match="has no tag 'waterflow'"):
        theirs.apply()
    assert theirs.deployed == []
    world.apply()
    arn = world.connections.scheduler.get_schedule_group(Name=world.schedules.group)["Arn"]
    tags = world.connections.scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "team": "fraud",
        "waterflow": world.settings.prefix,
    }
    assert world.schedules.group == f"waterflow-{world.settings.prefix.replace('/', '-')}"


def test_long_names_stay_apart(world: World) -> None:
    world.apply(name="a" * 80 + "1")
    world.apply(name="a" * 80 + "2")
    names = [one.name for one in world.schedules.list()]
    assert len(set(names)) == 2
    assert all(len(name) == 64 for name in names)
