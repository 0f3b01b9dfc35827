"""The heap of a process that is forked: what is free in it is used up before."""

from __future__ import annotations

import ctypes
from typing import Final

_GRAIN: Final = 16
_OVERHEAD: Final = 8
_LARGE: Final = 1040
"""Bytes by which glibc's blocks differ, which it needs for itself, and above which it keeps one bin
for several sizes: https://sourceware.org/glibc/wiki/MallocInternals
"""
_FILLED: Final = 2**21
_ROW: Final = 8
"""Bytes that are taken at most; neighbours of one size by which the heap's end is known."""


def fill_holes() -> None:
    """Use up what is free within this process's heap, for good: at most two megabytes.

    A fork's small blocks then lie together, on pages that are new, where holes all over the heap
    would have a page copied for each.
    """
    allocate = ctypes.CDLL(None).malloc
    allocate.argtypes, allocate.restype = (ctypes.c_size_t,), ctypes.c_void_p
    left = _FILLED
    for size in range(_GRAIN, _LARGE, _GRAIN):
        before = in_a_row = 0
        while in_a_row < _ROW and left > 0:  # such a row is no hole any more, but the heap's end
            block = allocate(size - _OVERHEAD) or 0
            in_a_row = in_a_row + 1 if block - before == size else 0
            before = block
            left -= size
