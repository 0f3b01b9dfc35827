"""Pipelines that kfp's own compiler wrote come to the right end through Google's own SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from waterflow_vertex.emulator import Emulator
from waterflow_vertex.emulator.preparing import BUCKET, PROJECT, REGION

from tests.providers.kfp import foreign
from tests.providers.vertex.emulated import entered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every pipeline of the table, submitted."""
    folder = tmp_path_factory.mktemp("foreign")
    with Emulator(faults=foreign.FAULT, grace=2) as emulator, entered(emulator):
        from google.cloud import aiplatform

        aiplatform.init(project=PROJECT, location=REGION, api_transport="rest")
        submitted: dict[str, Any] = {}
        for name, case in foreign.CASES.items():
            submitted[name] = aiplatform.PipelineJob(
                display_name=name,
                template_path=str(foreign.compiled(name, folder)),
                pipeline_root=f"gs://{BUCKET}/foreign",
                parameter_values=case.values,
                enable_caching=False,
            )
            submitted[name].submit()
        yield submitted


@pytest.mark.parametrize("name", list(foreign.CASES))
def test_a_pipeline_of_kfp_comes_to_its_end(jobs: dict[str, Any], name: str) -> None:
    case = foreign.CASES[name]
    job = foreign.waited(lambda: jobs[name]._gca_resource, jobs[name]._sync_gca_resource, _final)
    details = job.job_detail.task_details
    errors = {one.task_name: one.error.message for one in details if one.error.message}
    end = "SUCCEEDED" if case.good else "FAILED"
    assert job.state.name == f"PIPELINE_STATE_{end}", errors
    states = {one.task_name: one.state.name for one in details}
    assert {task: states.get(task, "") for task in case.states} == case.states
    if name == "retried":
        (flaky,) = (one for one in details if one.task_name == "flaky")
        container = flaky.executor_detail.container_detail
        assert (len(container.failed_main_jobs), bool(container.main_job)) == (1, True)


def _final(job: Any) -> bool:
    return job.state.name.rpartition("_")[2] in ("SUCCEEDED", "FAILED", "CANCELLED")
