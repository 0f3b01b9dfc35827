"""Runs a command in a fork of the project's helper, where libraries are imported already.

This process stays the one that the shell sees: it hands its streams over, passes signals on, and
ends as the fork does. Without a helper, or where one cannot serve, the command runs here.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

_VERBS: Final = ("run", "submit", "plan")
"""Verbs that import a pipeline's libraries to trace it, and are typed again and again."""
_HERE: Final = ("--inline", "-h", "--help")
"""What keeps a command in this process."""
_PATIENCE: Final = 2.0
_EXIT: Final = b"exit"
_PASSED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LARGEST: Final = 64


def hand_over(words: Sequence[str]) -> int | None:
    """Let a fork of the helper run a command, and return its exit code; None to run it here.

    Args:
        words: The command line.
    """
    if sys.platform != "linux" or len(words) < 3 or words[1] not in _VERBS:
        return None
    if any(word in _HERE for word in words) or "_WATERFLOW_COMPLETE" in os.environ:
        return None
    from waterflow.project import find_root, state_path
    from waterflow.warm import asking

    with contextlib.suppress(OSError):
        helper = asking.living(state_path(find_root(_place(words[2:]))), os.environ)
        if helper is not None:
            with contextlib.closing(helper):
                return _followed(helper, words)
    return None


def _place(words: Sequence[str]) -> Path:
    """Return the file or folder that a command names, from which its project is found."""
    for word in words:
        for text in (word, word.rpartition(":")[0]):
            if text and not text.startswith("-") and Path(text).exists():
                return Path(os.path.abspath(text))  # noqa: PTH100 - links stay as they are named
    return Path.cwd()


def _followed(helper: Any, words: Sequence[str]) -> int | None:
    from waterflow.warm import wire

    document = {
        "call": f"{__name__}:be",
        "like": "steps",
        "nice": 0,
        "words": list(words),
        "path": sys.path,
    }
    fork = helper.fork("command", document, os.environ, [2, 0, 1, 2], socket.SOCK_SEQPACKET)
    if fork is None:
        return None
    with fork:
        pid = wire.go(fork, _PATIENCE)
        return None if pid is None else _attended(fork, int(pid))


def _attended(fork: socket.socket, pid: int) -> int:
    """Pass signals on until the fork has ended, and return its exit code."""
    passed: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        passed.append(number)
        with contextlib.suppress(OSError):
            fork.send(str(number).encode())

    def pause(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    for number in _PASSED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    signal.signal(signal.SIGTSTP, pause)
    with contextlib.suppress(ConnectionError):
        word, _, code = fork.recv(_LARGEST).partition(b" ")
        if word == _EXIT:
            return int(code)
    number = passed[-1] if passed else signal.SIGKILL  # it was killed, and so is this
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


# --- in the fork ----------------------------------------------------------------------------------


def be(asker: socket.socket, document: dict[str, Any], *streams: int) -> None:
    """Run the command that was handed over.

    Args:
        asker: The other end is the process that the shell sees.
        document: The command line, and the import path of that process.
        streams: Its standard input, output and error.
    """
    from waterflow.warm import likeness, wire

    likeness.renew_streams(*streams)
    for stream in streams:
        os.close(stream)
    sys.argv[:] = document["words"]
    sys.path[:] = document["path"]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    if _shadowed(document["path"]):
        return
    if not wire.ready(asker, str(os.getpid())):
        return
    threading.Thread(target=_heed, args=(asker,), daemon=True).start()
    # What was registered before is of what the helper holds, and its to end.
    atexit._clear()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    code = _run()
    asker.sendall(_EXIT + f" {code}".encode())


def _shadowed(path: Sequence[str]) -> bool:
    """Say whether the user's own tree has a module of the name of one that is imported already."""
    tops = {name.partition(".")[0] for name in sys.modules}
    for folder in {*path, str(Path.cwd()), str(Path.cwd() / "src")}:
        if not folder or folder.endswith(("site-packages", "dist-packages")):
            continue
        with contextlib.suppress(OSError), os.scandir(folder) as listing:
            for entry in listing:
                name = entry.name.partition(".")[0]
                file = getattr(sys.modules.get(name), "__file__", None) if name in tops else ""
                if file and not str(file).startswith(entry.path) and _importable(entry):
                    return True
    return False


def _importable(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".py") or Path(entry.path, "__init__.py").is_file()


def _heed(asker: socket.socket) -> NoReturn:
    """Take the signals that are passed on, and end with who passes them."""
    while True:
        with contextlib.suppress(ConnectionError):
            if number := asker.recv(_LARGEST):
                os.kill(os.getpid(), int(number))
                continue
        os._exit(1)


def _run() -> int:
    """Run the command line as a process of its own would, and return its exit code."""
    from waterflow.cli import cli

    code: Any = 1
    try:
        cli(prog_name="waterflow")
    except SystemExit as ending:
        code = ending.code
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        try:
            sys.stdout.flush()
        except OSError:
            code = code or 120  # as Python itself says it
    return code if isinstance(code, int) else int(code is not None)
