"""Conformance: the job contract, tracking from inside a job, and what a provider refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from waterflow.errors import ArtifactError, UnsupportedFeatureError
from waterflow.language.context import secret_variable
from waterflow.provider import Submission
from waterflow.provider.state import Status
from waterflow.report import Gathering, page
from waterflow.testing.language import Language

if TYPE_CHECKING:
    from waterflow.provider import Artifact
    from waterflow.runs.run import Run
    from waterflow.testing.world import World

SECRET = "a-secret-value-0f7c31"
FOREIGN = {
    "MLFLOW_S3_ENDPOINT_URL": "http://foreign.invalid",
    "MLFLOW_EXPERIMENT_NAME": "foreign",
    "MLFLOW_RUN_ID": "0" * 32,
}

_ASK = """
import sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(*map(float, model.predict(pandas.DataFrame({"x": [0.0, 3.0]}))))
"""
"""A program that asks a registered model, knowing nothing of the project."""


class Contract(Language):
    """Submission, documents, tracking, the registry, capabilities."""

    @pytest.fixture(scope="class")
    @classmethod
    def secret(cls) -> Any:
        """Put the secret `conformance-token` where the provider looks; override as needed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(secret_variable("conformance-token"), SECRET)
            yield SECRET

    def tamper(self, world: World, artifact: Artifact) -> Path:
        """Change an artifact's bytes where the provider keeps them; override for remote stores.

        Returns:
            The file that was changed.
        """
        del world
        folder = Path(unquote(urlsplit(artifact.uri).path))
        file = next(path for path in folder.iterdir() if path.name != "manifest.json")
        file.write_bytes(file.read_bytes()[::-1] + b"x")
        return file

    # --- submitting -----------------------------------------------------------------------------

    def test_runs_are_listed_newest_first(self, world: World, secret: str) -> None:
        del secret
        late, early, again = self._tracked(world)
        listed = [state.run for state in world.provider.runs()]
        assert listed.index(again.id) < listed.index(early.id) < listed.index(late.id)
        assert set(listed) == {run.id for run in world.started.values()}

    def test_two_runs_at_once_do_not_disturb_each_other(self, world: World, secret: str) -> None:
        del secret
        late, early, _ = self._tracked(world)
        ended = world.finish(early).ended or 0
        assert ended < (world.finish(late).ended or 0)
        slopes = [run.artifact("measure").load()["highest"] for run in (late, early)]
        assert slopes == pytest.approx([6.0, 9.0])

    def test_no_document_bears_the_run(self, world: World) -> None:
        run = world.start("types", "types", **self.typed(world))
        build, document = world.compile("types")
        text = json.dumps(document.content, sort_keys=True)
        assert run.id not in text
        assert document.provider == world.provider.name
        assert {job.step for job in document.jobs} == {step.name for step in build.spec.steps}
        _, again = world.compile("types")
        assert json.dumps(again.content, sort_keys=True) == text, "compiling is a function"

    def test_an_unrelated_module_changes_no_bundle(self, world: World) -> None:
        build, _ = world.compile("types")
        assert len({bundle.digest for bundle in build.bundles.values()}) > 1, "one a module"
        assert not any("kit_unrelated.py" in bundle.files for bundle in build.bundles.values())
        assert "kit_helpers.py" in world.compile("fails")[0].bundles["breaks"].files

    def test_tampering_is_detected(self, world: World) -> None:
        run = world.start("types", "types", **self.typed(world))
        world.finish(run)
        (artifact,) = (one for one in run.artifacts() if one.step == "raw")
        world.provider.download(run.id, "raw", "output")
        file = self.tamper(world, artifact)
        try:
            with pytest.raises(ArtifactError):
                world.provider.download(run.id, "raw", "output")
            with pytest.raises(ArtifactError):
                run.artifact("raw").load()
        finally:
            file.write_bytes(bytes(range(255, -1, -1)))

    # --- inside a job ---------------------------------------------------------------------------

    def _tracked(self, world: World) -> tuple[Run, Run, Run]:
        """Return three runs: of the first two, the first began earlier and registered later."""
        if "tracked late" not in world.started:
            can = world.capabilities
            switches = {"secret": can.secrets, "requirements": can.requirements}
            late, early = str(world.path("late")), str(world.path("early"))
            with pytest.MonkeyPatch.context() as patch:
                for name, value in FOREIGN.items():
                    patch.setenv(name, value)
                world.start("tracked late", "tracked", hold=late, slope=2.0, **switches)
                world.path("early").touch()
                world.start("tracked early", "tracked", hold=early, slope=3.0, **switches)
                world.finish(world.started["tracked early"])
                running = world.state(world.started["tracked late"])
                assert not running.status.final
            world.path("late").touch()
            world.finish(world.started["tracked late"])
            assert not running.status.final, "a state is of its own moment"
            again = world.start("tracked again", "tracked", hold=late, slope=2.0, **switches)
            world.finish(again)
        return tuple(world.started[f"tracked {which}"] for which in ("late", "early", "again"))  # type: ignore[return-value]

    def test_a_job_gets_what_it_was_promised(self, world: World, secret: str) -> None:
        late, _, _ = self._tracked(world)
        state = world.finish(late)
        assert state.status is Status.SUCCEEDED, state
        assert late.artifact("surroundings").load() == {
            "greeting": "hello",
            "empty": "",
            "foreign": None,
            "experiment": None,
        }
        if world.capabilities.secrets:
            assert late.artifact("secretive").load() == hashlib.sha256(secret.encode()).hexdigest()

    def test_a_secret_is_nowhere(self, world: World, secret: str, tmp_path: Path) -> None:
        runs = self._tracked(world)
        switches = {name: getattr(world.capabilities, name + "s") for name in ("secret",)}
        _, document = world.compile(
            "tracked", hold="x", **switches, requirements=world.capabilities.requirements
        )
        assert secret not in json.dumps(document.content)
        places = [world.root]
        for run in runs:
            assert all(secret not in line.text for line in run.logs())
            parent, children = world.tracked(run)
            for entry in [parent, *children.values()]:
                data = entry.data
                assert secret not in repr((data.params, data.tags, data.metrics))
        for place in places:
            for file in place.rglob("*"):
                if file.is_file():
                    assert secret.encode() not in file.read_bytes(), file

    def test_all_ways_of_tracking_land_in_the_steps_run(
        self, world: World, secret: str, tmp_path: Path
    ) -> None:
        del secret
        run = self._tracked(world)[0]
        parent, children = world.tracked(run)
        child = children["track", 1]
        client = world.mlflow(run)
        curve = client.get_metric_history(child.info.run_id, "curve")
        assert sorted((m.step, m.value) for m in curve) == [(0, 0.0), (1, 0.25), (2, 0.5)]
        printed = client.get_metric_history(child.info.run_id, "printed")
        assert sorted((m.step, m.value) for m in printed) == [
            (0, 0.0),
            (1, 0.125),
            (2, 0.25),
            (3, 100.0),
        ]
        assert "absent" not in child.data.metrics
        plain = client.get_metric_history(child.info.run_id, "plain_metric")
        assert [(m.step, m.value) for m in plain] == [(7, 0.25)]
        assert child.data.params["plain_param"] == "of the step"
        assert child.data.tags["plain_tag"] == "tagged"
        kept = client.download_artifacts(child.info.run_id, "notes/note.txt", str(tmp_path))
        assert Path(kept).read_text() == "kept"
        shutil.rmtree(tmp_path)
        names = {file.path for file in client.list_artifacts(parent.info.run_id)}
        assert {"spec.json", "graph.svg", "requirements.lock"} <= names
        assert parent.data.metrics["track.curve"] == 0.5

    def test_a_report_tells_the_same_of_a_run_on_every_provider(
        self, world: World, secret: str
    ) -> None:
        run = self._tracked(world)[0]
        state = world.state(run)
        run.explain(state)
        report = Gathering(world.provider, run.id).report(state)
        assert report.missing == ()
        assert {one.name: one.status for one in report.steps} == {
            name: step.status for name, step in state.steps.items()
        }
        if report.pipeline is not None:
            assert [one.name for one in report.models] == ["conformance"]
            assert 'id="graph"' in page(report)
        html = page(report)
        assert all(f'id="step-{name}"' in html for name in state.steps)
        assert secret not in html
        for one in report.logged:
            curve = [series.points for series in one.series if series.key == "curve"]
            assert curve in ([], [((0, 0.0), (1, 0.25), (2, 0.5))])

    def test_a_model_is_registered_once_and_its_alias_moves_forward(
        self, world: World, secret: str
    ) -> None:
        del secret
        late, early, again = self._tracked(world)
        client = world.mlflow(late)
        versions = {run.id: run.artifact("register").load() for run in (late, early, again)}
        assert versions[late.id]["version"] != versions[early.id]["version"]
        assert versions[again.id] == versions[late.id], "the same model, the same version"
        assert world.state(again).steps["register"].status is Status.SUCCEEDED, "never cached"
        if world.capabilities.content_cache:
            assert world.state(again).steps["learn"].status is Status.CACHED
        registered = client.search_model_versions("name='conformance'")
        assert len(registered) == 2
        alias = client.get_model_version_by_alias("conformance", "challenger")
        # The late run began before the early one; the third began last.
        assert str(alias.version) == versions[again.id]["version"]
        assert alias.tags["waterflow.execution"] == world.execution(late)
        (digest,) = (a.sha256 for a in again.artifacts() if a.step == "learn")
        assert digest in alias.tags.values()

    def test_a_registered_model_brings_the_code_of_its_class(
        self, world: World, secret: str, tmp_path: Path
    ) -> None:
        del secret
        run = self._tracked(world)[0]
        version = run.artifact("register").load()["version"]
        client = world.mlflow(run)
        source = client.get_model_version("conformance", version).run_id
        model = client.download_artifacts(str(source), "model", str(tmp_path))
        empty = tmp_path / "empty"
        empty.mkdir()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", _ASK, model],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["0.0", "6.0"], "as the run's slope has it"

    # --- capabilities ---------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "what",
        ["gpu", "instances", "spot", "timeouts", "secrets", "requirements", "image",
         "map_jobs", "containers"],
    )  # fmt: skip
    def test_what_is_not_there_is_refused(self, world: World, what: str) -> None:
        can: Any = world.capabilities
        there = {"instances": can.instances >= 2, "image": can.containers}
        if there.get(what, getattr(can, what, False)):
            _, document = world.compile("asks", what=what)
            assert [job.step for job in document.jobs] == (
                ["square"] if what == "map_jobs" else ["asking"]
            )
            return
        with pytest.raises(UnsupportedFeatureError) as caught:
            world.compile("asks", what=what)
        assert caught.value.step == ("square" if what == "map_jobs" else "asking")
        assert caught.value.provider == world.provider.name
        assert caught.value.feature
        assert caught.value.alternative

    @pytest.mark.parametrize("what", ["inline", "resume", "keep_going"])
    def test_ways_of_starting_that_are_not_there_are_refused(self, world: World, what: str) -> None:
        how = Submission(
            run_id="never",
            parameters={},
            inline=what == "inline",
            resume="another" if what == "resume" else None,
            keep_going=what == "keep_going",
        )
        if getattr(world.capabilities, what):
            world.provider.check_submission(how)
            return
        build, document = world.compile("fails")
        with pytest.raises(UnsupportedFeatureError):
            world.provider.submit(build, document, how)
        assert "never" not in [state.run for state in world.provider.runs()]
