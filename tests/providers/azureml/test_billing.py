"""What Azure bills for jobs, by what run history records of them."""

import pytest
from waterflow_azureml import billing
from waterflow_azureml.answers import native_run
from waterflow_azureml.machines import table

from waterflow.cloud.service import Usage

SIZE = "Standard_D4s_v3"
PRICE = table()[SIZE].price


def compute(**more):
    return {"target": "cpu", "vmSize": SIZE.upper(), "instanceCount": 2, **more}


def child(computed, *, started="2026-11-29T12:00:00.5Z", ended="2026-11-29T12:01:30Z", **notes):
    return {
        "runId": "one",
        "status": "Completed",
        "startTimeUtc": started,
        "endTimeUtc": ended,
        "compute": computed,
        "properties": notes,
    }


REUSED = {"azureml.isreused": "true", "azureml.reusedrunid": "former"}
JOBS = {
    "each of its nodes": (
        child(compute(priority="Dedicated")),
        [Usage(machine=SIZE, seconds=89.5, count=2, price=PRICE)],
    ),
    "nodes of low priority, at a price that is not known": (
        child(compute(priority="LowPriority")),
        [Usage(machine=SIZE, seconds=89.5, count=2, price=None)],
    ),
    "a size that is not in the table": (
        child({"target": "cpu", "vmSize": "Standard_New_v9"}),
        [Usage(machine="Standard_New_v9", seconds=89.5, count=1, price=None)],
    ),
    "nothing, as another's result stands for its own": (child(compute(), **REUSED), []),
    "nothing, as it has not ended": (child(compute(), ended=None), []),
    "nothing, as Azure does not tell of its machine": (child(None), []),
}


@pytest.mark.parametrize(("record", "usages"), JOBS.values(), ids=JOBS)
def test_a_job_is_billed_for(record, usages):
    run = native_run("step", record, "pipeline")
    assert billing.usage(run.compute, run.started, run.ended) == usages
