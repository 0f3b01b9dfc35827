"""What Vertex AI bills for custom jobs, by the jobs as Google's own types write them."""

import json

import pytest
from google.cloud.aiplatform_v1 import CustomJob
from waterflow_vertex import billing
from waterflow_vertex.machines import attached, table

from waterflow.cloud.service import Usage

TYPE = "n1-standard-4"
PRICE = table()[TYPE].price
T4 = {"machineType": TYPE, "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2}
WITH_T4 = next(one for one in attached()[TYPE] if (one.gpu, one.gpus) == ("nvidia-t4", 2))


def job(*machines, end="2026-11-29T12:01:01Z", replicas=1, **spec):
    """Return a job as REST writes it: what it says is held against Google's types."""
    pools = [
        {"machineSpec": machine, "replicaCount": replicas, "containerSpec": {"imageUri": "image"}}
        for machine in machines or [{"machineType": TYPE}]
    ]
    body = {
        "displayName": "job",
        "startTime": "2026-11-29T12:00:00Z",
        "jobSpec": {"workerPoolSpecs": pools, **spec},
        **({"endTime": end} if end else {}),
    }
    typed = CustomJob.from_json(json.dumps(body))
    return json.loads(CustomJob.to_json(typed, use_integers_for_enums=False))


def usage(seconds=90, count=1, machine=TYPE, price=PRICE):
    return Usage(machine=machine, seconds=seconds, count=count, price=price)


JOBS = {
    "increments of 30 seconds, the last of them whole": (job(), [usage()]),
    "no increment more than its time": (job(end="2026-11-29T12:01:00Z"), [usage(60)]),
    "each of its replicas": (job(replicas=3), [usage(count=3)]),
    "all of its pools": (
        job({"machineType": TYPE}, {"machineType": "new-standard-4"}),
        [usage(), usage(machine="new-standard-4", price=None)],
    ),
    "what is attached to its machines": (
        job(T4),
        [usage(machine=f"{TYPE} + 2 nvidia-t4", price=WITH_T4.price)],
    ),
    "spot machines, at a price that is not known": (
        job(scheduling={"strategy": "SPOT"}),
        [usage(price=None)],
    ),
    "nothing, as it has not ended": (job(end=None), []),
}


@pytest.mark.parametrize(("record", "usages"), JOBS.values(), ids=JOBS)
def test_a_job_is_billed_for(record, usages):
    assert billing.usage(record) == usages
