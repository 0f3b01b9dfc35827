"""A process that holds imported libraries, computes nothing, and forks who needs them.

The helper has one for each stock of libraries. It has one thread, imports no code of the user's
and forks only while each file that it has imported is the one it imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from waterflow.warm import identity, likeness, wire

if TYPE_CHECKING:
    from waterflow.warm.identity import Loaded

STALE: Final = 3
"""Exit code of a holder that has imported what is no longer so."""
THREADED: Final = 4
"""Exit code of a holder whose libraries have started threads: a fork would lack them."""

_PR_SET_PDEATHSIG: Final = 1


def hold(orders: socket.socket, stock: dict[str, Any], loaded: Loaded) -> NoReturn:
    """Import what is to be held, then fork whenever the helper asks, until it is gone.

    Args:
        orders: Where the helper asks.
        stock: What is to be held: `prepare` names the function that imports it, as
            `module:function`, which is called with the stock.
        loaded: The files that were imported already.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with the helper
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how its forks have ended
    before = dict(os.environ)
    with contextlib.suppress(Exception):  # who is forked imports it again, and tells its own log
        _named(stock["prepare"])(stock)
    brought = {name: v for name, v in os.environ.items() if before.get(name) != v}
    identity.leave_out(brought)
    loaded.note()
    gc.collect()
    gc.freeze()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        os._exit(THREADED)
    while True:
        message, files = wire.receive(orders)
        if message is None:
            os._exit(0)
        if loaded.stale():
            os._exit(STALE)
        if os.fork() == 0:
            _be(orders, files, brought)
        for file in files:
            os.close(file)


def _named(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _be(orders: socket.socket, files: list[int], brought: dict[str, str]) -> NoReturn:
    """Go on, in the fork, as what the request asks for."""
    code = 1
    try:
        request, connection, log, *more = files
        document = wire.unpacked(request)
        os.close(request)
        orders.close()
        if "like" in document:  # a library that sets variables would have done so there, too
            variables = document["process"]["environment"]
            document["process"]["environment"] = brought | variables
        likeness.assume(document["process"], log, document["nice"])
        os.close(log)
        with socket.socket(fileno=connection) as asker:
            _named(document["call"])(asker, document, *more)
        code = 0
    except BaseException:  # noqa: BLE001 - it ends here in any case, and its log is to say why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
