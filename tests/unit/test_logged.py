"""Reading metrics out of a log: what is found, what is passed over, what is given up."""

from typing import Any

import pytest

from waterflow.runtime import logged


class Kept:
    """Keeps what it is given, as a spool does."""

    def __init__(self) -> None:
        self.metrics: list[tuple[str, float, int]] = []

    def append(self, kind: str, **fields: Any) -> None:
        assert kind == "metric"
        self.metrics.append((fields["key"], fields["value"], fields["step"]))


def read(definitions: dict[str, str], *pieces: bytes, watched: bool = False) -> Kept:
    kept = Kept()
    reader = logged.LogReader(definitions, kept, watched=watched)
    for piece in pieces:
        reader.feed(piece)
    reader.close()
    return kept


def test_lines_come_in_any_pieces() -> None:
    kept = read({"loss": r"loss=(\S+)"}, b"loss=", b"1.5\nlo", b"ss=0.5\rloss=x\nloss=0.25")
    assert kept.metrics == [("loss", 1.5, 0), ("loss", 0.5, 1), ("loss", 0.25, 2)]


def test_what_waterflow_tells_itself_is_not_read() -> None:
    text = b'::waterflow:: {"key": "loss=9"}\nloss=1::waterflow-value:: loss=8\n'
    assert read({"loss": r"loss=(\d+)"}, text).metrics == [("loss", 1.0, 0)]


def test_an_expression_that_is_slow_on_many_lines_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logged, "ALLOWED", 0.02)
    line = b'{"values": "' + b"9" * logged.LINE + b'"}\n'
    definitions = {"slow": ".*loss=([0-9]+)", "quick": "end ([0-9]+)"}
    kept = read(definitions, *[line] * 200, b"loss=1 end 2\n")
    assert kept.metrics == [("quick", 2.0, 0)]
    said = capsys.readouterr().err
    assert said.count("metric 'slow' is no longer read") == 1
    assert "what stands before the value" in said


def test_an_expression_that_does_not_come_to_an_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logged, "PATIENCE", 0.2)
    definitions = {"endless": "(?:a+)+(b)", "loss": r"loss=(\S+)"}
    kept = read(definitions, b"a" * 60 + b"\n", b"loss=2\n", watched=True)
    assert kept.metrics == [("loss", 2.0, 0)]
    assert "metric 'endless' is no longer read" in capsys.readouterr().err
