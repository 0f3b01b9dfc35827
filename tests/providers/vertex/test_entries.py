"""Log entries of one log and one moment come in the order in which they were written."""

from __future__ import annotations

import pytest
from waterflow_vertex.emulator.entries import Logs, entry


@pytest.mark.parametrize("newest", [False, True])
def test_entries_of_one_moment_keep_their_order(newest: bool) -> None:
    logs = Logs()
    for number in range(200):
        text = {"message": str(number)}
        logs.add([entry("projects/p/logs/l", "2026-01-01T00:00:00.123456Z", text)])
    listed = logs.find(lambda _: True, {"projects/p"}, newest=newest)
    numbers = [int(one["jsonPayload"]["message"]) for one in listed]
    assert numbers == sorted(range(200), reverse=newest)
