"""What the tests of the report share: reports made by hand, and one real Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from waterflow import spec
from waterflow.provider.state import Status
from waterflow.report import data

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = "https://mlflow.example/#/experiments/1/runs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def picture(size: int = 0) -> bytes:
    """A grey PNG of one pixel, made larger by a comment of random bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    comment = chunk(b"tEXt", b"c\0" + os.urandom(size)) if size else b""
    body = chunk(b"IDAT", zlib.compress(b"\0\x80"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + comment + body + chunk(b"IEND", b"")


def pipeline_of(names: list[str], text: str = "") -> spec.Pipeline:
    """A chain of steps, of which the last stands behind a condition on the first's result."""
    steps: list[spec.Step] = []
    for number, name in enumerate(names):
        before = names[number - 1] if number else None
        inputs = {
            "value": spec.Input(
                "number",
                spec.FromValue(text or 1) if before is None else spec.FromStep(before, "output"),
            )
        }
        last = number == len(names) - 1 and number > 0
        steps.append(
            spec.Step(
                name,
                spec.Function("steps", name.partition("-")[0]),
                inputs,
                {"output": spec.Output("metrics")},
                branch=spec.Branch("gate") if last else None,
            )
        )
    left = spec.FromStep(names[0], "output", text or "auc")
    gate = spec.Gate("gate", spec.Compare(left, ">=", spec.FromParameter("least")))
    return spec.Pipeline(
        "sample",
        description=text or "A sample.",
        parameters={"least": spec.Parameter("number", 0.9)},
        steps=tuple(steps),
        gates=(gate,) if len(names) > 1 else (),
    )


def sample(names: list[str], text: str = "plain", *, pixels: int = 0, **fields: Any) -> data.Report:
    """A report with every part; what users write is `text`, wherever they may."""
    cycle = (Status.SUCCEEDED, Status.CACHED, Status.FAILED, Status.RUNNING, Status.SKIPPED)
    steps = tuple(
        data.Step(
            name=name,
            label=f"{name}({text})",
            family=name.partition("-")[0],
            status=cycle[number % 5],
            attempt=2,
            started=1000 * number,
            ended=None if number % 5 == 3 else 1000 * number + 1500,
            error=text if number % 5 == 2 else None,
            detail=f"Traceback\n{text}" if number % 5 == 2 else None,
            reason=text if number % 5 == 4 else None,
            why=(text,),
            origin="run-0",
            job=text,
            url="https://console.example/job?a=1&b=2",
            machine="ml.m5.large",
            image=f"{text}:{number}",
            cost=0.0123,
            bill=data.Bill(seconds=60, cost=0.0115),
            mlflow=data.MlflowRun(run=text, url=f"{RUNS}/{number}"),
            inputs={"value": text},
            outputs=(
                data.Output(name="output", type="metrics", size=9, sha256="0", uri="", value=text),
            ),
            log=(text, "second line"),
            omitted=3,
        )
        for number, name in enumerate(names)
    )
    series = (
        data.Series(key=text, value=0.5, points=((0, 1.0), (1, 0.5))),
        data.Series(key="not a number", value=float("nan")),
    )
    candidates = tuple(
        data.Candidate(label=name, step=name, cells={"c": text, "auc": number / 7})
        for number, name in enumerate(names)
    )
    return data.Report(
        run="sample-1",
        status=Status.FAILED,
        pipeline=pipeline_of(names, text),
        name="sample",
        now=1_000_000,
        started=0,
        ended=1000 * len(names) + 2000,
        error=text,
        url="https://console.example/run",
        tracking="https://mlflow.example",
        mlflow=data.MlflowRun(run=text, url=f"{RUNS}/a"),
        mlflow_command=text,
        experiment=text,
        provider="local",
        profile=text,
        steps=steps,
        conditions=(
            data.Condition(
                name="gate", text=text, values=text, answer=True, then=(names[-1],), otherwise=()
            ),
        ),
        parameters=(data.Parameter(name="least", value=text, default="0.9"),),
        metrics=(data.Metrics(source=names[0], step=names[0], series=series),),
        logged=(data.Metrics(source=names[-1], step=names[-1], series=series),),
        comparisons=(
            data.Comparison(
                title=text, settings=("c",), metrics=("auc",), candidates=candidates
            ),
        ),
        figures=(
            data.Figure(step=names[0], output="roc", png=picture(pixels), width=1, height=1),
            data.Figure(step=names[0], output="large", png=None),
        ),
        tables=(
            data.Table(
                step=names[0], output="output", columns=(text, "b"), cells=((text, "1"),),
                rows=12345, width=2,
            ),
        ),
        models=(data.Model(name=text, version="1", uri="models:/m/1"),),
        lineage=(data.Fact(name="command", value=text, code=True),),
        patch=text,
        cost=1.5,
        bill=data.Bill(seconds=3600, cost=1.25, unpriced=60),
        missing=(text,),
        **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The machine's Chromium, without a window.

    No longer than a module: while it is there, Playwright's event loop runs in this thread, and
    other tests' asyncio.run() would be refused.
    """
    from playwright.sync_api import sync_playwright

    program = os.environ.get("WATERFLOW_CHROMIUM")
    path = program or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on PATH. Bring it: make browser")
    with sync_playwright() as playwright:
        # Without it Debian's asks its makers for news, by whatever way there is.
        arguments = ["--no-proxy-server", *["--no-sandbox"] * (os.geteuid() == 0)]
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        with contextlib.suppress(Exception):
            chromium.close()
