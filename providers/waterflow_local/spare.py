"""A process that is forked ahead of the attempt that it will be, and is told then which it is."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Spare:
    """A process that waits for an attempt to be.

    Attributes:
        pid: Its id.
        order: The writing end of the pipe from which it reads which.
    """

    pid: int
    order: int

    @classmethod
    def fork(cls, fork: Callable[[Callable[[], None]], int], wait: Callable[[int], None]) -> Spare:
        """Fork a process that waits.

        Args:
            fork: Forks a process that does what it is given, and returns its id.
            wait: What the process does, given the reading end of the pipe; it never returns.
        """
        orders, order = os.pipe()

        def be() -> None:
            os.close(order)
            wait(orders)

        pid = fork(be)
        os.close(orders)
        return cls(pid, order)

    def use(self, request: dict[str, Any]) -> bool:
        """Tell it which attempt it is; False where it has ended before.

        Args:
            request: The attempt, as for the fork server.
        """
        try:
            with os.fdopen(self.order, "wb") as order:
                order.write(json.dumps(request).encode())
        except BrokenPipeError:
            return False
        return True

    def close(self) -> None:
        """Let go of the pipe: a process that waits at its other end ends."""
        os.close(self.order)


def awaited(orders: int) -> dict[str, Any] | None:
    """Wait until it is known which attempt this process is; None where it is to be none.

    Args:
        orders: The reading end of the pipe.
    """
    with os.fdopen(orders, "rb") as stream:
        text = stream.read()
    return json.loads(text) if text else None
