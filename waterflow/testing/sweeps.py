"""Conformance: plain MLflow in a step: runs within its own, the registry, and what others made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from waterflow.provider import Provider
from waterflow.provider.state import Status

if TYPE_CHECKING:
    from waterflow.runs.run import Run
    from waterflow.testing.world import World

_MODEL: Final = "conformance-sweep"


class Sweeps:
    """Two runs: one that tries and registers, and one that sees what the first has left."""

    def _swept(self, world: World) -> Run:
        run = world.start("swept", "sweeps", name=_MODEL)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        return run

    def test_runs_within_a_steps_run_are_runs_of_their_own(
        self, world: World, tmp_path: Path
    ) -> None:
        run = self._swept(world)
        _, children = world.tracked(run)
        sweep = children["sweep", 1]
        nested = {one.info.run_name: one for one in world.nested(run)}
        assert set(nested) == {
            "depth-0", "depth-1", "depth-2", "inner", "afterwards", "saving",
        }  # fmt: skip
        parents = {name: one.data.tags["mlflow.parentRunId"] for name, one in nested.items()}
        assert parents["inner"] == nested["depth-0"].info.run_id
        assert parents["saving"] == children["keep", 1].info.run_id
        for name in ("depth-0", "depth-1", "depth-2", "afterwards"):
            assert parents[name] == sweep.info.run_id
        assert {one.info.status for one in nested.values()} == {"FINISHED"}
        assert nested["depth-2"].data.params == {"depth": "2"}
        assert nested["depth-2"].data.metrics == {"loss": 1 / 3}
        assert nested["depth-2"].data.tags["swept"] == "yes"
        assert nested["inner"].data.params == {"depth": "inner"}
        assert nested["afterwards"].data.params == {"kind": "afterwards"}
        assert sweep.data.params["kind"] == "sweep"
        assert sweep.data.metrics == {"tried": 3.0}
        client = world.mlflow(run)
        note = client.download_artifacts(
            nested["depth-1"].info.run_id, "notes/depth.txt", str(tmp_path)
        )
        assert Path(note).read_text() == "of 1"

    def test_sending_again_makes_no_run_twice(self, world: World) -> None:
        run = self._swept(world)
        if type(world.provider).sync is Provider.sync:
            pytest.skip("the provider keeps no events to send again: sync is optional")
        before = {one.info.run_id for one in world.nested(run)}
        world.provider.sync(run.id)
        assert {one.info.run_id for one in world.nested(run)} == before

    def test_models_are_registered_and_read_from_within_a_step(self, world: World) -> None:
        run = self._swept(world)
        assert run.artifact("keep").load() == [[0.0, 2.0, 4.0]] * 5
        parent, _ = world.tracked(run)
        client = world.mlflow(run)
        versions: Any = client.search_model_versions(f"name='{_MODEL}'")
        assert sorted(int(version.version) for version in versions) == [1, 2, 3, 4]
        for version in versions:
            assert version.run_id == parent.info.run_id
            assert version.tags["waterflow.step"] == "keep"
        assert str(client.get_model_version_by_alias(_MODEL, "best").version) == "2"

    def test_a_step_sees_what_the_store_has(self, world: World) -> None:
        world.tracked(self._swept(world))
        run = world.start("looked", "sweeps", name=_MODEL, looking=True)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        assert run.artifact("look").load() == {
            "swept": [["depth-0", "0"], ["depth-1", "1"], ["depth-2", "2"]],
            "best": ["look"],
            "note": "of 0",
            "again": 1.0,
            "model": 3,
        }
        parent, _ = world.tracked(run)
        assert parent.data.metrics["sweep.tried"] == 3.0
        assert not [name for name in parent.data.metrics if name.startswith("sweep.loss")]
