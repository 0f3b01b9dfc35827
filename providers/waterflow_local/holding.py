"""What the project's helper holds for runs of this machine, and what its forks go on as."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow_local import forkserver, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COMMANDS: Final = (
    "waterflow.cli.warmed", "waterflow.cli.verbs.run", "waterflow.cli.targets",
    "waterflow.cli.outcome", "waterflow.cli.watch", "waterflow.cli.progress",
    "waterflow.cli.log_view", "waterflow_local.provider", "waterflow_local.__main__",
    "waterflow.artifacts.advice", "packaging.requirements", "rich.live", "rich.table",
)  # fmt: skip
"""What `waterflow run` needs besides, which is forked from what the steps are."""
_WHOLE: Final = (
    "waterflow.graph", "waterflow.language", "waterflow.packing", "waterflow.runs",
    "waterflow.spec",
)  # fmt: skip
"""Packages of which it may need any module."""
_DEFAULT: Final = "Default"
"""The experiment that MLflow makes in every store of its own."""
_SENDING: Final = ("waterflow.tracking.writer", "waterflow.tracking.replay")


def steps(modules: Iterable[str], folders: Iterable[str]) -> dict[str, Any]:
    """Return what the fork server of a user's steps needs.

    Args:
        modules: The libraries that the steps import.
        folders: From where nothing may be imported.
    """
    held = _stock((*forkserver.MODULES, *_COMMANDS), modules, folders)
    return held | {"whole": list(_WHOLE), "attempts": True}


def registry(
    modules: Iterable[str], without: Iterable[str], folders: Iterable[str], uri: str, state: Path
) -> dict[str, Any]:
    """Return what the fork server of register steps needs.

    Args:
        modules: MLflow, and what registering imports.
        without: The libraries that MLflow is to go without.
        folders: From where nothing may be imported.
        uri: Where MLflow is.
        state: The project's state folder.
    """
    held = _stock(forkserver.MODULES, modules, folders)
    return held | {"without": sorted(without)} | _store(uri, state)


def sending(folders: Iterable[str], uri: str, state: Path) -> dict[str, Any]:
    """Return what the writer of a run's tracking needs.

    Args:
        folders: From where nothing may be imported.
        uri: Where MLflow is.
        state: The project's state folder.
    """
    return _stock(_SENDING, (), folders) | {"lean": True} | _store(uri, state)


def _stock(own: Iterable[str], modules: Iterable[str], folders: Iterable[str]) -> dict[str, Any]:
    return {
        "prepare": f"{__name__}:prepare",
        "own": list(own),
        "whole": [],
        "modules": sorted(modules),
        "folders": _telling(folders),
        "without": [],
        "lean": False,
        "attempts": False,
        "store": "",
        "state": "",
    }


def _store(uri: str, state: Path) -> dict[str, str]:
    # A server is nobody's to knock at before a run does.
    return {"store": uri, "state": str(state)} if uri.startswith("sqlite:") else {}


def _telling(folders: Iterable[str]) -> list[str]:
    """Return which of the folders something would be imported from, were they not named."""
    reached = {os.path.realpath(entry) for entry in sys.path if entry}
    return sorted({folder for folder in folders if folder in reached or paths.is_editable(folder)})


# --- in the helper --------------------------------------------------------------------------------


def prepare(stock: dict[str, Any]) -> None:
    """Import what is to be held.

    Args:
        stock: What one of the functions above has returned.
    """
    from waterflow.tracking import distributions, lean, managed

    for name in (*stock["own"], *_in(stock["whole"])):
        # Before the folders go: Waterflow may lie in one.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    paths.drop(stock["folders"])
    if stock["lean"]:
        lean.import_mlflow()
    else:
        distributions.owners()  # what is installed is read once, and what it names for MLflow
        managed.managed("sqlite:///")
    with lean.hidden(stock["without"]):
        for name in stock["modules"]:
            with contextlib.suppress(Exception):  # the step itself will tell, in its own log
                importlib.import_module(name)
    if stock["attempts"]:
        from waterflow_local import pages, rehearsal  # the command imports this module, too

        rehearsal.play()
        pages.shared()
    if stock["store"]:
        _open_store(stock["store"], Path(stock["state"]))


def _in(packages: Iterable[str]) -> Iterator[str]:
    """Yield the modules of packages."""
    for package in packages:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            yield f"{package}.{module.name}"


def _open_store(uri: str, state: Path) -> None:
    """Use an MLflow store of this machine once: what that imports and prepares stays.

    No connection does: a fork must not share one with its parent.
    """
    from sqlalchemy import Engine

    from waterflow.tracking import store
    from waterflow.tracking.client import connect, experiment_id, find_parent

    try:
        store.prepare(uri, state)
        client = connect(uri)
        find_parent(client, experiment_id(client, _DEFAULT), "none")
        client.search_registered_models(max_results=1)
    finally:
        for one in gc.get_objects():
            if isinstance(one, Engine):
                one.dispose()


def serve_launcher(runner: socket.socket, _document: dict[str, Any]) -> None:
    """Be the fork server of one run, in a fork of what `steps` or `registry` describe."""
    from waterflow_local import launcher

    launcher.run(runner)


def write(runner: socket.socket, document: dict[str, Any], lock: int) -> None:
    """Send one run to MLflow, in a fork of what `sending` describes.

    Args:
        runner: Where its runner hears this process's id, and that all was done that can be.
        document: Names the run's folder.
        lock: The descriptor that holds the run's sending lock.
    """
    from waterflow.tracking import lean, writer

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runner.sendall(f"{os.getpid()}\n".encode())

    def deserted() -> bool:
        try:
            return not runner.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    with lean.sparing():
        writer.write(Path(document["folder"]), lock, deserted)
    with contextlib.suppress(OSError):
        runner.sendall(b"done\n")
