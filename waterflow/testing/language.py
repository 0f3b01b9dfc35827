"""Conformance: types, parameters, fan-out and gates mean the same on every provider."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any

import pytest

from waterflow import artifacts
from waterflow.errors import UnsupportedFeatureError
from waterflow.provider.state import Status
from waterflow.testing.digests import reference_digests

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.testing.world import World

GIVEN: dict[str, Any] = {
    "whole": -(2**53) - 1,
    "real": 0.1 + 0.2,
    "yes": False,
    "text": "line\nbreak \"quoted\" 'single' $HOME `id` {braces} %d ünï ✓ 𝛑 --flag=x",
    "nested": {"list": [1, 2.5, None, {"deep": ["ü"]}], "empty": {}, "true": True},
    "reals": [1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e16, 123456789.123456789],
    "choice": "green",
}
"""Parameters that a careless way of passing them would change."""


class Language:
    """What the language means, whoever runs it."""

    image = "python:3.11-slim"
    """An image with `python3` that the provider under test can run, if it runs any."""

    def typed(self, world: World) -> dict[str, Any]:
        """Return the parameters of the run `types`: with a container step where there are any."""
        can = world.capabilities
        return {"image": self.image if can.containers or self.image in can.images else ""}

    def test_every_artifact_type_reaches_the_next_step(self, world: World) -> None:
        import pandas as pd

        run = world.start("types", "types", **self.typed(world))
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        report = run.artifact("read_back").load()
        assert report == {
            "note": "naïve ✓",
            "folder": ["a.txt", "inner/b.bin"],
            "blob": [255, 254, 253],
            "picture": "PNG",
            "model": "Pipeline",
            "known": "Record",
            "frames": report["frames"],
        }
        table = run.artifact("table").load()
        assert isinstance(table, pd.DataFrame)
        assert list(table.columns) == ["x", "y", "label", "name", "at"]
        assert len(run.artifact("halve.left").load()) == 6
        assert run.artifact("halve.rows").load() == 12
        assert run.artifact("gather").load()["extra"].tolist() == [24] * 24
        assert run.artifact("piece.at").load() == [0, 1, 2]
        assert [len(part) for part in run.artifact("piece.part").load()] == [4, 4, 4]
        pieces = run.artifact("gather_pieces").load()
        assert sorted(pieces["x"]) == sorted(table["x"])
        assert set(pieces["extra"]) == {3}
        assert run.artifact("entries").load() == ["naïve ✓", "second"]
        assert run.artifact("added").load() == "3/2"
        with world.code():  # where the class of the value can be imported
            assert run.artifact("rename").load().name == "NAÏVE ✓"
        assert set(run.artifact("judge").load()) == {"accuracy", "rows"}
        assert run.artifact("fit").load().predict(table[["x", "y"]]).shape == (12,)
        if importlib.util.find_spec("polars") is not None:
            assert run.artifact("to_polars").load().columns == ["x", "twice"]

    def test_artifacts_are_listed_verified_and_downloaded(self, world: World) -> None:
        run = world.start("types", "types", **self.typed(world))
        world.finish(run)
        listed = run.artifacts()
        expected = {
            (step.name, output, kind.type)
            for step in world.call("types", **self.typed(world)).spec.steps
            for output, kind in step.outputs.items()
        }
        assert {(one.step, one.output, one.type) for one in listed} == expected
        assert len(listed) == len(expected)
        for one in listed:
            folder = world.provider.download(run.id, one.step, one.output)
            manifest = artifacts.verify(folder)
            assert (manifest.sha256, manifest.size) == (one.sha256, one.size)

    def test_digests_are_those_of_the_same_pipeline_in_one_process(
        self, world: World, tmp_path: Path
    ) -> None:
        for pipeline, parameters in (("types", {}), ("plain", GIVEN)):
            run = world.start(pipeline, pipeline, **(parameters or self.typed(world)))
            world.finish(run)
            with world.code():
                call = getattr(importlib.import_module("kit_pipelines"), pipeline)(**parameters)
                expected = reference_digests(call, tmp_path / pipeline)
            contained = (
                "program",
                "source",
                "read_text",
            )  # a program knows nothing of this process
            digests = {k: v for k, v in world.digests(run).items() if k[0] not in contained}
            assert digests == expected

    def test_parameters_arrive_exactly(self, world: World) -> None:
        run = world.start("plain", "plain", **GIVEN)
        assert world.finish(run).status is Status.SUCCEEDED
        report = run.artifact("parameters").load()
        for name, value in GIVEN.items():
            assert report[name] == value, name
        assert report["exact"] == [x.hex() for x in [GIVEN["real"], *GIVEN["reals"]]]
        assert (report["nothing"], report["default"]) == (None, 1), "defaults"
        assert report["types"] == {
            "whole": "int",
            "real": "float",
            "yes": "bool",
            "text": "str",
            "nested": "dict",
            "reals": "list",
            "nothing": "NoneType",
            "choice": "str",
            "default": "int",
        }
        fixed = run.artifact("fixed").load()
        assert fixed["text"] == 'it\'s "fixed" $HOME {x} %s\n✓'
        assert fixed["exact"] == [x.hex() for x in (0.1, 5e-324, -0.0)]
        assert fixed["nested"] == {"a": [None, 1.5, {"b": "ü"}]}

    def test_fan_out_at_definition_time_and_at_run_time(self, world: World) -> None:
        run = world.start("plain", "plain", **GIVEN)
        state = world.finish(run)
        assert {name for name in state.steps if name.startswith("fold")} == {"fold0", "fold1"}
        assert run.artifact("fan_in").load() == 100 + 101
        assert run.artifact("square").load() == [1, 2, 5]
        assert run.artifact("mapped").load() == 8
        assert run.artifact("square_none").load() == []
        assert run.artifact("mapped_none").load() == 0
        wider = world.call("plain", **{**GIVEN, "folds": 4}).spec
        assert sum(step.name.startswith("fold") for step in wider.steps) == 4

    def test_gates_open_as_their_conditions_say(self, world: World) -> None:
        run = world.start("plain", "plain", **GIVEN)
        state = world.finish(run)
        assert state.status is Status.SUCCEEDED, state
        expected = world.module("kit_pipelines").GATES
        statuses = {name: state.steps[f"{name}_then"].status for name in expected}
        ran, skipped = Status.SUCCEEDED, Status.SKIPPED
        # Equal steps may be answered from one another's results.
        good = {name: status in (ran, Status.CACHED) for name, status in statuses.items()}
        assert good == expected
        for name, opens in expected.items():
            other = state.steps[f"{name}_else"].status
            assert (other is skipped) is opens, name
        assert run.artifact("equal_first").load() == "then"
        assert run.artifact("unequal_first").load() == "otherwise"

    def test_skipping_goes_on_and_leaves_no_artifact(self, world: World) -> None:
        run = world.start("plain", "plain", **GIVEN)
        state = world.finish(run)
        for name in (
            "skipped",
            "skipped_too",
            "undecided_then",
            "undecided_else",
            "left",
            "middle",
            "right",
            "neither",
            "equal_else",
            "unequal_then",
        ):
            assert state.steps[name].status is Status.SKIPPED, name
        for name in ("outer", "inner_else"):
            assert state.steps[name].status.good, name
            assert state.steps[name].status is not Status.SKIPPED, name
        digests = world.digests(run)
        assert digests["neither", "output"] is None
        assert all(
            (digest is None) is (state.steps[step].status is Status.SKIPPED)
            for (step, _), digest in digests.items()
        )

    def test_a_run_is_tracked_whole(self, world: World) -> None:
        run = world.start("plain", "plain", **GIVEN)
        state = world.finish(run)
        parent, children = world.tracked(run)
        assert parent.info.status == "FINISHED"
        statuses = {name: step.status for name, step in state.steps.items()}
        ran = {(name, 1) for name, status in statuses.items() if status is Status.SUCCEEDED}
        assert set(children) == ran
        assert {child.info.status for child in children.values()} == {"FINISHED"}
        for child in children.values():
            assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
            assert child.data.tags["waterflow.status"] == "succeeded"
        for name, status in statuses.items():
            tag = parent.data.tags.get(f"waterflow.skipped.{name}")
            assert (tag == "true") is (status is Status.SKIPPED), name
        assert run.state.unsent == 0
        assert children["scores", 1].data.metrics == {"auc": 0.9, "loss": 0.1, "count": 3.0}
        assert parent.data.metrics["scores.auc"] == 0.9
        params = parent.data.params
        assert set(params) >= {*GIVEN, "nothing", "default", "upto", "limit", "colour", "strict"}
        assert (params["limit"], params["colour"], params["strict"]) == ("0.9", "blue", "true")
        assert float(params["real"]) == GIVEN["real"]
        assert parent.data.tags["waterflow.pipeline_digest"]
        assert parent.data.tags["waterflow.provider"] == world.provider.name

    def test_a_container_step_runs_or_is_refused(self, world: World) -> None:
        if not self.typed(world)["image"]:
            with pytest.raises(UnsupportedFeatureError, match="container step"):
                world.compile("types", image=self.image)
            return
        run = world.start("types", "types", **self.typed(world))
        world.finish(run)
        assert run.artifact("read_text").load() == '"text""text"'
        (artifact,) = (one for one in run.artifacts() if one.step == "program")
        assert (artifact.output, artifact.type) == ("folder", "path")

    def test_logs_are_by_step_and_together(self, world: World) -> None:
        run = world.start("types", "types", **self.typed(world))
        world.finish(run)
        assert [line.text for line in run.logs("say")] == ["saying naïve ✓"]
        assert ("say", "saying naïve ✓") in [(line.step, line.text) for line in run.logs()]

    def test_a_final_state_stays(self, world: World) -> None:
        run = world.start("types", "types", **self.typed(world))
        final = world.finish(run)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert world.state(run).status is final.status
        seen = world.seen[run.id]
        order = [Status.PENDING, Status.RUNNING, Status.SUCCEEDED]
        assert [order.index(status) for status in seen] == sorted(map(order.index, seen))
        assert run.wait(timeout=300).status is Status.SUCCEEDED
        assert final.started is not None
        assert final.ended is not None
        for step in final.steps.values():
            assert step.status.final
            assert step.ended is None or step.ended >= (step.started or 0)
