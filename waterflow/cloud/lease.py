"""Who of several machines may do something: an object in the bucket, renewed while it is done."""

from __future__ import annotations

import fcntl
import threading
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from waterflow.errors import WaterflowError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from waterflow.cloud.objects import Bucket

SECONDS: Final = 60.0
"""Whoever has not renewed a lease for so long is taken for gone."""


class Lease:
    """A lease, held while the block runs if nobody else holds it.

    Args:
        bucket: The bucket.
        name: The object's name.
        folder: The folder of this project's state: what its own processes left is theirs again.

    Attributes:
        held: Whether it is held here; it is lost when a renewal comes too late.
    """

    def __init__(self, bucket: Bucket, name: str, folder: Path) -> None:
        self._bucket, self._name, self._folder = bucket, name, folder
        self._tag = ""
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"lease-{name}", daemon=True)
        self._stack = ExitStack()
        self.held = False

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._stack.enter_context((self._folder / self._name.replace("/", "-")).open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return self  # another process of this project is at it
        machine = self._machine()
        tag = self._bucket.put_if(self._name, machine, None)
        if tag is None:
            holder = self._bucket.read(self._name)
            if holder is None or holder.content == machine or holder.age > SECONDS:
                tag = self._bucket.put_if(self._name, machine, holder.tag if holder else None)
        if tag is not None:
            self._tag, self.held = tag, True
            self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if self._keeper.ident is not None:
                self._done.set()
                self._keeper.join()
            if self.held:
                self._bucket.delete(self._name)

    def _keep(self) -> None:
        while not self._done.wait(SECONDS / 4):
            try:
                tag = self._bucket.put_if(self._name, self._machine(), self._tag)
            except WaterflowError:
                continue  # tried again soon, and well before others take it over
            if tag is None:
                self.held = False
                return
            self._tag = tag

    def _machine(self) -> bytes:
        """Return what this project's state is known by."""
        file = self._folder / "machine"
        try:
            with file.open("x") as new:
                new.write(uuid.uuid4().hex)
        except FileExistsError:
            pass
        return file.read_bytes()
