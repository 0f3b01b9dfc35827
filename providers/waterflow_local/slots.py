"""The machine's CPUs and memory, lent to the steps of a run first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Slots:
    """What steps share.

    A step that waits for a large share is not overtaken by later ones with small shares.

    Args:
        cpu: CPUs.
        memory: Bytes.
    """

    def __init__(self, cpu: float, memory: int) -> None:
        self._cpu, self._memory = _milli(cpu), memory
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def take(self, cpu: float, memory: int) -> AsyncGenerator[None]:
        """Hold a share for as long as the block runs.

        Args:
            cpu: CPUs, no more than there are in all.
            memory: Bytes, no more than there are in all.
        """
        share = _milli(cpu)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (share, memory, turn)
        self._waiting.append(entry)
        self._lend()
        try:
            await turn
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._lend()
            else:
                self._return(share, memory)
            raise
        try:
            yield
        finally:
            self._return(share, memory)

    def _return(self, cpu: int, memory: int) -> None:
        self._cpu += cpu
        self._memory += memory
        self._lend()

    def _lend(self) -> None:
        """Give those who wait longest their shares, until one must wait on."""
        while self._waiting:
            cpu, memory, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if cpu > self._cpu or memory > self._memory:
                return
            self._waiting.popleft()
            self._cpu -= cpu
            self._memory -= memory
            turn.set_result(None)


def _milli(cpu: float) -> int:
    """Return thousandths of a CPU: sums of fractions must come out even."""
    return round(cpu * 1000)
