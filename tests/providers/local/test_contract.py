"""The runtime's command line, as a job on any cloud starts it: on the standard library alone."""

import json
import os
import signal
import subprocess
import sys

import pytest

from waterflow import artifacts
from waterflow.packing import bundle, shipping
from waterflow.spec.job import step_document

from .conftest import until

STEPS = """
import sys, time, os, subprocess
from pathlib import Path
import waterflow as wf


@wf.step
def add(left: int, right: int = 2) -> dict[str, int]:
    heavy = {"msgspec", "mlflow", "pandas", "numpy", "pyarrow", "skops", "sklearn", "yaml", "click"}
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
    return {"sum": left + right}


@wf.step
def several(left: int) -> list[int]:
    return [left] * left


@wf.step
def use(sums: dict[str, int]) -> int:
    return sums["sum"]


@wf.step
def breaks(left: int) -> int:
    raise ValueError("broken")


@wf.step
def waits(note: str) -> int:
    (wf.checkpoint_dir() / "kept").touch()
    Path(note).write_text(str(os.getpid()))
    while True:
        time.sleep(0.02)


@wf.step
def wrong(left: int) -> int:
    return "text"


@wf.step(metrics={"loss": r"loss=(\\S+)", "rate": "rate ([0-9]+)"})
def prints(note: str) -> int:
    print("loss=0.5 loss=0.25", flush=True)
    print("loss=high loss= loss", "\\u2028", flush=True)
    program = "import os; os.write(2, b'rate 1\\\\rrate 2\\\\rrate 3\\\\n')"
    subprocess.run([sys.executable, "-c", program], check=True)
    wf.log_metrics({"loss=9": 1.0})
    print("::waterflow-value:: loss=8", flush=True)
    print("x" * 200_000 + "loss=7", flush=True)
    print("loss=nan", flush=True)
    sys.stdout.write("loss=1e-3")
    sys.stdout.flush()
    if not Path(note).exists():
        Path(note).touch()
        os.kill(os.getpid(), 9)
    return 1


@wf.step(metrics={"slow": "(?:a+)+(b)", "loss": r"loss=(\\S+)"})
def hard() -> int:
    print("a" * 40)
    print("a" * 40)
    print("loss=2", flush=True)
    program = "while True: print('loss=3', 'x' * 4000, flush=True)"
    subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    return 1


@wf.pipeline
def all_of_them(left: int = 1, note: str = "") -> None:
    use(add(left))
    several(left)
    breaks(left)
    wrong(left)
    waits.options(timeout=60)(note)
    waits.options(name="late", timeout=0.5)(note)
    waits.options(name="again", retries=5, retry_delay=60)(note)
    prints.options(retries=1, retry_delay=0.01)(note)
    hard()
"""


def framed(text):
    """Return the events that a job's output frames."""
    lines = [line for line in text.splitlines() if "::waterflow::" in line]
    assert all(line.startswith("::waterflow:: ") for line in lines)
    return [json.loads(line.partition(" ")[2]) for line in lines]


def metrics(events, name, attempt=1):
    """Return the history of a metric."""
    return [
        (event["at"], event["value"])
        for event in events
        if event["kind"] == "metric" and (event["key"], event["attempt"]) == (name, attempt)
    ]


class Jobs:
    """STEP.json of each step, and the bundle, as a provider lays them out."""

    def __init__(self, root):
        self.root = root
        (root / "waterflow.toml").touch()
        (root / "contract_steps.py").write_text(STEPS)
        sys.path.insert(0, str(root))
        try:
            import contract_steps

            self.spec = contract_steps.all_of_them().spec
        finally:
            sys.path.remove(str(root))
            sys.modules.pop("contract_steps", None)
        self.bundle = shipping.write(bundle.build("contract_steps", root), root / "bundles")

    def command(self, step, *arguments, isolated=False):
        place = self.root / f"{step}.json"
        document = step_document(
            self.spec, self.spec.step(step), execution={"variable": "NATIVE_ID"}, frames=True
        )
        place.write_text(json.dumps(document))
        if isolated:
            start = (
                f"import runpy, sys; sys.path.insert(0, {str(self.bundle)!r}); "
                "runpy.run_module('waterflow.runtime.execute', run_name='__main__')"
            )
            return [sys.executable, "-I", "-S", "-c", start, str(place), *map(str, arguments)]
        return [sys.executable, "-S", "-m", "waterflow.runtime", str(place), *map(str, arguments)]

    def start(self, step, *arguments, **options):
        work = self.root / "work"
        work.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "NATIVE_ID": "execution-7",
            "PYTHONPATH": str(self.bundle),
        }
        return subprocess.Popen(
            self.command(step, *arguments, **options),
            cwd=work,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, step, *arguments, **options):
        process = self.start(step, *arguments, **options)
        text, _ = process.communicate(timeout=300)
        return process.returncode, text


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    return Jobs(tmp_path_factory.mktemp("jobs"))


@pytest.mark.parametrize("isolated", [False, True])
def test_a_step_on_plain_data_needs_the_standard_library_alone(jobs, tmp_path, isolated):
    code, text = jobs.run(
        "add", "--param", "left=40", "--output", f"output={tmp_path}/out", isolated=isolated
    )
    assert code == 0, text
    assert artifacts.verify(tmp_path / "out").type == "json"
    assert json.loads((tmp_path / "out" / "value.json").read_bytes()) == {"sum": 42}
    code, text = jobs.run(
        "use", "--input", f"sums={tmp_path}/out", "--output", f"output={tmp_path}/used"
    )
    assert code == 0, text
    assert json.loads((tmp_path / "used" / "value.json").read_bytes()) == 42


def test_events_are_framed_with_the_native_execution_id(jobs, tmp_path):
    _, text = jobs.run("add", "--param", "left=1", "--output", f"output={tmp_path}/out")
    events = framed(text)
    assert [event["kind"] for event in events] == ["step.start", "step.end"]
    assert {event["execution"] for event in events} == {"execution-7"}
    assert events[-1]["status"] == "succeeded"


def test_a_step_tells_of_how_many_items_its_list_is(jobs, tmp_path):
    for left, code in ((2, 0), (3, 3)):
        out = ("--output", f"output={tmp_path}/{left}", "--value", f"n={tmp_path}/{left}.json")
        command = jobs.command("several", "--param", f"left={left}", *out)
        place = jobs.root / "several.json"
        value = {"output": "output", "counts": "squares", "most": 2}
        place.write_text(json.dumps(json.loads(place.read_text()) | {"values": {"n": value}}))
        done = subprocess.run(command, env={"PYTHONPATH": str(jobs.bundle)}, cwd=tmp_path,
                              text=True, capture_output=True, check=False)  # fmt: skip
        assert done.returncode == code, done.stderr
        written = tmp_path / f"{left}.json"
        assert written.exists() is (code == 0)
    assert json.loads((tmp_path / "2.json").read_text()) == 2
    assert "step 'squares' is to have a job for each of 3 items" in done.stderr
    assert 'Use fan_out="processes"' in done.stderr


def test_exit_codes_are_as_documented(jobs, tmp_path):
    out = ("--output", f"output={tmp_path}/out")
    assert jobs.run("breaks", "--param", "left=1", *out)[0] == 1
    assert jobs.run("breaks", "--param", "left", *out)[0] == 2
    assert jobs.run("breaks", "--param", "left=no json", *out)[0] == 2
    assert jobs.run("breaks", "--parameter", "left=1", *out)[0] == 2
    assert jobs.run("add", *out)[0] == 2, "a parameter is missing"
    assert jobs.run("use", "--input", f"sums={tmp_path}/nowhere", *out)[0] == 3
    assert jobs.run("wrong", "--param", "left=1", *out)[0] == 4
    assert jobs.run("late", "--param", f'note="{tmp_path}/note"', *out)[0] == 124
    half = tmp_path / "half"
    half.mkdir()
    (half / "value.json").write_text("1")
    code, text = jobs.run("use", "--input", f"sums={half}", *out)
    assert code == 3
    assert "not a finished artifact" in text
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_import_that_fails_is_told_apart(jobs, tmp_path):
    jobs.bundle.chmod(0o755)
    (jobs.bundle / "contract_steps.py").rename(jobs.bundle / "gone.py")
    try:
        code, text = jobs.run("add", "--param", "left=1", "--output", f"output={tmp_path}/out")
    finally:
        (jobs.bundle / "gone.py").rename(jobs.bundle / "contract_steps.py")
    assert code == 5
    assert "contract_steps" in text


@pytest.mark.parametrize("step", ["waits", "again"])
def test_sigterm_ends_the_job_soon_and_keeps_the_checkpoint(jobs, tmp_path, step):
    note = tmp_path / "note"
    process = jobs.start(
        step,
        "--param",
        f'note="{note}"',
        "--output",
        f"output={tmp_path}/out",
        "--checkpoint",
        tmp_path / "checkpoint",
    )
    child = int(until(lambda: note.exists() and note.read_text(), what="the step"))
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=8)
    assert process.returncode == 143, text
    assert (tmp_path / "checkpoint" / "kept").exists()
    assert not (tmp_path / "out").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_sigterm_between_attempts_makes_no_further_one(jobs, tmp_path):
    process = jobs.start(
        "again",
        "--param",
        f'note="{tmp_path}/no/such/folder"',
        "--output",
        f"output={tmp_path}/out",
    )
    lines = iter(process.stdout.readline, "")
    assert any("next in 60s" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=8)
    assert process.returncode == 143
    assert "step.start" not in text


def test_what_a_step_prints_becomes_metrics(jobs, tmp_path):
    note = tmp_path / "note"
    code, text = jobs.run(
        "prints", "--param", f'note="{note}"', "--output", f"output={tmp_path}/out"
    )
    assert code == 0, text
    events = framed(text)
    history = [(0, 0.5), (1, 0.25), (2, "NaN"), (3, 0.001)]
    for attempt in (1, 2):  # the first was killed after its last word
        assert metrics(events, "loss", attempt) == history
        assert metrics(events, "rate", attempt) == [(0, 1.0), (1, 2.0), (2, 3.0)]
        assert metrics(events, "loss=9", attempt) == [(0, 1.0)]
    lines = text.splitlines()
    for line in ("loss=0.5 loss=0.25", "loss=1e-3", "x" * 200_000 + "loss=7"):
        assert lines.count(line) == 2, "what was printed is passed on as it is"


def test_neither_a_hopeless_expression_nor_what_goes_on_printing_holds_a_job_up(jobs, tmp_path):
    code, text = jobs.run("hard", "--output", f"output={tmp_path}/out")
    assert code == 0, text
    assert text.count("metric 'slow' is no longer read: its expression '(?:a+)+(b)'") == 1
    events = framed(text)
    assert (0, 2.0) in metrics(events, "loss")
    assert metrics(events, "slow") == []
