"""Policies are judged with their conditions, and a bucket's is obeyed."""

import json

import pytest
from botocore.exceptions import ClientError
from waterflow_sagemaker.emulator.policies import matches, verdict

KEY = "arn:aws:kms:us-east-1:123456789012:key/ours"
HEADER = "s3:x-amz-server-side-encryption-aws-kms-key-id"


def policy(effect="Allow", **members):
    statement = {"Effect": effect, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/*"}
    return {"Version": "2012-10-17", "Statement": [statement | members]}


def conditioned(operator, key, value):
    return policy(Condition={operator: {key: value}})


CASES = {
    # policy, context, verdict; of s3:GetObject on b/p/x
    "plain": (policy(), {}, "allowed"),
    "action in another case": (policy(Action="S3:getobject"), {}, "allowed"),
    "action by star": (policy(Action=["s3:List*", "s3:Get*"]), {}, "allowed"),
    "another action": (policy(Action="s3:PutObject"), {}, "neither"),
    "not this action": (policy("Deny", NotAction="s3:Put*"), {}, "denied"),
    "another resource": (policy(Resource="arn:aws:s3:::b/q/*"), {}, "neither"),
    "question mark": (policy(Resource="arn:aws:s3:::b/p/?"), {}, "allowed"),
    "denial": (policy("Deny"), {}, "denied"),
    "bool": (
        conditioned("Bool", "aws:SecureTransport", "true"),
        {"aws:securetransport": "true"},
        "allowed",
    ),
    "bool of JSON": (conditioned("Bool", "k", True), {"k": "true"}, "allowed"),
    "equal": (conditioned("StringEquals", "k", ["a", "b"]), {"k": "b"}, "allowed"),
    "unequal": (conditioned("StringEquals", "k", "a"), {"k": "b"}, "neither"),
    "equal, not there": (conditioned("StringEquals", "k", "a"), {}, "neither"),
    "equal if there": (conditioned("StringEqualsIfExists", "k", "a"), {}, "allowed"),
    "not equal": (conditioned("StringNotEquals", "k", ["a", "b"]), {"k": "c"}, "allowed"),
    "one of those that it may not": (
        conditioned("StringNotEquals", "k", ["a", "b"]),
        {"k": "b"},
        "neither",
    ),
    "not equal, not there": (conditioned("StringNotEquals", "k", "a"), {}, "allowed"),
    "like": (conditioned("StringLike", "k", "a/*"), {"k": "a/b"}, "allowed"),
    "like an ARN": (
        conditioned("ArnLike", "k", "arn:*:role/x/*"),
        {"k": "arn:aws:iam::1:role/x/y"},
        "allowed",
    ),
    "less": (
        conditioned("NumericLessThan", "s3:TlsVersion", "1.2"),
        {"s3:TlsVersion": "1.3"},
        "neither",
    ),
    "there": (conditioned("Null", "k", "false"), {"k": "a"}, "allowed"),
    "not there": (conditioned("Null", "k", "false"), {}, "neither"),
    "all of several": (
        conditioned("ForAllValues:StringLike", "k", "ml.m5.*"),
        {"k": ["ml.m5.large", "ml.p5.48xlarge"]},
        "neither",
    ),
    "any of several": (
        conditioned("ForAnyValue:StringLike", "k", "ml.m5.*"),
        {"k": ["ml.m5.large", "ml.p5.48xlarge"]},
        "allowed",
    ),
    "all of none": (conditioned("ForAllValues:StringLike", "k", "ml.m5.*"), {}, "allowed"),
    "two keys": (policy(Condition={"StringEquals": {"k": "a", "l": "b"}}), {"k": "a"}, "neither"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_call_is_judged(name):
    document, context, said = CASES[name]
    assert verdict(document, "s3:GetObject", "arn:aws:s3:::b/p/x", context) == said


def test_a_denial_comes_before_what_is_allowed():
    both = policy()["Statement"] + policy("Deny")["Statement"]
    assert verdict({"Statement": both}, "s3:GetObject", "arn:aws:s3:::b/p/x", {}) == "denied"


def test_signs_of_patterns_stand_for_themselves():
    assert matches("a.b[1]+*", "a.b[1]+c")
    assert not matches("a.b", "axb")


def test_a_bucket_s_policy_is_obeyed_with_its_conditions(aws):
    bucket = f"arn:aws:s3:::{aws.bucket}"
    denial = {"Effect": "Deny", "Principal": "*"}
    statements = [
        denial | {
            "Action": "s3:*", "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        denial | {
            "Action": "s3:PutObject", "Resource": f"{bucket}/*",
            "Condition": {"StringNotEquals": {HEADER: KEY}, "Null": {HEADER: "false"}},
        },
        denial | {"Action": "s3:DeleteObject", "Resource": f"{bucket}/kept/*"},
    ]  # fmt: skip
    document = {"Version": "2012-10-17", "Statement": statements}
    aws("s3").put_bucket_policy(Bucket=aws.bucket, Policy=json.dumps(document))
    for key in ("kept/one", "two"):
        aws.put(key, b"x")
        aws.put(key, b"y", ServerSideEncryption="aws:kms", SSEKMSKeyId=KEY)
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.put("two", b"z", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/theirs")
    aws("s3").delete_object(Bucket=aws.bucket, Key="two")
    with pytest.raises(ClientError, match="AccessDenied"):
        aws("s3").delete_object(Bucket=aws.bucket, Key="kept/one")
    body = aws("s3").get_object(Bucket=aws.bucket, Key="kept/one")["Body"]
    with body:
        assert body.read() == b"y"


def test_a_bucket_with_versions_can_be_emptied_and_deleted(aws):
    s3, bucket = aws("s3"), aws.name("versions")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a")
    there = s3.list_object_versions(Bucket=bucket)
    for one in there["Versions"] + there["DeleteMarkers"]:
        s3.delete_object(Bucket=bucket, Key="a", VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=bucket)
    assert bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
