"""When the lines of an attempt's log were written: moments, kept beside the log as it grows."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

_PAUSE: Final = 0.1
"""Seconds between two looks at a log: how exact its times are."""


@contextlib.asynccontextmanager
async def kept(log: Path) -> AsyncGenerator[None]:
    """Keep, while the block runs, when a log had reached which size.

    Args:
        log: The log; it need not be there yet.
    """
    seen = 0

    def look() -> None:
        nonlocal seen
        with contextlib.suppress(OSError):  # a disk that is full costs only the times
            size = log.stat().st_size
            if size > seen:
                with _beside(log).open("a") as file:
                    file.write(f"{size} {int(time.time() * 1000)}\n")
                seen = size

    async def watch() -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            look()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        look()


class Moments:
    """When the bytes of a log were written.

    Args:
        log: The log.
    """

    def __init__(self, log: Path) -> None:
        self._ends: list[int] = []
        self._times: list[int] = []
        with contextlib.suppress(OSError, ValueError):
            for line in _beside(log).read_text().splitlines():
                end, moment = line.split()
                self._ends.append(int(end))
                self._times.append(int(moment))

    def of(self, offset: int) -> int | None:
        """Return when the byte at an offset was there.

        Returns:
            Milliseconds since the epoch; None where nobody looked.
        """
        at = bisect.bisect_right(self._ends, offset)
        return self._times[at] if at < len(self._times) else None


def _beside(log: Path) -> Path:
    return log.with_suffix(".times")
