"""Notebooks in a real kernel: their cells are run, and what the kernel sends is kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.utils import ensure_async
from nbclient import NotebookClient
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

CELL_SECONDS = 120


class Kernel(NotebookClient):
    """Runs a notebook in a kernel of its own, which is reached over sockets in a folder.

    Args:
        folder: The notebook's folder.
        cells: Name -> source.
        sockets: A folder with a short path.
        seen: Called with each message of a cell that is running: the cell's name, the message's
            type, its content.
    """

    def __init__(
        self,
        folder: Path,
        cells: Mapping[str, str],
        sockets: Path,
        seen: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source.strip()) for source in cells.values()]
        )
        super().__init__(
            notebook,
            timeout=CELL_SECONDS,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": {"transport": "ipc", "ip": str(sockets / "k")}}),
        )
        self._names = list(cells)
        self._seen = seen
        self.messages: list[tuple[str, str, dict[str, Any]]] = []

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Keep a message and tell of it, before the notebook's own client takes it."""
        message = self._names[cell_index], msg["msg_type"], msg["content"]
        self.messages.append(message)
        self._seen(*message)
        return super().process_message(msg, cell, cell_index)

    def interrupt(self) -> None:
        """Do what a notebook's button "Interrupt the kernel" does."""
        self._interrupting = asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))

    def run(self) -> None:
        """Run all cells; the kernel is gone then."""
        process: list[int] = []
        self.on_notebook_start = lambda **_: process.append(self.km.provisioner.pid)
        try:
            self.execute()
        finally:
            for pid in process:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def outputs(self, name: str) -> list[NotebookNode]:
        """Return what a cell has put out, as the notebook keeps it."""
        return self.nb.cells[self._names.index(name)].outputs

    def sent(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Return the contents of the messages of one type that came while a cell ran."""
        return [content for cell, one, content in self.messages if (cell, one) == (name, kind)]


@contextlib.contextmanager
def settings_of_its_own(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Let kernels neither read nor write what this machine's user has of Jupyter and IPython."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith(("WATERFLOW_", "MLFLOW_", "JPY_"))]:
            patch.delenv(name)
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name.lower()))
        yield patch
