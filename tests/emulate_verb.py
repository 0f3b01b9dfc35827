"""`waterflow emulate` as a process: run to its end, or started and looked at while it runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from waterflow.emulation.door import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["answers", "emulate", "entry", "exported", "started", "without_a_way_out"]

_VERB = [sys.executable, "-m", "waterflow.cli", "emulate"]
_WALLS = ["unshare", "-r", "-n"]
_LOOPBACK = """
import fcntl, socket, struct
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", UP_AND_RUNNING, b""))
"""


def emulate(*arguments: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the verb to its end."""
    return subprocess.run(
        [*_VERB, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **more,
    )


def without_a_way_out(
    emulator: str, client: str, cwd: Path, *unset: str
) -> subprocess.CompletedProcess[str]:
    """Run a client by the verb in a network that has a loopback and nothing else.

    The client ends well, and is refused https://elsewhere.example once.

    Args:
        emulator: The verb's emulator.
        client: The client's program.
        cwd: The folder that it runs in.
        unset: Variables of the emulator's that the client does not get.
    """
    if shutil.which("unshare") is None or subprocess.run([*_WALLS, "true"], check=False).returncode:
        pytest.skip("the kernel lets nobody make a network namespace (unshare)")
    (cwd / "client.py").write_text(client)
    variables = [part for name in unset for part in ("-u", name)]
    verb = [*_VERB, emulator, "--", "env", *variables, sys.executable, "client.py"]
    script = f"{shlex.join([sys.executable, '-c', _LOOPBACK])}; {shlex.join(verb)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(RECORD, raising=False)
        done = subprocess.run(
            [*_WALLS, "sh", "-ec", script],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "elsewhere.example (1x). To let them through: --allow elsewhere.example" in done.stderr
    return done


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the verb, to be ended by the test; whatever happens, it ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **more: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*_VERB, *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **more,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=300)


def answers(url: str) -> bool:
    """Say whether there is an answer; no proxy of this machine's comes between."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except OSError:
        return False


def entry(process: subprocess.Popen[str], key: str) -> str:
    """Read what the verb prints with `--json` as far as an entry, and return its value."""
    while f'"{key}"' not in (line := process.stdout.readline()):  # type: ignore[union-attr]
        assert line, process.stderr.read()  # type: ignore[union-attr]
    return json.loads("{" + line.rstrip().rstrip(",") + "}")[key]


def exported(
    process: subprocess.Popen[str], *variables: str, **outer: str
) -> tuple[list[str], list[str]]:
    """Read the lines for a shell that the verb prints.

    Args:
        process: The verb.
        variables: Whose values a shell is asked for when it has taken the lines.
        outer: Variables that the shell has before.

    Returns:
        The lines, and the variables' values; empty for one that is not set.
    """
    lines: list[str] = []
    while not lines or not lines[-1].startswith("unset "):
        lines.append(process.stdout.readline())  # type: ignore[union-attr]
        assert lines[-1], process.stderr.read()  # type: ignore[union-attr]
    script = "".join(lines) + f'echo "{"|".join(f"${name}" for name in variables)}"'
    output = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **outer},
    ).stdout
    return lines, output.strip("\n").split("|")
