"""Sizes and durations as people write them: "16GiB", "2h", 4 cores, one T4."""

from __future__ import annotations

import re
from typing import Any, Final

from waterflow.errors import DefinitionError

_UNITS: Final = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40,
}  # fmt: skip
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_size(value: int | str, what: str) -> int:
    """Return a size in bytes.

    Args:
        value: Bytes, or text such as "512MiB" (binary) or "16GB" (decimal).
        what: The setting's name, for the message.

    Raises:
        DefinitionError: It is no size, or not above zero.
    """
    number: float | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", value)
        if match and match[2].lower() in _UNITS:
            number = float(match[1]) * _UNITS[match[2].lower()]
    if number is None or number <= 0:
        raise DefinitionError(f'{what}={value!r} is not a size. Write for example {what}="16GiB".')
    return int(number)


def parse_duration(value: float | str, what: str) -> float:
    """Return a duration in seconds.

    Args:
        value: Seconds, or text such as "90s", "30m", "2h", "1h30m", "1d".
        what: The setting's name, for the message.

    Raises:
        DefinitionError: It is no duration, or not above zero.
    """
    seconds: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", value.lower())
        if parts and not re.sub(r"(\d+(?:\.\d+)?)\s*([smhd])", "", value.lower()).strip():
            seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds is None or not 0 < seconds < float("inf"):
        raise DefinitionError(f'{what}={value!r} is not a duration. Write for example {what}="2h".')
    return seconds


def parse_gpu(value: int | str | None) -> tuple[int, str | None] | None:
    """Return how many accelerators of which kind.

    Args:
        value: A count, a kind ("nvidia-t4"), or both ("nvidia-t4:2"); None or 0 for none.

    Raises:
        DefinitionError: It is none of these.
    """
    if value is None or value == 0:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, None
    if isinstance(value, str):
        match = re.fullmatch(r"([a-z][a-z0-9-]*)(?::([1-9]\d*))?", value)
        if match:
            return int(match[2] or 1), match[1]
    raise DefinitionError(f'gpu={value!r} is not understood. Write gpu=1 or gpu="nvidia-t4:2".')


def check_count(value: Any, what: str, least: int) -> int:
    """Return a whole number that is at least `least`.

    Raises:
        DefinitionError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DefinitionError(f"{what}={value!r} is not a whole number of at least {least}.")
    return value


def check_cpu(value: Any) -> float:
    """Return a number of virtual CPUs.

    Raises:
        DefinitionError: It is no positive number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 10_000:
        raise DefinitionError(f"cpu={value!r} is not a positive number of virtual CPUs.")
    return float(value)
