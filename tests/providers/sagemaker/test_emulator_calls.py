"""The record of calls: what IAM is asked by each kind of request, and by whom."""

import contextlib
import json

import boto3
import pytest
from waterflow_sagemaker.emulator import operations, rights

from tests.providers.sagemaker.calls import UPDATE, held

KEY = "arn:aws:kms:us-east-1:123456789012:key/one"
GROUP = "scheduler:us-east-1:123456789012:schedule-group/calls"
TRUST = "arn:aws:iam::123456789012:role/trusted"
PIPELINE = json.dumps({
    "Version": "2020-12-01",
    "Steps": [{"Name": "no", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}],
})  # fmt: skip


class Recorded:
    """Clients whose key is the emulator's own, and what it has recorded of them."""

    def __init__(self, emulator, bucket, file):
        self.emulator, self.bucket, self.file = emulator, bucket, file
        self.clients = {}

    def __call__(self, service, key="emulator"):
        if (service, key) not in self.clients:
            self.clients[service, key] = boto3.session.Session(
                aws_access_key_id=key, aws_secret_access_key=key, region_name="us-east-1"
            ).client(service, endpoint_url=self.emulator.endpoint)
        return self.clients[service, key]

    def lines(self, act):
        """Return what an act gives rise to."""
        begin = self.file.stat().st_size if self.file.exists() else 0
        act(self)
        with self.file.open("rb") as stream:
            stream.seek(begin)
            return [json.loads(line) for line in stream]

    def asked(self, act):
        """Return the principals, actions and ends of resources, of the emulator's user alone."""
        return [
            f"{one['action']} {one['resource'].removeprefix('arn:aws:').replace(self.bucket, 'B')}"
            for one in self.lines(act)
            if one["principal"] == "submitter"
        ]

    def s3(self, operation, **request):
        return getattr(self("s3"), operation)(Bucket=self.bucket, **request)


@pytest.fixture(scope="module")
def recorded(emulator, calls):
    bucket = "recorded-calls"
    one = Recorded(emulator, bucket, calls)
    owner = one("s3", "owner")
    owner.create_bucket(Bucket=bucket)
    owner.put_object(Bucket=bucket, Key="a/plain", Body=b"x")
    owner.put_object(Bucket=bucket, Key="a/tagged", Body=b"x", Tagging="k=v")
    owner.put_object(
        Bucket=bucket, Key="a/kept", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=KEY
    )
    one("sagemaker", "owner").create_pipeline(
        PipelineName="Calls-There", PipelineDefinition=PIPELINE, RoleArn=TRUST
    )
    return one


def absent(one, key):
    with pytest.raises(one("s3").exceptions.ClientError):
        one.s3("head_object", Key=key)


def multipart(one):
    upload = one.s3("create_multipart_upload", Key="a/large")["UploadId"]
    one.s3("upload_part", Key="a/large", UploadId=upload, PartNumber=1, Body=b"x")
    one.s3("list_parts", Key="a/large", UploadId=upload)
    one.s3("abort_multipart_upload", Key="a/large", UploadId=upload)


def source(one, key, **more):
    return {"CopySource": {"Bucket": one.bucket, "Key": key, **more}}


KEPT = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
REQUESTS = {
    "head": (lambda one: one.s3("head_object", Key="a/plain"), ["s3:GetObject s3:::B/a/plain"]),
    "head of what is not there": (
        lambda one: absent(one, "a/none"),
        ["s3:GetObject s3:::B/a/none", "s3:ListBucket s3:::B"],
    ),
    "get of a version": (
        lambda one: one.s3("get_object", Key="a/plain", VersionId="null"),
        ["s3:GetObjectVersion s3:::B/a/plain"],
    ),
    "get of what a key encrypts": (
        lambda one: one.s3("get_object", Key="a/kept"),
        ["s3:GetObject s3:::B/a/kept", "kms:Decrypt kms:us-east-1:123456789012:key/one"],
    ),
    "put": (
        lambda one: one.s3("put_object", Key="a/b", Body=b"x", Tagging="k=v", ACL="private"),
        ["s3:PutObject s3:::B/a/b", "s3:PutObjectTagging s3:::B/a/b", "s3:PutObjectAcl s3:::B/a/b"],
    ),
    "put with a key": (
        lambda one: one.s3("put_object", Key="a/b", Body=b"x", **KEPT),
        ["s3:PutObject s3:::B/a/b", "kms:GenerateDataKey kms:us-east-1:123456789012:key/one"],
    ),
    "multipart": (
        multipart,
        [
            "s3:PutObject s3:::B/a/large", "s3:PutObject s3:::B/a/large",
            "s3:ListMultipartUploadParts s3:::B/a/large",
            "s3:AbortMultipartUpload s3:::B/a/large",
        ],
    ),
    "copy": (
        lambda one: one.s3("copy_object", Key="a/c", **source(one, "a/plain")),
        ["s3:PutObject s3:::B/a/c", "s3:GetObject s3:::B/a/plain"],
    ),
    "copy with tags": (
        lambda one: one.s3("copy_object", Key="a/c", **source(one, "a/tagged")),
        [
            "s3:PutObject s3:::B/a/c", "s3:GetObject s3:::B/a/tagged",
            "s3:GetObjectTagging s3:::B/a/tagged",
        ],
    ),
    "copy without its tags": (
        lambda one: one.s3(
            "copy_object", Key="a/c", TaggingDirective="REPLACE", **source(one, "a/tagged")
        ),
        ["s3:PutObject s3:::B/a/c", "s3:GetObject s3:::B/a/tagged"],
    ),
    "list": (
        lambda one: one.s3("list_objects_v2", Prefix="a/"), ["s3:ListBucket s3:::B"],
    ),
    "versions": (
        lambda one: one.s3("list_object_versions"), ["s3:ListBucketVersions s3:::B"],
    ),
    "bucket": (lambda one: one.s3("head_bucket"), ["s3:ListBucket s3:::B"]),
    "encryption": (
        lambda one: one.s3(
            "put_bucket_encryption",
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        ),
        ["s3:PutEncryptionConfiguration s3:::B"],
    ),
    "delete of several": (
        lambda one: one.s3(
            "delete_objects", Delete={"Objects": [{"Key": "a/c"}, {"Key": "a/<&>"}]}
        ),
        ["s3:DeleteObject s3:::B/a/c", "s3:DeleteObject s3:::B/a/<&>"],
    ),
    "pipeline": (
        lambda one: one("sagemaker").update_pipeline(PipelineName="Calls-There", RoleArn=TRUST),
        [
            "sagemaker:UpdatePipeline sagemaker:us-east-1:123456789012:pipeline/calls-there",
            "iam:PassRole iam::123456789012:role/trusted",
        ],
    ),
    "pipelines": (lambda one: one("sagemaker").list_pipelines(), ["sagemaker:ListPipelines *"]),
    "schedule group": (
        lambda one: one("scheduler").create_schedule_group(
            Name="calls", Tags=[{"Key": "k", "Value": "v"}]
        ),
        [
            f"scheduler:CreateScheduleGroup {GROUP}",
            f"scheduler:TagResource {GROUP}",
        ],
    ),
    "schedule": (
        lambda one: one("scheduler").create_schedule(
            Name="nightly",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            State="DISABLED",
            Target={"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": TRUST},
        ),
        [
            "scheduler:CreateSchedule scheduler:us-east-1:123456789012:schedule/default/nightly",
            "iam:PassRole iam::123456789012:role/trusted",
        ],
    ),
    "who one is": (lambda one: one("sts").get_caller_identity(), []),
}  # fmt: skip
"""What is done -> what IAM is asked, in this order."""


@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_request_asks(recorded, name):
    act, expected = REQUESTS[name]
    assert recorded.asked(act) == expected


def test_every_service_has_its_rights():
    assert rights.SERVICES.keys() | {"s3"} == operations.ANSWERED.keys()


def test_conditions_are_recorded_with_the_call(recorded):
    (listing,) = recorded.lines(lambda one: one.s3("list_objects_v2", Prefix="a/"))
    assert listing["context"] == {"s3:prefix": "a/", "aws:RequestedRegion": "us-east-1"}
    (bucket,) = recorded.lines(lambda one: one.s3("head_bucket"))
    assert "s3:prefix" not in bucket["context"]
    lines = recorded.lines(REQUESTS["pipeline"][0])
    assert lines[1]["context"]["iam:PassedToService"] == "sagemaker.amazonaws.com"


def test_whoever_has_a_key_of_their_own_is_not_recorded(recorded):
    assert recorded.lines(lambda one: one("s3", "owner").list_buckets()) == []


def test_what_is_refused_before_iam_is_asked_is_not_recorded(recorded):
    def wrong(one):
        with pytest.raises(one("sagemaker").exceptions.ClientError):
            one("sagemaker").list_notebook_instances()

    assert recorded.lines(wrong) == []


@pytest.mark.parametrize(
    ("action", "resource", "known"),
    [
        ("sagemaker:StartPipelineExecution", "sagemaker:us-east-1:123456789012:pipeline/{}", True),
        ("sagemaker:DeletePipeline", "sagemaker:us-east-1:123456789012:pipeline/{}", False),
        ("s3:GetObject", "s3:::runs-1-2/runs-1-2/runs/x", True),
        ("s3:PutObject", "s3:::runs-1-2/beside/x", False),
    ],
)
def test_a_suite_that_calls_more_than_is_known_fails(
    tmp_path, monkeypatch, action, resource, known
):
    monkeypatch.delenv(UPDATE, raising=False)
    raw = tmp_path / "calls.jsonl"
    call = {
        "principal": "submitter",
        "action": action,
        "resource": "arn:aws:" + resource.format("runs-1-2-nightly"),
        "context": {"aws:RequestedRegion": "us-east-1"},
    }
    refused = contextlib.nullcontext() if known else pytest.raises(AssertionError, match=action)
    with refused, held(raw):
        raw.write_text(json.dumps(call) + "\n")
