"""What takes long before a run has begun: told by the command line, and logged from Python."""

import importlib
import json
import logging
import re
import subprocess
import sys

import boto3
import pytest

from tests.providers.sagemaker.projects import Project, environment
from tests.wheels import wheel
from waterflow.runs import submit

PIPELINES = """
from pathlib import Path

import waterflow as wf


@wf.step
def measured(raw: Path) -> int:
    return raw.stat().st_size


@wf.step
def told() -> str:
    return "told"


@wf.pipeline
def measuring(raw: wf.Data):
    measured(raw)


@wf.pipeline
def lending(requirement: wf.Static[str]):
    told.options(requirements=[requirement])()
"""
LARGE = 17 * 1024 * 1024


@pytest.fixture(scope="module")
def project(emulator, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, environment(emulator, patch):
        patch.setenv("PIP_NO_INDEX", "1")
        made = Project(tmp_path_factory.mktemp("project"), {"slow": PIPELINES}, bucket="progress")
        made.profile("wheels", libraries="wheelhouse")
        yield made


def submitted(project, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "waterflow.cli", "submit", *arguments, "--json"],
        cwd=project.root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]
    return done.stderr.splitlines()


@pytest.fixture
def lines(caplog):
    """What is logged, for a program that asks for it."""
    caplog.set_level(logging.INFO, "waterflow.progress")
    return lambda: [one.message for one in caplog.records if one.name == "waterflow.progress"]


def test_libraries_are_told_when_they_are_brought_and_not_again(project, tmp_path):
    library = wheel(tmp_path, "waterflow_progress", "1.0")
    arguments = ("slow.py:lending", "--profile", "wheels", "-p", f"requirement={library}")
    resolving, uploading = submitted(project, *arguments)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert resolving == f"Resolving 1 library for manylinux_2_28_x86_64, Python {python}"
    assert re.fullmatch(r"Uploading 1 wheel, [\d.]+ (B|KiB)", uploading)
    assert submitted(project, *arguments) == []


def test_large_data_is_told_and_small_is_not(project):
    file = project.root / "large.bin"
    file.write_bytes(bytes(LARGE))
    (project.root / "small.bin").write_bytes(b"1")
    assert submitted(project, "slow.py:measuring", "--profile", "aws", "-p", "raw=small.bin") == []
    told = submitted(project, "slow.py:measuring", "--profile", "aws", "-p", "raw=large.bin")
    assert told == ["Uploading large.bin, 17 MiB"]


def test_python_logs_it_and_prints_nothing(project, lines, capfd):
    body = bytes(LARGE)
    boto3.client("s3").put_object(Bucket="progress", Key="elsewhere/raw.bin", Body=body)
    uri = "s3://progress/elsewhere/raw.bin"
    with project.code():
        call = importlib.import_module("slow").measuring(raw=uri)
        submit.submit(call, profile="aws", root=project.root)
    assert lines() == [f"Copying {uri}, 17 MiB"]
    assert capfd.readouterr() == ("", "")
