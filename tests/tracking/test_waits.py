"""What MLflow's client reads from the environment stands there while a block runs, no longer."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from waterflow.tracking.waits import sent_once, short_waits

TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def seen() -> tuple[str | None, str | None]:
    return os.environ.get(TIMEOUT), os.environ.get(RETRIES)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TIMEOUT, raising=False)
    monkeypatch.delenv(RETRIES, raising=False)


def test_the_outer_block_decides_and_nothing_stays() -> None:
    with short_waits(timeout=5, retries=2):
        with short_waits(timeout=9, retries=9):
            assert seen() == ("5", "2")
        with sent_once():
            assert seen() == ("5", "0")
        assert seen() == ("5", "2")
    assert seen() == (None, None)


def test_what_the_user_set_stands_but_where_a_request_must_be_sent_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TIMEOUT, "77")
    monkeypatch.setenv(RETRIES, "7")
    with short_waits():
        assert seen() == ("77", "7")
        with sent_once():
            assert seen() == ("77", "0")
        assert seen() == ("77", "7")
    assert seen() == ("77", "7")


def test_threads_leave_nothing_behind() -> None:
    """One thread's block ends in the middle of another's."""
    steps = Barrier(2)

    def first() -> None:
        with short_waits(timeout=5, retries=2):
            steps.wait()  # the other has begun
            steps.wait()
        steps.wait()  # this block has ended
        steps.wait()

    def second() -> None:
        steps.wait()
        with short_waits(timeout=6, retries=3), sent_once():
            steps.wait()
            steps.wait()
            assert seen() == ("6", "0")
        steps.wait()

    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result(30)
    assert seen() == (None, None)
