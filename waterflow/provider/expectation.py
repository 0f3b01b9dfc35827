"""What a step is expected to do in a run that is yet to be started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Foreseen = Literal["cached", "will run", "skipped", "unknown"]
"""What a step is expected to do: see `Expectation`."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a step of a run that is yet to be started is expected to do.

    It says what is so now: whatever runs, ends or expires until the run begins may change it.

    Attributes:
        cache: "cached" when an earlier result will stand for it; "will run" when none can;
            "skipped" when a gate keeps it from running; "unknown" when only the run can tell.
        run: The run that made the result which will stand for it, where that is known.
        why: Why it will run: what differs from the earlier result of it, as far as that is known.
    """

    cache: Foreseen = "unknown"
    run: str | None = None
    why: tuple[str, ...] = ()
