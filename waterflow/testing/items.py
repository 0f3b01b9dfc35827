"""Remote conformance: maps within one job, in a group: how far they are, and what they skip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from waterflow.provider.state import ItemCounts, Status
from waterflow.testing.remote_base import RemoteBase, statuses
from waterflow.testing.remote_project import until
from waterflow.tracking.spool import FRAME

if TYPE_CHECKING:
    from pathlib import Path

    from waterflow.testing.remote_project import RemoteProject

STEP = "inner-halve"
NUMBERS = [8, 0, 4, 9]


class Items(RemoteBase):
    """What is told of the items of a map."""

    def test_a_map_says_how_far_it_is_and_skips_what_fails(
        self, project: RemoteProject, tmp_path: Path
    ) -> None:
        bell = tmp_path / "bell"
        run = project.submit("halves", numbers=NUMBERS, bell=str(bell))
        other = project.copied()

        def counted() -> bool:
            items = other.fresh(run.id).state.steps[STEP].items
            return items is not None and (items.done, items.failed) == (2, 1)

        until(counted, "three items that have ended")
        items = ItemCounts(total=4, done=2, failed=1, running=1)
        assert run.state.steps[STEP].items == items
        shown = other.cli("status", run.id)
        assert "2 of 4 items done, 1 failed, 1 running" in shown.stdout, shown.stderr
        lines = [line.text for line in run.logs(STEP)]
        assert "taking 8" in lines
        assert not [line for line in lines if FRAME.strip() in line]
        bell.touch()
        state = project.finish(run)
        assert state.status is Status.SUCCEEDED, state
        ended = ItemCounts(total=4, done=3, failed=1, running=0)
        assert state.steps[STEP].items == ended
        assert other.fresh(run.id).state.steps[STEP].items == ended
        spec = project.provider.run_spec(run.id)
        assert spec is not None
        assert {one.name: one.group for one in spec.steps} == {
            "listed": UNSET, STEP: "inner", "inner-told": "inner", "add": UNSET,
        }  # fmt: skip
        failure = {"item": 1, "type": "ValueError", "message": "nothing to halve"}
        values = project.values(run)
        assert values[f"{STEP}.results"] == [4.0, 2.0, 4.5]
        assert values[f"{STEP}.failures"] == [failure]
        assert values["inner-told"] == values["add"] - 1 == 3
        assert "left out item 1: nothing to halve (ValueError)" in [
            line.text for line in run.logs(STEP)
        ]
        again = project.finish(project.submit("halves", numbers=NUMBERS, bell=str(bell)))
        assert set(statuses(again).values()) == {"cached"}
        assert again.steps[STEP].items is None
