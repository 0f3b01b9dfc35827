"""Reads along in an attempt's log where metrics are looked for: beside it, or in its process."""

from __future__ import annotations

import contextlib
import select
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.runtime.logged import LogReader
from waterflow.runtime.passing import Passing
from waterflow.tracking.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Generator

_PAUSE: Final = 0.2
"""Seconds between two looks at a log that grows."""
_CHUNK: Final = 1 << 16


def follow(request: dict[str, Any], ended: int) -> None:
    """Read an attempt's log while it is written, until the attempt has ended.

    Args:
        request: The request that started the attempt.
        ended: A pipe's reading end, into which something is written when the attempt has ended.
    """
    with Path(request["log"]).open("rb") as log, _reader(request, watched=True) as reader:
        last = False
        while not last:
            last = bool(select.select([ended], [], [], _PAUSE)[0])
            while data := log.read(_CHUNK):
                reader.feed(data)


def run_program(request: dict[str, Any]) -> int:
    """Run a program with this process's own output, read along, and return its exit code."""
    how = {"env": request["environment"], "cwd": request["folder"]}
    with (
        _reader(request, watched=False) as reader,
        Passing(request["program"], reader, **how) as passing,
    ):
        while (code := passing.wait(1.0)) is None:
            pass
        return code


class Along:
    """Reads what this process writes to `sys.stdout` and `sys.stderr`, attempt after attempt.

    The streams stay the same from attempt to attempt: a logging handler keeps the one that it was
    made with.
    """

    def __init__(self) -> None:
        self._out, self._err = _Read(sys.stdout, "stdout"), _Read(sys.stderr, "stderr")

    @contextlib.contextmanager
    def attempt(self, request: dict[str, Any]) -> Generator[None]:
        """Read along while one attempt writes, if metrics are looked for in what it writes."""
        before = sys.stdout, sys.stderr
        reading = _reader(request, watched=False) if request["metrics"] else nullcontext()
        with reading as reader:
            self._out.reader = self._err.reader = reader
            sys.stdout, sys.stderr = self._out, self._err
            try:
                yield
            finally:
                sys.stdout, sys.stderr = before
                self._out.reader = self._err.reader = None


@contextlib.contextmanager
def _reader(request: dict[str, Any], *, watched: bool) -> Generator[LogReader]:
    metrics = request["metrics"]
    owner = {name: metrics[name] for name in ("execution", "step", "attempt")}
    with Spool(request["spool"], **owner) as spool:
        reader = LogReader(metrics["definitions"], spool, watched=watched)
        yield reader
        reader.close()


class _Read:
    """A text stream whose text is read on its way; in all else the stream itself."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name = stream, name
        self.reader: LogReader | None = None

    def write(self, text: str) -> int:
        """Write text."""
        if self.reader is not None:
            self.reader.feed(text.encode("utf-8", "replace"), self._name)
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
