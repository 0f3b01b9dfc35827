"""How attempts begin and end as processes: no run waits for one that is not there any more."""

import asyncio

import pytest
from waterflow_local import forkserver
from waterflow_local.document import Preload
from waterflow_local.processes import Forked

from waterflow.errors import ProviderError

from .conftest import Status

STEPS = """
import os, sys, time
import waterflow as wf


@wf.step(cache=False, cpu=0.5)
def forks(name: str) -> str:
    # What it forks comes to the end of the attempt's own code long before it does.
    if (child := os.fork()) == 0:
        sys.exit(3)
    os.waitpid(child, 0)
    time.sleep(0.2)
    return name


@wf.step(cache=False, cpu=0.5)
def short(number: int) -> int:
    return number + 1


@wf.pipeline
def forking() -> None:
    for name in ("left", "right"):
        forks.options(name=name)(name)
    number = 0
    for index in range(5):
        number = short.options(name=f"short{index}")(number)
"""


def test_an_attempt_ends_when_it_does_and_not_when_its_fork_does(project):
    with (project.root / "local_pipelines.py").open("a") as file:
        file.write(STEPS)
    run = project.submit("forking")
    assert project.finish(run).status is Status.SUCCEEDED, list(run.logs())
    assert [run.artifact(name).load() for name in ("left", "right", "short4")] == [
        "left",
        "right",
        5,
    ]


def test_a_fork_server_that_ends_before_the_first_step_is_told(tmp_path):
    async def run() -> None:
        server = forkserver.start()
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        launch = Forked(server, Preload((), ()), [], True, 1.0, tmp_path / "runner.log")
        await launch.open()
        try:
            for _ in range(2):  # the first is told of it, or finds it
                with pytest.raises(ProviderError, match=r"starts steps has ended.*runner\.log"):
                    await asyncio.wait_for(launch.run({}, None), 300)
        finally:
            await launch.close()

    asyncio.run(run())
