"""Remote conformance: runs that a schedule started are found and tracked, and results expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from waterflow.provider.state import Status
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject
from waterflow.testing.tracking import tracked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.testing.tracking_server import TrackingServer

_DAY = 86_400


class Scheduling(RemoteBase):
    """What starts by itself, by the cloud's clock."""

    @pytest.fixture
    def nightly(
        self, forwarded: Emulator, server: TrackingServer, tmp_path: Path
    ) -> Iterator[RemoteProject]:
        """A project whose results stand for a day."""
        settings = {**self.cloud.cache_day, **self.cloud.schedule_settings}
        with self.cloud.pointing(forwarded):
            yield RemoteProject(self.cloud, tmp_path / "project", tracking=server.url, **settings)

    def test_a_scheduled_run_is_found_and_tracked_and_results_expire(
        self, forwarded: Emulator, server: TrackingServer, nightly: RemoteProject
    ) -> None:
        provider, build, document = nightly.compile("nightly")
        assert provider.schedules().apply(build, document, {"number": 7}) == "created"
        self.cloud.advance(forwarded, _DAY)
        (name,) = nightly.executions("nightly")
        state = nightly.finish(name)
        assert (state.run, state.execution, state.status) == (name, name, Status.SUCCEEDED)
        assert [run.run for run in nightly.provider.runs()] == [name]
        assert nightly.values(nightly.fresh(name))["second"] == "one 8"
        assert nightly.sync(name).left == 0
        parent, children = tracked(server, name)
        assert parent.data.params["number"] == "7"
        assert parent.data.tags["waterflow.run"] == name
        assert set(children) == {("first", 1), ("second", 1)}
        # A run of the same within the day is answered by it, and linked to it.
        run = nightly.submit("nightly", number=7)
        state = nightly.finish(run)
        assert {step.status for step in state.steps.values()} == {Status.CACHED}
        assert nightly.sync(run).left == 0
        parent, none = tracked(server, state.execution)
        assert none == {}
        assert parent.data.tags["waterflow.cached.first"] == f"{name}/first/1"
        made_by = parent.data.tags["waterflow.cached.first.run_id"]
        assert made_by == children["first", 1].info.run_id
        provider.schedules().delete(provider.schedules().list()[0].name)
        self.cloud.advance(forwarded, 2 * _DAY)
        state = nightly.finish(nightly.submit("nightly", number=7))
        # Where results never grow too old, one of any age stands for a step.
        expired = Status.SUCCEEDED if self.cloud.cache_day else Status.CACHED
        assert {step.status for step in state.steps.values()} == {expired}
