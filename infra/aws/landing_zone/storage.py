"""The bucket of code, data and results, and the bucket that records who came to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws
from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict as Rule
from pulumi_aws.s3 import BucketServerSideEncryptionConfigurationRuleArgsDict as Encryption

from landing_zone.component import Component, text
from landing_zone.policies import Place, raw_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCESS: Final = "access/"
AUDIT: Final = "audit"
"""What the keys of CloudTrail's records begin with."""


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the buckets are made of.

    Attributes:
        place: Where they are.
        prefix: What the application's keys begin with.
        key_arn: The key that encrypts them; None for S3's own.
        retention_days: Days until results of runs are deleted.
        checkpoint_days: Days until checkpoints are deleted.
        log_retention_days: Days for which records are kept.
        trail: The name of the audit's trail; None without one.
        protect: Whether they can be destroyed by no one command.
    """

    place: Place
    prefix: str
    key_arn: pulumi.Input[str] | None
    retention_days: int
    checkpoint_days: int
    log_retention_days: int
    trail: str | None
    protect: bool


class Storage(Component[StorageArgs]):
    """The two buckets."""

    def _make(self, name: str, args: StorageArgs) -> None:
        self._args = args
        self.records = self._records(f"{name}-records")
        self.data = self._data(f"{name}-data")
        self.bucket = self.data.bucket
        self.arn = self.data.arn
        self.register_outputs({"bucket": self.bucket, "records": self.records.bucket})

    def _data(self, name: str) -> aws.s3.Bucket:
        args = self._args
        bucket, guards = self._bucket(name, args.key_arn)
        aws.s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self.child(),
        )
        self._lifecycle(name, bucket, self._expiry())
        statements = pulumi.Output.all(bucket.arn, args.key_arn).apply(
            lambda known: text(raw_policy(*_tls_only(known[0]), *_own_key(known[0], known[1])))
        )
        policy = aws.s3.BucketPolicy(
            name, bucket=bucket.bucket, policy=statements, opts=self.child(depends_on=guards)
        )
        aws.s3.BucketLogging(
            name,
            bucket=bucket.bucket,
            target_bucket=self.records.bucket,
            target_prefix=_ACCESS,
            opts=self.child(depends_on=[policy]),
        )
        return bucket

    def _records(self, name: str) -> aws.s3.Bucket:
        args = self._args
        # S3 writes its access records only where its own keys encrypt:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        bucket, guards = self._bucket(name, None)
        aws.s3.BucketVersioning(
            name,
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self.child(),
        )
        self._lifecycle(name, bucket, [_expires("records", "", args.log_retention_days)])
        aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=bucket.arn.apply(lambda arn: text(raw_policy(*self._writers(arn)))),
            opts=self.child(depends_on=guards),
        )
        return bucket

    def _bucket(
        self, name: str, key: pulumi.Input[str] | None
    ) -> tuple[aws.s3.Bucket, Sequence[pulumi.Resource]]:
        """Make a bucket that nobody outside can come to, and that encrypts."""
        protect = self._args.protect
        bucket = aws.s3.Bucket(name, force_destroy=not protect, opts=self.child(protect=protect))
        block = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        owner = aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.child(),
        )
        rule = Encryption(
            apply_server_side_encryption_by_default={"sse_algorithm": "AES256"}
            if key is None
            else {"sse_algorithm": "aws:kms", "kms_master_key_id": key},
            # One call of the key for many objects: a tenth of its price.
            bucket_key_enabled=key is not None,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[rule],
            opts=self.child(),
        )
        return bucket, [block, owner]

    def _lifecycle(self, name: str, bucket: aws.s3.Bucket, rules: list[Rule]) -> None:
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                *rules,
                Rule(
                    id="unfinished-uploads",
                    status="Enabled",
                    filter={"prefix": ""},
                    abort_incomplete_multipart_upload={"days_after_initiation": 7},
                ),
            ],
            opts=self.child(),
        )

    def _expiry(self) -> list[Rule]:
        args = self._args
        return [
            _expires("runs", f"{args.prefix}/runs/", args.retention_days),
            _expires("checkpoints", f"{args.prefix}/checkpoints/", args.checkpoint_days),
            # Code, libraries and data have names of their own content: what is replaced or deleted
            # there is seldom missed.
            Rule(
                id="replaced-versions",
                status="Enabled",
                filter={"prefix": ""},
                noncurrent_version_expiration={"noncurrent_days": 30},
            ),
        ]

    def _writers(self, arn: str) -> list[dict[str, Any]]:
        """Return who may write records: S3 itself, and CloudTrail where it audits."""
        place, trail = self._args.place, self._args.trail
        account: dict[str, Any] = {"aws:SourceAccount": place.account}
        statements = [
            *_tls_only(arn),
            {
                "Effect": "Allow",
                "Sid": "AccessRecords",
                "Principal": {"Service": "logging.s3.amazonaws.com"},
                "Action": "s3:PutObject",
                "Resource": f"{arn}/{_ACCESS}*",
                "Condition": {"StringEquals": account},
            },
        ]
        if trail is None:
            return statements
        service = {"Service": "cloudtrail.amazonaws.com"}
        source = {"aws:SourceArn": place.arn("cloudtrail", f"trail/{trail}")}
        return [
            *statements,
            {
                "Effect": "Allow",
                "Sid": "AuditLooks",
                "Principal": service,
                "Action": "s3:GetBucketAcl",
                "Resource": arn,
                "Condition": {"StringEquals": source},
            },
            {
                "Effect": "Allow",
                "Sid": "AuditWrites",
                "Principal": service,
                "Action": "s3:PutObject",
                "Resource": f"{arn}/{AUDIT}/AWSLogs/{place.account}/*",
                "Condition": {
                    "StringEquals": {**source, "s3:x-amz-acl": "bucket-owner-full-control"}
                },
            },
        ]


def _expires(rule: str, prefix: str, days: int) -> Rule:
    return Rule(
        id=rule,
        status="Enabled",
        filter={"prefix": prefix},
        expiration={"days": days},
        noncurrent_version_expiration={"noncurrent_days": 7},
    )


def _tls_only(arn: str) -> list[dict[str, Any]]:
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
    }
    return [
        {**denial, "Sid": "TlsOnly", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**denial, "Sid": "NewTlsOnly", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    ]


def _own_key(arn: str, key: str | None) -> list[dict[str, Any]]:
    """Return the denial of another key; who names none gets the bucket's."""
    if key is None:
        return []
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    return [
        {
            "Effect": "Deny",
            "Sid": "OwnKeyOnly",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"{arn}/*",
            "Condition": {"StringNotEquals": {header: key}, "Null": {header: "false"}},
        }
    ]
