"""What IAM is asked when S3 answers a request: an operation's actions, and those of its keys."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from waterflow_sagemaker.emulator.buckets import place
from waterflow_sagemaker.emulator.objects import ACCOUNT
from waterflow_sagemaker.emulator.rights import Right, arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.emulation.wire import Environ

_OBJECTS: Final = {
    "GetObject": ("GetObject",),
    "HeadObject": ("GetObject",),
    "GetObjectAttributes": ("GetObject", "GetObjectAttributes"),
    "GetObjectTagging": ("GetObjectTagging",),
    "GetObjectAcl": ("GetObjectAcl",),
    "DeleteObject": ("DeleteObject",),
}
"""Operations on an object or a version of it -> the actions; "Version" follows for a version.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""
_WRITES: Final = {
    "PutObject": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "PutObjectTagging": "PutObjectTagging",
    "DeleteObjectTagging": "DeleteObjectTagging",
    "PutObjectAcl": "PutObjectAcl",
}
"""Operations on an object -> the action."""
_BUCKETS: Final = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
}
"""Operations on a bucket -> the action where that is called otherwise."""
_KEY: Final = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def of_request(operation: str, environ: Environ, body: bytes) -> Iterator[Right]:
    """Yield what a request to S3 asks of IAM.

    Args:
        operation: The operation.
        environ: The request.
        body: Its body, where the operation names keys there.
    """
    bucket, key = place(environ)
    query = parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)
    region = _region(bucket)
    resource = f"arn:aws:s3:::{bucket}"
    if operation == "ListBuckets":
        yield Right("s3:ListAllMyBuckets")
    elif operation == "DeleteObjects":
        for one in _keys(body):
            yield Right("s3:DeleteObject", f"{resource}/{one}")
    elif operation in _OBJECTS:
        version = "Version" if "versionId" in query else ""
        for action in _OBJECTS[operation]:
            yield Right(f"s3:{_versioned(action, version)}", f"{resource}/{key}")
        if operation in ("GetObject", "HeadObject"):
            yield from absent(bucket, key)
        if operation == "GetObject":
            yield from reading(bucket, key, region)
    elif operation in _WRITES:
        yield Right(f"s3:{_WRITES[operation]}", f"{resource}/{key}")
        yield from _writing(operation, environ, region)
    else:
        # To list, a prefix may be named, or none: conditions look at it.
        context = {"s3:prefix": query["prefix"][0]} if query.get("prefix") else {}
        yield Right(f"s3:{_BUCKETS.get(operation, operation)}", resource, dict(context))


def _versioned(action: str, version: str) -> str:
    """Return an action on a version of an object."""
    if not version:
        return action
    head, noun, tail = action.partition("Object")
    return f"{head}{noun}{version}{tail}"


def _writing(operation: str, environ: Environ, region: str) -> Iterator[Right]:
    """Yield what writing needs besides: of the source, of tags and access lists, of a key."""
    source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
    if source:
        path, _, version = unquote(str(source)).lstrip("/").partition("?versionId=")
        bucket, _, key = path.partition("/")
        action = "GetObjectVersion" if version else "GetObject"
        yield Right(f"s3:{action}", f"arn:aws:s3:::{path}")
        yield from reading(bucket, key, region)
        tags = operation == "CopyObject" and (
            environ.get("HTTP_X_AMZ_TAGGING_DIRECTIVE", "COPY") == "COPY"
        )
        if tags and _tagged(bucket, key):
            yield Right("s3:GetObjectTagging", f"arn:aws:s3:::{path}")
    written = ":".join(place(environ)).replace(":", "/", 1)
    if environ.get("HTTP_X_AMZ_TAGGING"):
        yield Right("s3:PutObjectTagging", f"arn:aws:s3:::{written}")
    if environ.get("HTTP_X_AMZ_ACL"):
        yield Right("s3:PutObjectAcl", f"arn:aws:s3:::{written}")
    if environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION") == "aws:kms":
        key = str(environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID") or "")
        if key:
            yield Right("kms:GenerateDataKey", named_key(key, region))
            if operation == "CreateMultipartUpload":  # its parts are read to be put together
                yield Right("kms:Decrypt", named_key(key, region))


def absent(bucket: str, key: str) -> Iterator[Right]:
    """Yield what it takes to be told that an object is not there: without, S3 says forbidden.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html. Of a policy that allows to
    list some prefixes alone it is enough that the key begins with one, as was measured on AWS:
    https://github.com/kopia/kopia/pull/3072.
    """
    if _object(bucket, key) is None:
        yield Right("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": key})


def reading(bucket: str, key: str, region: str) -> Iterator[Right]:
    """Yield what reading an object needs of the key that encrypts it, where it has one."""
    there = _object(bucket, key)
    name = getattr(there, "kms_key_id", None)
    if name and getattr(there, "encryption", None) == "aws:kms":
        yield Right("kms:Decrypt", named_key(str(name), region))


def named_key(name: str, region: str) -> str:
    """Return the ARN of a key, for its id or its ARN."""
    return name if ":" in name else arn("kms", region, f"key/{name}")


def _object(bucket: str, key: str) -> Any:
    from moto.s3.models import s3_backends

    there: Any = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return None if there is None else there.keys.get(key)


def _tagged(bucket: str, key: str) -> bool:
    from moto.s3.models import s3_backends

    backend: Any = s3_backends[ACCOUNT]["aws"]
    there = _object(bucket, key)
    return there is not None and bool(backend.tagger.get_tag_dict_for_resource(there.arn))


def _region(bucket: str) -> str:
    from moto.s3.models import s3_backends

    there: Any = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return "us-east-1" if there is None else str(there.region_name)


def _keys(body: bytes) -> list[str]:
    """Return the keys that a request to delete several names."""
    return [html.unescape(key.decode("utf-8", "replace")) for key in _KEY.findall(body)]
