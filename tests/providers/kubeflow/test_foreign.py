"""Pipelines that kfp's own compiler wrote come to the right end through kfp's own client."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from waterflow_kubeflow.emulator import Emulator

from tests.providers.kfp import foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """kfp's client, and the id of a run of every pipeline of the table."""
    folder = tmp_path_factory.mktemp("foreign")
    with Emulator(faults=foreign.FAULT, grace=2) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        import kfp

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it is for older servers only
            client = kfp.Client(
                host=emulator.endpoint,
                credentials=kfp.client.ServiceAccountTokenVolumeCredentials(),
            )
        ids = {
            name: client.create_run_from_pipeline_package(
                str(foreign.compiled(name, folder)),
                arguments=case.values,
                run_name=name,
                enable_caching=False,
            ).run_id
            for name, case in foreign.CASES.items()
        }
        yield client, ids


@pytest.mark.parametrize("name", list(foreign.CASES))
def test_a_pipeline_of_kfp_comes_to_its_end(runs: tuple[Any, dict[str, str]], name: str) -> None:
    client, ids = runs
    case = foreign.CASES[name]
    seen: dict[str, Any] = {}
    run = foreign.waited(
        lambda: seen["run"],
        lambda: seen.update(run=client.get_run(ids[name])),
        lambda one: one.state in _FINAL,
    )
    details = run.run_details.task_details
    errors = {one.display_name: one.error.message for one in details if one.error}
    assert run.state == ("SUCCEEDED" if case.good else "FAILED"), errors
    states = {one.display_name: one.state for one in details}
    for task, state in case.states.items():
        shown = states.get(task, "")
        # What is not triggered is left out, or skipped.
        assert shown == state or (state == "NOT_TRIGGERED" and shown in ("", "SKIPPED")), states
