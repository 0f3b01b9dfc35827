"""The launcher in a job of a cloud that says where things lie on the command line alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from waterflow import artifacts
from waterflow.artifacts import canonical, plain
from waterflow.cloud.control import job_programs
from waterflow.packing import bundle, shipping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS = """
import waterflow as wf


@wf.step
def double(number: int, share: float, word: str, other: str) -> int:
    print("words", [word, other])
    if share <= 0:
        raise ValueError("nothing is left")
    return round(number * share)
"""

PLACE = '''
"""A cloud whose jobs know their paths from the command line."""
import os
from pathlib import Path


class Place:
    def __init__(self, settings, paths):
        self.paths = {name: Path(path) for name, path in paths.items()}
        self.wheels = self.paths["wheels"]
        self.output = self.paths["output"]
        self.checkpoint = None
        self.execution = os.environ["NATIVE_ID"]
        self.rank, self.hosts = 0, ["only"]
        self.attempts = {}

    def artifacts(self, mount):
        return self.paths[mount]

    def data(self, mount):
        return self.paths[mount]

    def variables(self):
        return {}

    def publish(self, values):
        print("published", values)

    def drop_checkpoint(self):
        pass

    def tell(self, reason):
        print("reason:", reason)
'''

LAUNCH: dict[str, Any] = {
    "version": 1,
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "inputs": {"number": {"from": "before", "output": "output"}},
    "mounts": {"before": "in_1"},
    "outputs": ["output"],
    "values": {"output": "v1"},
    "wheels": False,
    "pins": [],
}
STEP: dict[str, Any] = {
    "version": 1,
    "pipeline": "p", "step": "double", "outputs": {"output": "json"}, "threads": 1,
    "variables": {}, "values": {"output": {"output": "output"}},
    "run": {"kind": "function", "module": "launched_steps", "name": "double"},
    "arguments": {
        "number": {"input": "number", "type": "json"},
        "share": {"parameter": "share", "type": "json"},
        "word": {"parameter": "word", "type": "json"},
        "other": {"parameter": "other", "type": "json"},
    },
    "execution": {"variable": "WATERFLOW_EXECUTION"},
}  # fmt: skip


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job's folder, with its control input and the artifact that it reads."""
    (tmp_path / "waterflow.toml").touch()
    (tmp_path / "launched_steps.py").write_text(STEPS)
    (tmp_path / "cloud_place.py").write_text(PLACE)
    control = tmp_path / "control"
    control.mkdir()
    for name, content in job_programs(tmp_path / "cloud_place.py", {}).items():
        (control / name).write_bytes(content)
    code = bundle.build("launched_steps", tmp_path)
    (control / "bundle.tar.gz").write_bytes(shipping.archive(code))
    (control / "launch.json").write_bytes(canonical(LAUNCH))
    (control / "step.json").write_bytes(canonical(STEP))
    before = tmp_path / "before" / "output"
    before.mkdir(parents=True)
    plain.write(before, 21)
    artifacts.seal(before, "json")
    return tmp_path


WORDS = ('--text=word=say "ü" \\ $HOME=1', "--text=other=null")
"""Texts that travel as they are."""


def start(job: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (job / "tmp").mkdir(exist_ok=True)
    paths = {"in_1": "before", "output": "output", "wheels": "wheels"}
    at = [f"--at={name}={job / folder}" for name, folder in paths.items()]
    return subprocess.run(
        [sys.executable, str(job / "control" / "launch.py"), *at, *WORDS, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(job / "tmp"),
            "NATIVE_ID": "execution-7",
            "PYTHONSAFEPATH": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_step_runs_where_its_command_line_says(job: Path) -> None:
    done = start(job, "--param=share=2.0")
    assert done.returncode == 0, done.stderr
    output = job / "output" / "output"
    assert artifacts.verify(output).type == "json"
    assert plain.read(output, "json") == 42
    assert str(['say "ü" \\ $HOME=1', "null"]) in done.stdout
    assert "published {'v1': {'number': 42, 'text': '42.0'}}" in done.stdout
    events = [
        json.loads(line) for line in (job / "output" / "spool.jsonl").read_text().splitlines()
    ]
    assert {event["execution"] for event in events} == {"execution-7"}


def test_the_cloud_is_told_why_a_step_failed(job: Path) -> None:
    done = start(job, "--param=share=-1.0")
    assert done.returncode == 1
    assert "reason: ValueError: nothing is left" in done.stdout
    assert "published" not in done.stdout


def test_what_the_launcher_does_not_know_is_refused(job: Path) -> None:
    done = start(job, "--share=2.0")
    assert done.returncode == 5
    assert "unknown argument '--share=2.0'" in done.stderr


# --- what the cloud has not said ------------------------------------------------------------------

SILENT = """
from cloud_place import Place as Whole


class Place(Whole):
    @property
    def execution(self):
        raise LookupError("nobody has said what execution this is")

    @execution.setter
    def execution(self, name):
        pass
"""
NAMELESS = """
import os


class Place:
    def __init__(self, settings, paths):
        self.output = paths[settings["place"]]
"""


def without_settings(control: Path) -> None:
    (control / "launch.json").unlink()


def broken_settings(control: Path) -> None:
    (control / "launch.json").write_text("{")


def settings_of_another_kind(control: Path) -> None:
    (control / "launch.json").write_text("[]")


def settings_without_inputs(control: Path) -> None:
    settings = {key: value for key, value in LAUNCH.items() if key != "inputs"}
    (control / "launch.json").write_bytes(canonical(settings))


def without_the_code(control: Path) -> None:
    (control / "bundle.tar.gz").unlink()


def without_the_id(control: Path) -> None:
    place = control / "waterflow_place.py"
    place.rename(control / "cloud_place.py")
    place.write_text(SILENT)


def without_a_setting_of_the_place(control: Path) -> None:
    (control / "waterflow_place.py").write_text(NAMELESS)


@pytest.mark.parametrize(
    ("change", "message", "shown"),
    [
        (without_settings, "launch.json", False),
        (broken_settings, "launch.json is no JSON: ", False),
        (settings_of_another_kind, "launch.json is no JSON object", False),
        (without_a_setting_of_the_place, "'place' is missing in what the job was", False),
        (settings_without_inputs, "'inputs' is missing in what the job was", True),
        (without_the_code, "bundle.tar.gz", True),
        (without_the_id, "nobody has said what execution this is", True),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_job_that_cannot_begin_says_why_in_one_line(
    job: Path, change: Callable[[Path], None], message: str, shown: bool
) -> None:
    change(job / "control")
    done = start(job, "--param=share=2.0")
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("waterflow: ")
    assert message in line
    # As far as it knows how, it shows it where the cloud shows messages too.
    assert done.stdout == (line.replace("waterflow: ", "reason: ") + "\n" if shown else "")


def test_what_a_skipped_step_has_not_made_is_skipped(job: Path) -> None:
    settings = LAUNCH | {
        "inputs": {"number": {"from": "before", "output": "other", "type": "json"}},
    }
    (job / "control" / "launch.json").write_bytes(canonical(settings))
    done = start(job, "--param=share=2.0")
    assert done.returncode == 0, done.stderr
    assert artifacts.read(job / "output" / "output").skipped
