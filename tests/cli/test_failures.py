"""How a run's end is told: a failure once, why a step was skipped, and what to type next."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import waterflow, write

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
import os
import time

import waterflow as wf


@wf.step
def begins() -> int:
    return 1


@wf.step(cache=False)
def always() -> int:
    return 1


@wf.step(timeout="2s")
def fails(how: str, n: int = 0) -> int:
    if how == "raises":
        raise ValueError("it went wrong")
    if how == "notes":
        error = ValueError("it went wrong")
        error.add_note("and this is why")
        raise error
    if how == "lines":
        raise ValueError("it went wrong\\nin two lines")
    if how == "chains":
        try:
            raise KeyError("the first")
        except KeyError as error:
            raise ValueError("it went wrong") from error
    if how == "exits":
        os._exit(7)
    if how == "hangs":
        time.sleep(60)
    return "no number"


@wf.step(name="retried", retries=1, retry_delay=0.1)
def retried() -> int:
    raise ValueError("it went wrong")


@wf.step
def score(n: float) -> wf.Metrics:
    return wf.Metrics(auc=n)


@wf.step
def flag(n: float) -> bool:
    return n > 0.5


@wf.step
def after(n: int) -> int:
    return n


@wf.pipeline
def first(how: str) -> None:
    fails(how)


@wf.pipeline
def kept(how: str) -> None:
    fails(how, begins())


@wf.pipeline
def made_anew(how: str) -> None:
    fails(how, always())


@wf.pipeline
def again() -> None:
    retried()


@wf.pipeline
def gates(value: float = 0.71, least: float = 0.9) -> None:
    metrics = score(value)
    with wf.when(metrics["auc"] >= least) as high:
        kept = begins.options(name="high")()
        with wf.when(flag(value)):
            begins.options(name="inner")()
    with high.otherwise():
        begins.options(name="low")()
    with wf.when((metrics["auc"] < 0.5) | ~flag.options(name="flag2")(value)):
        begins.options(name="either")()
    after(wf.first(kept, begins.options(name="other")()))
    with wf.when(high_is(metrics)):
        after.options(name="behind")(begins.options(name="before")())


def high_is(metrics):
    return metrics["auc"] == 2.0
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("failing"), {"pipeline.py": PIPELINE})
    (folder / "waterflow.toml").write_text('[tracking]\nuri = "http://127.0.0.1:9"\n')
    return folder


ONCE = {
    "raises": "ValueError: it went wrong",
    "notes": "ValueError: it went wrong",
    "lines": "\n  in two lines",
    "chains": "ValueError: it went wrong",
    "exits": "exit code 7",
    "hangs": "longer than its timeout",
    "type": "no number",
}


@pytest.mark.parametrize("how", ONCE)
def test_a_failure_is_told_once(how: str, root: Path) -> None:
    done = waterflow("run", ".:first", "-p", f"how={how}", "--run-id", how, cwd=root)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count(ONCE[how]) == 1, done.stdout
    assert "fails failed" in done.stdout
    assert waterflow("status", how, cwd=root).stdout.count(ONCE[how]) <= 1


def test_that_of_the_last_attempt_is_told(root: Path) -> None:
    done = waterflow("run", ".:again", cwd=root)
    assert done.stdout.count("ValueError: it went wrong") == 1, done.stdout
    assert "retried failed (attempt 2):" in done.stdout


def test_inline_it_is_told_where_it_happens(root: Path) -> None:
    done = waterflow("run", ".:first", "-p", "how=raises", "--inline", cwd=root)
    assert (done.stdout + done.stderr).count("ValueError: it went wrong") == 1
    assert "fails failed, as told above" in done.stdout


@dataclass(frozen=True)
class Next:
    """What is typed, and what the run's end proposes."""

    words: str
    proposed: str


NEXT = {
    "nothing was done": Next(".:first -p how=raises", "try again: waterflow run .:first -p how="),
    "what was done is cached": Next(
        ".:kept -p how=raises",
        "try again, and what is done comes from the cache: waterflow run .:kept -p how=raises",
    ),
    "what was done is never cached": Next(
        ".:made_anew -p how=raises",
        "go on from here: waterflow run .:made_anew -p how=raises --resume RUN",
    ),
    "without the cache": Next(
        ".:kept -p how=raises --no-cache",
        "go on from here: waterflow run .:kept -p how=raises --resume RUN",
    ),
    "with a profile": Next(
        ".:made_anew -p how=raises --profile local",
        "go on from here: waterflow run .:made_anew -p how=raises --profile local --resume RUN",
    ),
}


@pytest.mark.parametrize("case", NEXT.values(), ids=NEXT.keys())
def test_resume_is_proposed_where_it_spares_work(case: Next, root: Path) -> None:
    done = waterflow("run", *case.words.split(), cwd=root)
    shown = re.sub(r"\w+-\d{8}-\d{6}-[0-9a-f]{4}", "RUN", done.stdout)
    assert f"  {case.proposed}" in shown
    assert shown.count("waterflow run ") == 1, "one thing is proposed"
    assert ("--resume" in shown) is ("--resume" in case.proposed)


def test_a_skipped_step_says_which_condition_was_false(root: Path) -> None:
    done = waterflow("run", ".:gates", "--run-id", "gated", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    reasons = {
        "high": 'score["auc"] (0.71) >= least (0.9) is false',
        "flag": 'score["auc"] (0.71) >= least (0.9) is false',
        "inner": 'score["auc"] (0.71) >= least (0.9) is false',
        "either": 'score["auc"] (0.71) < 0.5 or not flag2 (true) is false',
        "before": 'score["auc"] (0.71) == 2.0 is false',
        "behind": 'score["auc"] (0.71) == 2.0 is false',
    }
    report = json.loads(waterflow("status", "gated", "--json", cwd=root).stdout)
    told = {step["name"]: step["reason"] for step in report["steps"] if step["reason"]}
    assert told == reasons
    skipped = [step["name"] for step in report["steps"] if step["status"] == "skipped"]
    assert set(skipped) == set(told)
    for name, reason in told.items():
        assert re.search(rf"{name} +skipped: {re.escape(reason)}\n", done.stdout)
        assert reason in waterflow("status", "gated", cwd=root).stdout


def test_the_other_side_says_what_was_true(root: Path) -> None:
    waterflow("run", ".:gates", "-p", "value=0.95", "--run-id", "true", cwd=root)
    report = json.loads(waterflow("status", "true", "--json", cwd=root).stdout)
    told = {step["name"]: step["reason"] for step in report["steps"] if step["reason"]}
    assert told["low"] == 'score["auc"] (0.95) >= least (0.9) is true'
    assert "high" not in told
