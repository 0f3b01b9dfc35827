"""A bucket's policy is obeyed with its conditions, and what has versions can be emptied."""

import json

import pytest
from botocore.exceptions import ClientError

KEY = "arn:aws:kms:us-east-1:123456789012:key/ours"
HEADER = "s3:x-amz-server-side-encryption-aws-kms-key-id"


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
