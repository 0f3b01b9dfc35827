"""Pipelines made up by chance: their documents hold, and their runs give what one process gives."""

import importlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.sagemaker import random_steps
from tests.providers.sagemaker.builds import build, compiled, valid
from tests.providers.sagemaker.projects import Project, environment
from waterflow.errors import UnsupportedFeatureError
from waterflow.provider.state import Status
from waterflow.testing import reference_digests


def compiled_twice(call):
    """Return a pipeline's document, after checking that it does not depend on who compiles it."""
    found = build(call.spec, python="3.12")
    documents = [compiled(found, uri=uri) for uri in ("https://one", "https://other")]
    first, second = (json.dumps(one.content) for one in documents)
    assert first == second
    return documents[0]


@settings(max_examples=150, derandomize=True, deadline=None,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(st.integers(0, 2**32), st.integers(1, 58), st.integers(0, 6))
def test_documents_violate_nothing(seed, steps, gates):
    call = random_steps.made(seed, steps, gates)()
    try:
        document = compiled_twice(call)
    except UnsupportedFeatureError as error:
        assert "copies of steps" in error.feature  # noqa: PT017 - the only feature that may lack
        return
    valid(document)
    again = random_steps.made(seed, steps, gates)()
    assert json.dumps(compiled(build(again.spec)).content) == json.dumps(document.content)


@pytest.fixture(scope="module")
def project(emulator, tmp_path_factory):
    root = tmp_path_factory.mktemp("random")
    source = Path(random_steps.__file__)
    with pytest.MonkeyPatch.context() as patch, environment(emulator, patch):
        yield Project(root, {source.stem: source.read_text()}, bucket="random-pipelines")


RUNS = [
    (37, 58, 5, {}),
    (121, 14, 4, {"whole": 4, "sure": False}),
    (186, 14, 3, {"text": "aa", "real": 2.5}),
    (220, 14, 4, {"whole": 1}),
]


@pytest.mark.parametrize(("seed", "steps", "gates", "given_"), RUNS)
def test_runs_give_what_one_process_gives(project, tmp_path, seed, steps, gates, given_):
    def call(**how):
        module = importlib.import_module(random_steps.__name__.rpartition(".")[2])
        return module.made(seed, steps, gates, **how)(**given_)

    run, state = project.run(call)
    assert state.status is Status.SUCCEEDED, state
    with project.code():
        expected = reference_digests(call(contained=False), tmp_path)
        programs = {
            step.name for step in call().spec.steps if step.name.startswith(("prog", "told"))
        }
    found = {(one.step, one.output): one.sha256 for one in run.artifacts()}
    assert {key: digest for key, digest in found.items() if key[0] not in programs} == expected
    skipped = {name for name, one in state.steps.items() if one.status is Status.SKIPPED}
    assert skipped == {step for (step, _), digest in found.items() if digest is None}
    for name in programs - skipped:
        if name.startswith("told"):
            source = run.artifact(name.replace("told", "source")).load()
            text = json.dumps(source)
            assert run.artifact(name).load().replace(text, "") == ""
    shutil.rmtree(tmp_path)
