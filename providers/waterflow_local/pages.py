"""Which pages of memory every attempt uses, so that a process in waiting has its own of them.

A forked process shares each page with the one it comes from until it writes to it; then the kernel
copies it, and the process waits. Attempts write to mostly the same two thousand pages: the first
three that end tell which, and a process that is forked ahead has those copied while it waits that
two of them have used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import mmap
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAGE: Final = mmap.PAGESIZE
_SIZE: Final = 1 << 17
"""Bytes of the memory that the processes share: lessons, number of ranges, ranges."""
_HEAD: Final = struct.Struct("QQ")
_RANGE: Final = struct.Struct("QIHH")
"""Address, bytes, what to ask for, and of how many lessons, up to those that are enough."""
_LESSONS: Final = 3
_ENOUGH: Final = 2
_ENTRY: Final = 8
"""Bytes of an entry of /proc/self/pagemap."""
_LONGEST: Final = 1 << 14
"""Pages of one mapping that are looked at: an allocator may have reserved gigabytes."""
_MOST: Final = 1 << 18
"""Pages of all that are looked at: an attempt that has more is not short, and tells nothing."""
_READ: Final = 22
_WRITE: Final = 23
"""MADV_POPULATE_READ and MADV_POPULATE_WRITE, which Linux has since 5.14; others refuse them."""
_USED: Final = {
    b"rw-p": (_WRITE, re.compile(rb"\x81+")),
    b"r-xp": (_READ, re.compile(rb"[\xa0\xa1]+")),
    b"r--p": (_READ, re.compile(rb"[\xa0\xa1]+")),
}
"""For pages with these rights: what to ask for, and the highest byte of the entries of those that
are there, and are of no file and this process's alone where they can be written to, else of a file:
https://docs.kernel.org/admin-guide/mm/pagemap.html
"""


class UsedPages:
    """The pages that attempts use, known to all forks of the process that made it."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _SIZE)
        self._madvise = ctypes.CDLL(None).madvise
        self._madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def learn(self) -> None:
        """Tell which pages this process has used since it was forked, while that is news."""
        lessons, _ = _HEAD.unpack_from(self._shared)
        if lessons == _LESSONS:
            return
        pages = {
            (page, advice): times
            for address, size, advice, times in self._ranges()
            for page in range(address // _PAGE, (address + size) // _PAGE)
        }
        with contextlib.suppress(OSError):
            for page in _used():
                pages[page] = min(pages.get(page, 0) + 1, _ENOUGH)
        room = (_SIZE - _HEAD.size) // _RANGE.size
        ranges = list(itertools.islice(_joined(sorted(pages.items())), room))
        for index, one in enumerate(ranges):
            _RANGE.pack_into(self._shared, _HEAD.size + index * _RANGE.size, *one)
        _HEAD.pack_into(self._shared, 0, lessons + 1, len(ranges))

    def take(self) -> None:
        """Have this process's own copies of those pages, once they are known."""
        madvise = self._madvise
        for address, size, advice, times in self._ranges():
            if times == _ENOUGH:
                madvise(address, size, advice)

    def _ranges(self) -> Iterator[tuple[int, int, int, int]]:
        _, count = _HEAD.unpack_from(self._shared)
        return _RANGE.iter_unpack(self._shared[_HEAD.size : _HEAD.size + count * _RANGE.size])


@functools.cache
def shared() -> UsedPages:
    """Return the pages that forks of this process use, or of the one that it was forked from."""
    return UsedPages()


def _used() -> Iterator[tuple[int, int]]:
    """Yield the pages that this process has used since it was forked, and what to ask for.

    All is looked at before the first is told: what takes memory afterwards does not count.
    """
    mappings = list(_mappings())
    count = sum(count for _, count, _ in mappings)
    if not 0 < count < _MOST:
        return
    with (
        mmap.mmap(-1, count * _ENTRY) as entries,
        Path("/proc/self/pagemap").open("rb", buffering=0) as file,
    ):
        at = 0
        with memoryview(entries) as view:
            for start, count, _ in mappings:
                with view[at : at + count * _ENTRY] as part:
                    os.preadv(file.fileno(), [part], start * _ENTRY)
                at += count * _ENTRY
        at = 0
        for start, count, rights in mappings:
            advice, used = _USED[rights]
            highest = entries[at + _ENTRY - 1 : at + count * _ENTRY : _ENTRY]
            at += count * _ENTRY
            for match in used.finditer(highest):
                yield from ((start + index, advice) for index in range(*match.span()))


def _mappings() -> Iterator[tuple[int, int, bytes]]:
    """Yield those of this process's mappings whose pages count: first page, number, rights."""
    for line in Path("/proc/self/maps").read_bytes().splitlines():
        addresses, rights, *_ = line.split(maxsplit=2)
        if rights in _USED:
            start, end = (int(one, 16) // _PAGE for one in addresses.split(b"-"))
            yield start, min(end - start, _LONGEST), rights


def _joined(
    pages: Iterable[tuple[tuple[int, int], int]],
) -> Iterator[tuple[int, int, int, int]]:
    """Yield neighbouring pages of which the same holds as one range, as it is shared."""
    first = count = advice = times = 0
    for (page, what), often in pages:
        if count and (page, what, often) == (first + count, advice, times):
            count += 1
            continue
        if count:
            yield first * _PAGE, count * _PAGE, advice, times
        first, count, advice, times = page, 1, what, often
    if count:
        yield first * _PAGE, count * _PAGE, advice, times
