"""How a bucket, and what AWS keeps beside it, is made, read, changed and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from standin.carriers.aws_base import Client, Kind, pascal, tag_list, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin.values import Properties


class Bucket(Kind):
    """A bucket itself; what AWS keeps beside it are kinds of their own."""

    service = "s3"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        region, place = client.meta.region_name, {}
        if region != "us-east-1":
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=outputs["bucket"], **place)
        return self.update(client, inputs, outputs)

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.head_bucket(Bucket=outputs["bucket"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        if inputs.get("tags"):
            client.put_bucket_tagging(
                Bucket=outputs["bucket"], Tagging={"TagSet": tag_list(inputs["tags"])}
            )
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        name = outputs["bucket"]
        if outputs.get("forceDestroy"):
            for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    client.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
        client.delete_bucket(Bucket=name)


class BesideBucket(Kind):
    """A part of a bucket that is put, read and deleted under its name."""

    service = "s3"

    def __init__(
        self,
        put: Callable[[Client, str, Properties], Any],
        get: Callable[[Client, str, Properties], Properties],
        delete: Callable[[Client, str], Any],
    ) -> None:
        self._put, self._get, self._delete = put, get, delete

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        self._put(client, outputs["bucket"], inputs)
        return {}

    def read(self, client: Client, outputs: Properties) -> Properties:
        return self._get(client, outputs["bucket"], outputs)

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        return self.create(client, inputs, outputs)

    def delete(self, client: Client, outputs: Properties) -> None:
        self._delete(client, outputs["bucket"])


def _versioning(client: Client, bucket: str, outputs: Properties) -> Properties:
    status = client.get_bucket_versioning(Bucket=bucket).get("Status", "Disabled")
    return {"versioningConfiguration": {**outputs["versioningConfiguration"], "status": status}}


def _blocks(client: Client, bucket: str, _: Properties) -> Properties:
    blocks = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    return {name[0].lower() + name[1:]: value for name, value in blocks.items()}


def _lifecycle(client: Client, bucket: str, inputs: Properties) -> None:
    rules = [pascal(rule) for rule in inputs["rules"]]
    for rule in rules:
        rule.setdefault("Filter", {"Prefix": rule.pop("Prefix", "")})
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": rules}
    )


def _there(operation: str) -> Callable[[Client, str, Properties], Properties]:
    """Return a reading that only asks whether it is there."""

    def read(client: Client, bucket: str, _: Properties) -> Properties:
        getattr(client, operation)(Bucket=bucket)
        return {}

    return read


def _block(client: Client, bucket: str, inputs: Properties) -> None:
    names = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
    blocks = {name[0].upper() + name[1:]: bool(inputs.get(name)) for name in names}
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)


def _bucket_policy(client: Client, bucket: str, _: Properties) -> Properties:
    return {"policy": client.get_bucket_policy(Bucket=bucket)["Policy"]}


BESIDE: dict[str, BesideBucket] = {
    "Versioning": BesideBucket(
        lambda client, bucket, inputs: client.put_bucket_versioning(
            Bucket=bucket,
            VersioningConfiguration={"Status": inputs["versioningConfiguration"]["status"]},
        ),
        _versioning,
        # A bucket's versioning can only be suspended.
        lambda client, bucket: client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
    ),
    "ServerSideEncryptionConfiguration": BesideBucket(
        lambda client, bucket, inputs: client.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={"Rules": [pascal(one) for one in inputs["rules"]]},
        ),
        _there("get_bucket_encryption"),
        lambda client, bucket: client.delete_bucket_encryption(Bucket=bucket),
    ),
    "PublicAccessBlock": BesideBucket(
        _block, _blocks, lambda client, bucket: client.delete_public_access_block(Bucket=bucket)
    ),
    "OwnershipControls": BesideBucket(
        lambda client, bucket, inputs: client.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [pascal(inputs["rule"])]}
        ),
        _there("get_bucket_ownership_controls"),
        lambda client, bucket: client.delete_bucket_ownership_controls(Bucket=bucket),
    ),
    "Policy": BesideBucket(
        lambda client, bucket, inputs: client.put_bucket_policy(
            Bucket=bucket, Policy=text(inputs["policy"])
        ),
        _bucket_policy,
        lambda client, bucket: client.delete_bucket_policy(Bucket=bucket),
    ),
    "LifecycleConfiguration": BesideBucket(
        _lifecycle,
        _there("get_bucket_lifecycle_configuration"),
        lambda client, bucket: client.delete_bucket_lifecycle(Bucket=bucket),
    ),
}
