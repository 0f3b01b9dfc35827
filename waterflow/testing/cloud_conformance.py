"""The provider suite against a cloud that the kit is told of: its emulator, a bucket, a profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.provider import JOBS, REPORT
from waterflow.provider.state import Status
from waterflow.report import Gathering
from waterflow.report.data import MlflowRun
from waterflow.testing.cloud_suite import CloudSuite
from waterflow.testing.conformance import ProviderConformance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow.provider import Artifact
    from waterflow.provider.emulators import Emulator
    from waterflow.report import Report
    from waterflow.runs.run import Run
    from waterflow.testing.remote_cloud import RemoteCloud
    from waterflow.testing.tracking_server import TrackingServer
    from waterflow.testing.world import World


class CloudProviderConformance(CloudSuite, ProviderConformance):
    """What every provider must do, of a provider of a managed cloud."""

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Iterator[Emulator]:
        """The emulator, at which the environment points as long as the class has tests."""
        with cls.cloud.start() as running, cls.cloud.pointing(running):
            yield running

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls, service: Emulator, server: TrackingServer) -> dict[str, Any]:
        """Return the profile's table."""
        del service
        cls.cloud.make_bucket("conformance")
        own: dict[str, Any] = {"tracking": {"uri": server.url}, "poll": 0.2}
        return cls.cloud.profile("conformance", "waterflow") | own

    # --- what reports tell of clouds ------------------------------------------------------------

    def test_a_report_tells_what_the_cloud_bills(self, world: World, secret: str) -> None:
        del secret
        run, _, again = self._tracked(world)
        report, state = _report(world, run), world.finish(run)
        jobs = [step for step in state.steps.values() if step.status is Status.SUCCEEDED]
        billed = {step.name: self.cloud.billed_seconds(step) for step in jobs}
        bills = {step.name: step.bill for step in report.steps if step.bill is not None}
        told = {name: bill.seconds for name, bill in bills.items() if name in billed}
        # Times are of milliseconds.
        assert told == pytest.approx({n: one for n, one in billed.items() if one}, abs=0.01)
        lineage = world.provider.lineage(run.id)
        planned = json.loads(lineage.files[JOBS]) if lineage is not None and bills else {}
        for step in report.steps:
            if step.bill is not None:
                assert step.machine == planned[step.name]["machine"]
                hourly = planned[step.name]["price"]
                assert step.bill.cost == pytest.approx(step.bill.seconds * hourly / 3600)
        if not bills:
            assert report.bill is None
        else:
            assert report.bill is not None
            # Gates may be jobs too.
            assert report.bill.seconds > sum(bill.seconds for bill in bills.values()) - 0.01
        cached = [step for step in _report(world, again).steps if step.status is Status.CACHED]
        assert cached
        assert [step.bill for step in cached] == [None] * len(cached)

    def test_a_report_names_the_image_that_jobs_run_in(self, world: World, secret: str) -> None:
        del secret
        run, _, _ = self._tracked(world)
        report = _report(world, run)
        # The profile names it, and no step.
        assert {step.image for step in report.steps} == {self.cloud.image}
        assert [one.value for one in report.lineage if one.name == "image"] == [self.cloud.image]

    def test_a_report_links_to_the_runs_in_mlflow(
        self, world: World, server: TrackingServer, secret: str
    ) -> None:
        del secret
        run, _, again = self._tracked(world)
        parent, children = world.tracked(run)
        pages = f"{server.url}/#/experiments/{parent.info.experiment_id}/runs"
        report = _report(world, run)
        assert report.mlflow == MlflowRun(
            run=parent.info.run_id, url=f"{pages}/{parent.info.run_id}"
        )
        latest = {step: child.info.run_id for (step, _), child in sorted(children.items())}
        shown = {step.name: step.mlflow for step in report.steps if step.mlflow is not None}
        assert shown == {
            step: MlflowRun(run=child, url=f"{pages}/{child}") for step, child in latest.items()
        }
        world.tracked(again)
        client = world.mlflow(again)
        cached = [one for one in _report(world, again).steps if one.status is Status.CACHED]
        assert cached
        for one in cached:
            assert one.mlflow is not None
            tags = client.get_run(one.mlflow.run).data.tags
            assert tags["waterflow.step"] == one.name
            assert tags["waterflow.execution"] != world.execution(again), "who did the work"
        html = Path(world.mlflow(run).download_artifacts(parent.info.run_id, REPORT)).read_text()
        assert f'href="{pages}/{parent.info.run_id}"' in html, "the page that MLflow keeps"

    def tamper(self, world: World, artifact: Artifact) -> Any:
        """Change an artifact's bytes in the bucket."""
        run = next(run for run in world.started.values() if artifact in run.artifacts())
        folder = world.provider.download(run.id, artifact.step, artifact.output)
        (file,) = (path for path in folder.iterdir() if path.name != "manifest.json")
        altered = _Altered(self.cloud, f"{artifact.uri}{file.name}")
        altered.write_bytes(file.read_bytes()[::-1] + b"x")
        return altered


def _report(world: World, run: Run) -> Report:
    return Gathering(world.provider, run.id).report(world.finish(run))


class _Altered:
    """An object with other bytes than its step wrote.

    Args:
        cloud: The cloud.
        uri: The object's address.
    """

    def __init__(self, cloud: RemoteCloud, uri: str) -> None:
        self._cloud, self._uri = cloud, uri

    def write_bytes(self, content: bytes) -> None:
        """Give it other bytes."""
        self._cloud.write(self._uri, content)
