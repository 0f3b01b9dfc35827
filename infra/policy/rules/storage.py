"""Storage that strangers can read, and storage or ways to it that are not encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.documents import denying
from rules.subject import Subject, known, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
from typing import Any

ACLS = {"public-read", "public-read-write", "authenticated-read", "website"}
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
CONTAINERS = {"Blob", "Container"}
EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
BUCKET = "aws:s3/bucket:Bucket"
ACCOUNT = "azure-native:storage:StorageAccount"


# By type: what each property has to be.
CLOSED: dict[str, dict[str, Any]] = {
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": dict.fromkeys(BLOCKS, True),
    "azure-native:storage:StorageAccount": {"allowBlobPublicAccess": False},
    "gcp:storage/bucket:Bucket": {
        "publicAccessPrevention": "enforced",
        "uniformBucketLevelAccess": True,
    },
}


def public(subject: Subject) -> Iterator[str]:
    """Whether storage is open to everybody."""
    kind, get = subject.type, subject.get
    for name, value in CLOSED.get(kind, {}).items():
        if known(get(name)) and get(name) != value:
            yield f"{name} has to be {value!r}"
    if kind in {BUCKET, "aws:s3/bucketAcl:BucketAcl"} and get("acl") in ACLS:
        yield f"acl {get('acl')!r} opens the bucket to strangers: leave it out"
    elif kind == "azure-native:storage:BlobContainer" and get("publicAccess") in CONTAINERS:
        yield f"publicAccess {get('publicAccess')!r} opens the container: set it to None"
    elif kind == "azure-native:containerregistry:Registry" and get("anonymousPullEnabled") is True:
        yield "anonymousPullEnabled lets strangers pull images: leave it out"
    elif kind.startswith("gcp:storage/"):
        members = {*map(str, listed(get("members"))), str(get("member")), str(get("entity"))}
        if members & EVERYBODY:
            yield f"{', '.join(sorted(members & EVERYBODY))} may read it: name who may"


def unencrypted(subject: Subject) -> Iterator[str]:
    """Whether storage is kept, or reached, in the plain."""
    kind, get = subject.type, subject.get
    required = {
        "aws:ebs/volume:Volume": "encrypted",
        "aws:efs/fileSystem:FileSystem": "encrypted",
        "aws:rds/instance:Instance": "storageEncrypted",
        "aws:rds/cluster:Cluster": "storageEncrypted",
        "azure-native:storage:StorageAccount": "enableHttpsTrafficOnly",
    }
    name = required.get(kind)
    if name and known(get(name)) and get(name) is not True:
        yield f"{name} is not true"
    keys = {"aws:sns/topic:Topic": "kmsMasterKeyId", "aws:sqs/queue:Queue": "kmsMasterKeyId"}
    name = keys.get(kind)
    if name and known(get(name)) and not get(name) and not get("sqsManagedSseEnabled"):
        yield f"{name} is not set: messages would be kept in the plain"
    if kind == "azure-native:storage:StorageAccount":
        version = get("minimumTlsVersion")
        if known(version) and version not in {"TLS1_2", "TLS1_3"}:
            yield "minimumTlsVersion is below TLS1_2"
    if kind == "gcp:sql/databaseInstance:DatabaseInstance":
        mode = get("settings.ipConfiguration.sslMode")
        if known(mode) and mode not in {"ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}:
            yield "settings.ipConfiguration.sslMode is not ENCRYPTED_ONLY"


def companions(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, str]]:
    """Whether buckets and accounts have what the clouds keep beside them, and what that says."""
    for account in (one for one in subjects if one.type == ACCOUNT):
        if not any(
            one.type == f"{ACCOUNT[: -len('StorageAccount')]}BlobServiceProperties"
            and one.refers("accountName", account, "accountName", "name")
            for one in subjects
        ):
            yield account, "it has no BlobServiceProperties: what is deleted would be gone"
    for bucket in (one for one in subjects if one.type == BUCKET):
        beside = {
            one.type.rsplit(":", 1)[1]: one
            for one in subjects
            if one.type.startswith(BUCKET[:-7]) and one.refers("bucket", bucket, "bucket", "id")
        }
        if "BucketPublicAccessBlock" not in beside:
            yield bucket, "it has no BucketPublicAccessBlock"
        if "BucketServerSideEncryptionConfiguration" not in beside:
            yield bucket, "it has no BucketServerSideEncryptionConfiguration"
        policy = beside.get("BucketPolicy")
        if policy is None:
            yield bucket, "it has no BucketPolicy that denies access without TLS"
        elif known(policy.get("policy")) and not _tls_only(policy):
            yield bucket, "its BucketPolicy does not deny access where aws:SecureTransport is false"


def _tls_only(policy: Subject) -> bool:
    for one in denying(policy.get("policy")):
        for tests in one.get("Condition", {}).values():
            if str(tests.get("aws:SecureTransport", "")).lower() in {"false", "['false']"}:
                return True
    return False
