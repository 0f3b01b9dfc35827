"""What lasts too long or costs for nothing: keys never renewed, data never deleted, idle GPUs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rules.subject import Subject, known, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

YEAR = 366 * 24 * 3600
# AWS: P, G, Trn and Inf families; Azure: the N series; Google: A2 and later, G2 and later.
AWS_GPU = re.compile(r"^(?:ml\.)?(?:p\d|g\d|trn\d|inf\d)")
AZURE_GPU = re.compile(r"^standard_n", re.IGNORECASE)
GOOGLE_GPU = re.compile(r"^(?:a[2-9]|g[2-9])-")


def rotation(subject: Subject) -> Iterator[str]:
    """Whether a key renews itself."""
    kind, get = subject.type, subject.get
    if kind == "aws:kms/key:Key":
        symmetric = get("customerMasterKeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
        if symmetric and known(get("enableKeyRotation")) and get("enableKeyRotation") is not True:
            yield "enableKeyRotation is not true"
    elif kind == "gcp:kms/cryptoKey:CryptoKey":
        if get("purpose", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
            return
        period = get("rotationPeriod")
        if known(period) and not period:
            yield "rotationPeriod is not set: 7776000s is ninety days"
        elif known(period) and float(str(period).rstrip("s")) > YEAR:
            yield f"rotationPeriod {period} is longer than a year"
    elif kind == "azure-native:keyvault:Key":
        actions = listed(get("properties.rotationPolicy.lifetimeActions"))
        kinds = [one.get("action", {}).get("type") for one in actions if isinstance(one, dict)]
        if known(get("properties.rotationPolicy")) and "rotate" not in [
            str(k).lower() for k in kinds
        ]:
            yield "properties.rotationPolicy has no lifetime action of type rotate"


# By type: the property that says how long, and what is wrong without it.
KEPT: dict[str, tuple[str, str]] = {
    "aws:cloudwatch/logGroup:LogGroup": ("retentionInDays", "logs would be kept for ever"),
    "azure-native:operationalinsights:Workspace": ("retentionInDays", "nobody said how long"),
    "azure-native:storage:BlobServiceProperties": (
        "deleteRetentionPolicy.enabled",
        "what is deleted by mistake would be gone",
    ),
    "azure-native:keyvault:Vault": (
        "properties.enablePurgeProtection",
        "a key could be gone at once",
    ),
    "gcp:storage/bucket:Bucket": ("lifecycleRules", "objects would be kept for ever"),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": (
        "retentionDays",
        "nobody said how long",
    ),
}


def retention(subject: Subject) -> Iterator[str]:
    """Whether it is said how long data is kept."""
    if subject.type in KEPT:
        name, reason = KEPT[subject.type]
        value = subject.get(name)
        if known(value) and not value:
            yield f"{name} is not set: {reason}"


def lifecycles(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, str]]:
    """Whether each bucket, account and repository has its rules of expiry beside it."""
    pairs = {
        "aws:s3/bucket:Bucket": (
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "bucket",
            ("bucket", "id"),
        ),
        "aws:ecr/repository:Repository": (
            "aws:ecr/lifecyclePolicy:LifecyclePolicy",
            "repository",
            ("name", "id"),
        ),
        "azure-native:storage:StorageAccount": (
            "azure-native:storage:ManagementPolicy",
            "accountName",
            ("accountName", "name"),
        ),
    }
    for subject in subjects:
        if subject.type in pairs:
            beside, name, names = pairs[subject.type]
            if not any(
                one.type == beside and one.refers(name, subject, *names) for one in subjects
            ):
                yield subject, f"it has no {beside.rsplit(':', 1)[1]}"


def idle_gpus(subject: Subject) -> Iterator[str]:
    """Whether a pool of GPU machines keeps some of them while nobody works."""
    kind, get = subject.type, subject.get
    least: tuple[str, object] | None = None
    if kind == "azure-native:machinelearningservices:Compute":
        inner = "properties.properties"
        if AZURE_GPU.match(str(get(f"{inner}.vmSize", ""))):
            path = f"{inner}.scaleSettings.minNodeCount"
            least = (path, get(path, 0))
    elif kind == "aws:eks/nodeGroup:NodeGroup":
        if any(AWS_GPU.match(str(one)) for one in listed(get("instanceTypes"))):
            least = ("scalingConfig.minSize", get("scalingConfig.minSize", 0))
    elif kind == "aws:batch/computeEnvironment:ComputeEnvironment":
        types = listed(get("computeResources.instanceTypes"))
        if any(AWS_GPU.match(str(one)) for one in types):
            least = ("computeResources.minVcpus", get("computeResources.minVcpus", 0))
    elif kind == "gcp:container/nodePool:NodePool":
        machine = str(get("nodeConfig.machineType", ""))
        if GOOGLE_GPU.match(machine) or get("nodeConfig.guestAccelerators"):
            fixed = get("nodeCount") if not get("autoscaling") else None
            name = "nodeCount" if fixed else "autoscaling.minNodeCount"
            least = (name, fixed or get("autoscaling.minNodeCount", 0))
    if least and isinstance(least[1], int) and least[1] > 0:
        yield f"{least[0]} is {least[1]}: GPU machines would run while nobody works; set it to 0"
