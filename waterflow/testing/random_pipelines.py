"""Remote conformance: pipelines made up by chance give what one process gives."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from waterflow.provider.state import Status
from waterflow.testing.digests import reference_digests
from waterflow.testing.remote_base import RemoteBase
from waterflow.testing.remote_project import RemoteProject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.provider.emulators import Emulator

SOURCE = Path(__file__).with_name("pipelines") / "kit_random.py"

_Run = tuple[int, int, int, dict[str, Any]]
_RUNS: tuple[_Run, ...] = (
    (37, 58, 5, {}),
    (121, 14, 4, {"whole": 4, "sure": False}),
    (186, 14, 3, {"text": "aa", "real": 2.5}),
    (220, 14, 4, {"whole": 1}),
)
"""Seed, steps, gates and parameters."""


class RandomPipelines(RemoteBase):
    """Steps on plain values, gates within gates, values that decide, programs in images.

    Attributes:
        runs: Seed, steps, gates and parameters of each run. Providers that share their compiler,
            and the executor of their emulators, may share these among them.
    """

    runs: ClassVar[Sequence[_Run]] = _RUNS

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test for each run."""
        super().pytest_generate_tests(metafunc)
        if "gates" in metafunc.fixturenames:
            metafunc.parametrize(("seed", "steps", "gates", "parameters"), self.runs)

    @pytest.fixture(scope="class")
    @classmethod
    def random(cls, service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> RemoteProject:
        """A project that all of them are in: what one has run may stand for steps of another."""
        root = tmp_path_factory.mktemp("random") / "project"
        with cls.cloud.pointing(service):
            return RemoteProject(cls.cloud, root, modules={SOURCE.stem: SOURCE.read_text()})

    def test_runs_give_what_one_process_gives(
        self,
        pointing: Emulator,
        random: RemoteProject,
        tmp_path: Path,
        seed: int,
        steps: int,
        gates: int,
        parameters: dict[str, Any],
    ) -> None:
        del pointing
        project = random
        can = project.provider.capabilities
        image = self.cloud.image if can.containers else ""
        shape: dict[str, Any] = {"spot": can.spot, "image": image}
        with project.code():
            module: Any = importlib.import_module(SOURCE.stem)
            call = module.random_pipeline(seed, steps, gates, **shape)(**parameters)
            run = project.submit_call(call)
        state = project.finish(run)
        assert state.status is Status.SUCCEEDED, state
        with project.code():
            module = importlib.import_module(SOURCE.stem)
            plain = module.random_pipeline(seed, steps, gates, spot=can.spot)(**parameters)
            expected = reference_digests(plain, tmp_path / "reference")
        programs = {
            step.name for step in call.spec.steps if step.name.startswith(("program", "written"))
        }
        digests = {(one.step, one.output): one.sha256 for one in run.artifacts()}
        others = {key: digest for key, digest in digests.items() if key[0] not in programs}
        assert others == expected
        skipped = {name for name, one in state.steps.items() if one.status is Status.SKIPPED}
        assert skipped == {step for (step, _), digest in digests.items() if digest is None}
        for name in programs - skipped:
            if name.startswith("written"):
                text = json.dumps(run.artifact(name.replace("written", "source")).load())
                assert run.artifact(name).load().replace(text, "") == ""
