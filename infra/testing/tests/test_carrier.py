"""AWS resources carried out in the SageMaker emulator's AWS: what a stack made is there."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standin import Result, Secret, Stack
from standin.carriers.aws import AwsCarrier
from standin.carriers.aws_kinds import KINDS
from standin.values import bare

STACKS = Path(__file__).parent / "stacks"
WATERFLOW = Path(__file__).parents[3] / ".venv" / "bin" / "waterflow"
WORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCarrier]:
    """A carrier to a SageMaker emulator that ends with the tests."""
    process = subprocess.Popen(
        [WATERFLOW, "emulate", "sagemaker", "--json"],
        cwd=tmp_path_factory.mktemp("emulator"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: one for name, one in os.environ.items() if not name.startswith("AWS_")},
    )
    assert process.stdout
    with process.stdout:
        line = ""
        while '"AWS_ENDPOINT_URL"' not in line:
            line = process.stdout.readline()
            assert line, "the emulator did not start"
        yield AwsCarrier(json.loads("{" + line.strip().rstrip(",") + "}")["AWS_ENDPOINT_URL"])
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="module")
def story(carrier: AwsCarrier) -> dict[str, Any]:
    """One life of a stack whose resources are carried out, with looks at AWS between."""
    config = {"word": Secret(WORD), "aws:region": carrier.region}
    stack = Stack(STACKS / "carried", config, carriers={"aws": carrier})
    seen: dict[str, Any] = {"foreseen": stack.preview(), "before": there(carrier)}
    result = stack.up().require()
    seen |= {"result": result, "there": there(carrier), "again": stack.up()}
    carried = [one for one in result.resources if carrier.takes(one.type)]
    for one in carried:
        carrier.update(one.type, bare(one.inputs), bare(one.outputs))
    seen |= {"kinds": {one.type for one in carried}, "updated": stack.refresh()}
    logs, bucket = carrier.client("logs"), result.resource("data", "Bucket")["bucket"]
    logs.put_retention_policy(logGroupName=result.resource("logs")["name"], retentionInDays=7)
    carrier.client("s3").put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
    )
    carrier.client("ecr").delete_repository(
        repositoryName=result.resource("images", "Repository")["name"]
    )
    seen |= {"drifted": stack.refresh(), "healed": stack.up(), "healthy": there(carrier)}
    seen |= {"gone": stack.destroy(), "after": there(carrier)}
    return seen


def there(carrier: AwsCarrier) -> dict[str, Any]:
    """What AWS has, asked as a run asks."""
    s3, buckets = carrier.client("s3"), {}
    for one in s3.list_buckets()["Buckets"]:
        name = one["Name"]
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        buckets[name] = {
            "versioning": s3.get_bucket_versioning(Bucket=name).get("Status"),
            "encryption": rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
            "public": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
            "policy": json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"][0][
                "Effect"
            ],
            "lifecycle": [
                (rule["ID"], rule["Filter"]["Prefix"], rule["Expiration"]["Days"])
                for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
            ],
        }
    secrets = carrier.client("secretsmanager")
    return {
        "buckets": buckets,
        "roles": [
            one["RoleName"]
            for one in carrier.client("iam").list_roles()["Roles"]
            if one["Path"] != "/service-role/"  # that of whoever asks
        ],
        "aliases": [
            one["AliasName"]
            for one in carrier.client("kms").list_aliases()["Aliases"]
            if not one["AliasName"].startswith("alias/aws/")
        ],
        "repositories": [
            one["repositoryName"]
            for one in carrier.client("ecr").describe_repositories()["repositories"]
        ],
        "groups": {
            one["logGroupName"]: one.get("retentionInDays")
            for one in carrier.client("logs").describe_log_groups()["logGroups"]
        },
        "schedules": [
            one["Name"]
            for one in carrier.client("scheduler").list_schedule_groups()["ScheduleGroups"]
            if one["Name"] != "default"
        ],
        "words": [
            secrets.get_secret_value(SecretId=one["ARN"])["SecretString"]
            for one in secrets.list_secrets()["SecretList"]
        ],
        "models": [
            one["ModelPackageGroupName"]
            for one in carrier.client("sagemaker").list_model_package_groups()[
                "ModelPackageGroupSummaryList"
            ]
        ],
    }


EMPTY: dict[str, Any] = {
    "buckets": {},
    "roles": [],
    "aliases": [],
    "repositories": [],
    "groups": {},
    "schedules": [],
    "words": [],
    "models": [],
}


def test_a_preview_makes_nothing(story: dict[str, Any]) -> None:
    assert story["foreseen"].require().counts == {"create": story["result"].counts["create"]}
    assert story["before"] == EMPTY


def test_what_the_stack_made_is_there(story: dict[str, Any]) -> None:
    result: Result = story["result"]
    there = story["there"]
    (bucket,) = there["buckets"].values()
    assert list(there["buckets"]) == [result.resource("data", "Bucket")["bucket"]]
    assert bucket["versioning"] == "Enabled"
    assert bucket["encryption"] == "aws:kms"
    assert set(bucket["public"].values()) == {True}
    assert bucket["policy"] == "Deny"
    assert bucket["lifecycle"] == [("runs", "runs/", 30)]
    assert there["roles"] == [result.resource("jobs", "Role")["name"]]
    assert there["aliases"] == [result.resource("alias")["name"]]
    assert there["repositories"] == [result.resource("images", "Repository")["name"]]
    assert there["groups"] == {result.resource("logs")["name"]: 30}
    assert there["schedules"] == [result.resource("schedules")["name"]]
    assert there["models"] == ["models"]
    assert there["words"] == [WORD]


def test_outputs_are_those_that_aws_answered(story: dict[str, Any], carrier: AwsCarrier) -> None:
    result: Result = story["result"]
    key = result.resource("key")
    assert key["arn"].endswith(f":key/{key.id}")
    assert result.resource("jobs", "Role")["arn"].startswith("arn:aws:iam::123456789012:role/")
    assert result.outputs["key"] == key["arn"]


def test_a_second_up_changes_nothing(story: dict[str, Any]) -> None:
    assert set(story["again"].require().counts) == {"same"}


def test_every_kind_can_be_updated(story: dict[str, Any]) -> None:
    assert story["kinds"] == set(KINDS), "the stack has all that a carrier takes"
    assert set(story["updated"].require().counts) == {"same"}


def test_what_was_changed_in_aws_is_seen_and_healed(story: dict[str, Any]) -> None:
    drifted, healed = story["drifted"], story["healed"].require()
    assert drifted.changed == {
        "logs": "update",
        "data": "update",
        "images": "delete",
        "expiry": "delete",
    }
    assert healed.changed == {
        "logs": "update",
        "data": "update",
        "images": "create",
        "expiry": "create",
    }
    assert story["healthy"] == story["there"]


def test_destroy_leaves_nothing(story: dict[str, Any]) -> None:
    assert story["gone"].ok
    assert story["after"] == EMPTY
