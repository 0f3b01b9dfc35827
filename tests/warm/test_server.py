"""The helper itself, in this process: who may ask, when it ends, what it shows."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from waterflow.warm import asking, identity, server, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Join = Callable[[], socket.socket]


class Clock:
    """A clock that a test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / ("deep" * 30)  # longer than an address of a socket may be
    folder.mkdir()
    return folder / f"{'0' * 16}.sock"


@pytest.fixture
def helper(place: Path, clock: Clock) -> Iterator[server.Helper]:
    helper = server.Helper(wire.listen(place), place, 600.0, identity.Loaded(), clock)
    yield helper
    helper.end()


@pytest.fixture
def join(helper: server.Helper, place: Path) -> Iterator[Callable[[], socket.socket]]:
    """Return what connects to the helper as a run does."""
    with contextlib.ExitStack() as stack:

        def connected() -> socket.socket:
            connection = wire.connect(place, 1)
            assert connection is not None
            helper.turn(0)
            return stack.enter_context(connection)

        yield connected


def test_only_this_user_reaches_it(helper: server.Helper, place: Path, join: Join) -> None:
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert wire.peer_is_own(join())


def test_another_user_is_sent_away(
    helper: server.Helper, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert not wire.peer_is_own(ours)
        assert wire.connect(place, 1) is None, "a socket that another user listens at"
        helper.turn(0)
        assert helper.left() is not None


def test_it_ends_when_nobody_has_used_it(
    helper: server.Helper, place: Path, join: Join, clock: Clock
) -> None:
    clock.now = 590.0
    run = join()
    clock.now = 5000.0
    helper.turn(0)
    assert (helper.over, helper.left()) == (False, None)
    run.close()
    helper.turn(0)
    clock.now += 599.0
    helper.turn(0)
    assert (helper.over, helper.left()) == (False, 1.0)
    clock.now += 1.0
    helper.turn(0)
    assert helper.over


def test_to_look_at_it_is_not_to_use_it(
    helper: server.Helper, place: Path, join: Join, clock: Clock
) -> None:
    clock.now = 599.0
    looker = join()
    wire.send(looker, {"do": "show"})
    helper.turn(0)
    answer, _ = wire.receive(looker)
    assert answer is not None
    assert (answer["pid"], answer["runs"], answer["left"]) == (os.getpid(), 0, 1.0)
    looker.close()
    helper.turn(0)
    clock.now = 600.0
    helper.turn(0)
    assert helper.over


@pytest.mark.parametrize("how", ["removed", "another's", "stopped"])
def test_it_ends_with_its_socket(how: str, helper: server.Helper, place: Path, join: Join) -> None:
    run = join()
    if how == "stopped":
        wire.send(run, {"do": "stop"})
    else:
        place.unlink()
    if how == "another's":
        wire.listen(place).close()
    helper.turn(0)
    assert helper.over
    helper.end()
    assert place.exists() is (how == "another's")
    with pytest.raises(ConnectionError):
        wire.send(run, {"do": "show"})


@pytest.mark.parametrize("message", [{"do": "dance"}, {}, {"do": "fork", "for": "x"}, []])
def test_what_it_does_not_understand_harms_nobody(
    message: object, helper: server.Helper, place: Path, join: Join
) -> None:
    run = join()
    wire.send(run, message)  # type: ignore[arg-type]
    helper.turn(0)
    helper.turn(0)
    assert not helper.over
    other = join()
    wire.send(other, {"do": "show"})
    helper.turn(0)
    assert wire.receive(other)[0] is not None


def test_a_place_without_sockets_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "warm").write_text("a file where the folder should be")
    assert asking.helper(tmp_path, 600.0, {}, {}) is None
    assert list(asking.shown(tmp_path, {})) == []
    assert asking.stop(tmp_path, {}) == 0
