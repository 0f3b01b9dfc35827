"""`waterflow ui`: the MLflow UI on the store in use."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

HOST: Final = "127.0.0.1"
PORT: Final = 5000
_PATIENCE: Final = 90.0
"""Seconds that the server has to answer for the first time."""
_GRACE: Final = 5.0
"""Seconds that the server has to end by itself."""
_LOOK: Final = 500
"""Milliseconds between two looks at the server."""


@click.command("ui")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help=f"Default: {PORT}, or a free one when that is taken.",
)
@click.option("--no-open", is_flag=True, help="Open no browser.")
@options.profile
def command(port: int | None, no_open: bool, profile: str | None) -> None:
    """Show the runs and models of this project in MLflow's own UI.

    It ends with Ctrl-C, and with its terminal.
    """
    from waterflow.cli.project import here
    from waterflow.project import state_folder
    from waterflow.project.profile import load
    from waterflow.tracking.managed import managed
    from waterflow.tracking.store import prepare, resolve_uri

    root = here()
    state = state_folder(root)
    uri = resolve_uri(load(root, profile).tracking_uri, os.environ, state)
    elsewhere = managed(uri)
    if elsewhere is not None:
        click.echo(f"The runs are tracked in {uri}: {elsewhere.pages}.")
        return
    if uri.startswith(("http:", "https:")):
        click.echo(f"The runs are tracked at {uri}")
        if not no_open:
            click.launch(uri)
        return
    if uri.startswith(("databricks", "uc")):
        click.echo(f"The runs are tracked in {uri}: open the workspace's own UI.")
        return
    prepare(uri, state)
    with _port(port) as chosen, _server(uri, chosen) as server:
        url = f"http://{HOST}:{chosen}"
        _await(server, url)
        click.echo(f"MLflow UI on {url} ({uri}); Ctrl-C ends it")
        if not no_open:
            click.launch(url)
        with contextlib.suppress(KeyboardInterrupt):
            _stay(server)


@contextlib.contextmanager
def _port(number: int | None) -> Generator[int]:
    """Give the port to use, kept from other calls of this command while the block runs.

    A server takes a while to listen: until then another call would find the port free, and then
    show the pages of the server that came first.

    Raises:
        ConfigurationError: The one asked for is taken.
    """
    for wish in (number or PORT, *(() if number else (0,))):
        port = _free(wish)
        if port is None:
            continue
        with _reserved(port) as ours:
            if ours:
                yield port
                return
    from waterflow.errors import ConfigurationError

    raise ConfigurationError(f"Port {number} is taken. Leave --port out, or name another one")


def _free(port: int) -> int | None:
    """Return the port, any for 0, or None where somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    return None


@contextlib.contextmanager
def _reserved(port: int) -> Generator[bool]:
    """Reserve a port among this user's calls; say whether nobody else has."""
    lock = Path(tempfile.gettempdir()) / f"waterflow-ui-{os.getuid()}-{port}.lock"
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def _server(uri: str, port: int) -> Generator[subprocess.Popen[bytes]]:
    """Run MLflow's server; it and its children end with the block, however that ends.

    Between the two stands a keeper, which ends the server when this process is gone, be it killed.
    """
    # The job workers, which nothing here uses, take 2 GB of memory.
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command_line = [
        sys.executable,
        "-m",
        "waterflow.tracking.serving",
        "--backend-store-uri",
        uri,
        "--host",
        HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Who has it ignore the terminal's end, as nohup does, means it.
    ending = [signal.SIGTERM]
    ending += [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    before = {number: signal.signal(number, interrupt) for number in ending}
    # A session of its own: Ctrl-C reaches us alone, and all its processes can be stopped at once.
    server = subprocess.Popen(
        [sys.executable, "-m", "waterflow.cli.keeper", str(_GRACE), *command_line],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        for number in ending:  # a second one is not to break off what ends the server
            signal.signal(number, signal.SIG_IGN)
        assert server.stdin is not None  # noqa: S101 - it is a pipe, for the type checker
        server.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(2 * _GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stay(server: subprocess.Popen[bytes]) -> None:
    """Stay until the server has ended, or nobody is there any more: the terminal has hung up.

    Raises:
        TrackingError: The server has ended by itself.
    """
    hung_up = select.poll()
    if _may_hang_up(0):
        hung_up.register(0, 0)  # what is typed is no event
    while server.poll() is None:
        if any(events & (select.POLLHUP | select.POLLERR) for _, events in hung_up.poll(_LOOK)):
            return
    raise _ended(server)


def _may_hang_up(descriptor: int) -> bool:
    """Say whether the other side of a descriptor can go away: a terminal's, a pipe's, ssh's."""
    with contextlib.suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
    return False


def _await(server: subprocess.Popen[bytes], url: str) -> None:
    import urllib.request

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - our own server
            return
        time.sleep(0.1)
    raise _ended(server)


def _ended(server: subprocess.Popen[bytes]) -> Exception:
    from waterflow.errors import TrackingError

    code = server.poll()
    what = "does not answer" if code is None else f"ended with exit code {code}"
    return TrackingError(
        f"MLflow's server {what}. See why: {sys.executable} -m mlflow server --help"
    )
