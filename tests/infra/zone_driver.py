"""A landing zone that stands until its standard input ends; run in the environment of the stand-in.

Reads a line of JSON (the stack's `config`, the `endpoint` of AWS), makes the stack `dev` there,
prints a line of JSON (`outputs`, and the `names` of what it made by type), and destroys it at last.
"""

import json
import sys
from pathlib import Path

from standin import Stack
from standin.carriers.aws import AwsCarrier

FOLDER = Path(__file__).parents[2] / "infra" / "aws"
NAMES = {
    "bucket": "bucket",
    "role": "arn",
    "policy": "arn",
    "key": "arn",
    "repository": "name",
    "logGroup": "name",
    "scheduleGroup": "name",
    "modelPackageGroup": "modelPackageGroupName",
}
"""Type -> the output by which AWS lists it."""


def main() -> None:
    order = json.loads(sys.stdin.readline())
    carriers = {"aws": AwsCarrier(order["endpoint"], order["config"]["region"])}
    with Stack(FOLDER, order["config"], stack="dev", carriers=carriers) as stack:
        zone = stack.up().require()
        names: dict[str, list[str]] = {kind: [] for kind in NAMES}
        for one in zone.resources:
            kind = one.type.rpartition("/")[2].partition(":")[0]  # aws:s3/bucket:Bucket
            if one.type.startswith("aws:") and kind in NAMES:
                names[kind].append(one.outputs[NAMES[kind]])
        listed = {kind: sorted(ones) for kind, ones in names.items()}
        print(json.dumps({"outputs": zone.outputs, "names": listed}), flush=True)
        sys.stdin.read()
        stack.destroy().require()


main()
