"""A landing zone that stands until its standard input ends; run in the environment of the stand-in.

Reads a line of JSON (the `cloud`, the stack's `config`, the `endpoint` of the cloud where its
variables do not say it, whether it is `steady`), makes the stack `dev` there, prints a line of JSON
(`outputs`, and the `names` of what it made by type), and destroys it at last.
"""

import json
import sys
from pathlib import Path

from standin import Stack
from standin.carriers.aws import AwsCarrier
from standin.carriers.azure import AzureCarrier
from standin.carriers.gcp import GcpCarrier

INFRA = Path(__file__).parents[2] / "infra"
PACKAGES = {"aws": "aws", "azure": "azure-native", "gcp": "gcp"}
CARRIERS = {
    "aws": lambda order: AwsCarrier(order["endpoint"], order["config"]["region"]),
    "azure": lambda _: AzureCarrier(),
    "gcp": lambda _: GcpCarrier(),
}
NAMES = {
    "aws": {
        "bucket": "bucket",
        "role": "arn",
        "policy": "arn",
        "key": "arn",
        "repository": "name",
        "logGroup": "name",
        "scheduleGroup": "name",
        "modelPackageGroup": "modelPackageGroupName",
    },
    "azure": {
        "ResourceGroup": "name",
        "StorageAccount": "name",
        "Vault": "name",
        "UserAssignedIdentity": "name",
        "RoleDefinition": "name",
        "RoleAssignment": "name",
        "Compute": "name",
    },
    "gcp": {"Bucket": "name", "Account": "email", "IAMCustomRole": "name", "Secret": "secretId"},
}
"""Cloud -> type -> the output by which the cloud lists it."""


def main() -> None:
    order = json.loads(sys.stdin.readline())
    cloud, config = order["cloud"], order["config"]
    carriers = {PACKAGES[cloud]: CARRIERS[cloud](order)}
    with Stack(INFRA / cloud, config, stack="dev", carriers=carriers) as stack:
        zone = stack.up().require()
        names: dict[str, list[str]] = {kind: [] for kind in NAMES[cloud]}
        for one in zone.resources:
            # aws:s3/bucket:Bucket, gcp:storage/bucket:Bucket, azure-native:storage:StorageAccount
            package, module, kind = [*one.type.split(":"), "", ""][:3]
            kind = module.rpartition("/")[2] if cloud == "aws" else kind
            if package == PACKAGES[cloud] and kind in names:
                names[kind].append(one.outputs[NAMES[cloud][kind]])
        listed = {kind: sorted(ones) for kind, ones in names.items()}
        print(json.dumps({"outputs": zone.outputs, "names": listed}), flush=True)
        sys.stdin.read()
        if order["steady"] and (changed := stack.refresh().require().changed):
            raise AssertionError(f"the cloud has not what the stack says: {changed}")
        stack.destroy().require()


main()
