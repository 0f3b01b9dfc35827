"""What takes long says so: lines that the command line shows, and that programs may log."""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = logging.getLogger("waterflow.progress")
"""Gets each line at level INFO, which Python drops unless a program asks for it."""

MUCH: Final = 16 * 1024 * 1024
"""Bytes whose way over a network is worth a line."""


def tell(line: str) -> None:
    """Say what begins now and may take long.

    Args:
        line: One sentence without a full stop, such as "Uploading 42 wheels, 310 MiB".
    """
    LOGGER.info("%s", line)
