"""The way from `pulumi up` to a run, as a user types it: what is the same on every cloud."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from waterflow.cli import cli

TESTING = Path(__file__).parents[2] / "infra" / "testing"
DRIVER = Path(__file__).with_name("zone_driver.py")
PIPELINE = """
import waterflow as wf


@wf.step
def count(upto: int) -> list[int]:
    return list(range(upto))


@wf.step
def add(numbers: list[int]) -> int:
    return sum(numbers)


@wf.pipeline
def sums(upto: int = 3) -> None:
    add(count(upto))
"""


@contextlib.contextmanager
def landing_zone(cloud, settings, endpoint=None, *, steady=False):
    """Make the stack `dev` of a cloud there, and destroy it in the end.

    Args:
        cloud: The cloud.
        settings: The stack's settings.
        endpoint: Where the cloud is, if its variables do not say it.
        steady: Whether to see before the end that the cloud still has what the stack says.
    """
    python = TESTING / ".venv" / "bin" / "python"
    assert python.exists(), "make test-infra makes the environment of infra/testing"
    process = subprocess.Popen(
        [python, DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTING), "GRPC_VERBOSITY": "NONE"},
    )
    with process:
        order = {"cloud": cloud, "endpoint": endpoint, "config": settings, "steady": steady}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the stack was not made: its errors are above"
        yield json.loads(line)
        process.stdin.close()
        assert process.wait(300) == 0, "the stack was not destroyed: its errors are above"


@contextlib.contextmanager
def project(root, variables, unset=()):
    """Be in an empty project, with an environment; its modules go with it."""
    root.mkdir()
    path, modules = list(sys.path), set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, value in variables.items():
            patch.setenv(name, value)
        for name in unset:
            patch.delenv(name, raising=False)
        yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


def waterflow(*words, text=None):
    """Return what a command prints with --json; it ends well."""
    done = CliRunner().invoke(cli, [*words, "--json"], input=text)
    assert done.exit_code == 0, f"waterflow {' '.join(words)}: {done.output}"
    return json.loads(done.stdout)


def calls(file, skipped=0):
    """Return the calls that an emulator has recorded, without the first ones."""
    return [json.loads(line) for line in file.read_text().splitlines()[skipped:]]


def use(outputs, examined, start):
    """Type what infra/README.md says, from the import on; return doctor's checks, plan and run.

    Args:
        outputs: The stack's outputs.
        examined: What doctor looks at, and finds well.
        start: How the address of an artifact begins.
    """
    exported = json.dumps(outputs["profile"])
    profile = ("--profile", outputs["profile"]["name"])
    assert waterflow("profile", "import", "-", text=exported)["written"]
    assert not waterflow("profile", "import", "-", text=exported)["changed"]
    Path("pipeline.py").write_text(PIPELINE)
    checks = {one["name"]: one for one in waterflow("doctor", ".", *profile)["checks"]}
    assert {name: checks[name]["state"] for name in examined} == dict.fromkeys(examined, "ok")
    waterflow("validate", ".", *profile)
    plan = waterflow("plan", ".", *profile)
    run = waterflow("run", ".", "-p", "upto=4", *profile)
    (artifact,) = waterflow("artifacts", run["run"], "add", "--download", "results", *profile)
    assert artifact["uri"].startswith(start)
    (payload,) = (one for one in Path(artifact["path"]).iterdir() if one.name != "manifest.json")
    assert json.loads(payload.read_text()) == 0 + 1 + 2 + 3
    assert (run["status"], run["unsent"]) == ("succeeded", 0)
    machines = outputs["profile"]["settings"]["machines"]
    assert {one["machine"] for one in plan["steps"]} <= set(machines)
    return checks, plan, run
