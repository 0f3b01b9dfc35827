"""Fixtures for a project's own tests: pipelines that run for real, apart from the project's runs.

In tests/conftest.py:

```python
pytest_plugins = ["waterflow.testing.fixtures"]
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from waterflow.language.pipeline import Pipeline
    from waterflow.runs.run import Run


class RunPipeline(Protocol):
    """Runs a pipeline to its end."""

    def __call__(self, pipeline: Pipeline[..., Any], /, *arguments: Any, **parameters: Any) -> Run:
        """Run a pipeline on this machine.

        Args:
            pipeline: The pipeline.
            arguments: Its parameters, by position.
            parameters: Its parameters, by name.

        Returns:
            The run, which has succeeded: `run.artifact("train").load()`, `run.logs()`.

        Raises:
            StepFailed: A step failed; the error holds its log's last lines.
            RunError: The run failed otherwise.
        """
        ...


@pytest.fixture(scope="session")
def waterflow_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state of the tests' own: their runs, their cache and their MLflow.

    Runs of tests neither see nor change those of the project. The tests of one session share the
    cache: a step that several of them run alike runs once.

    Yields:
        The state's folder; MLflow's store is `mlflow.db` in it.
    """
    folder = tmp_path_factory.mktemp("waterflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATERFLOW_STATE", str(folder))
        patch.setenv("WATERFLOW_WARM", "0")  # no helper is to outlive the tests
        patch.setenv("WATERFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("WATERFLOW_PROFILE", "local")
        yield folder


@pytest.fixture
def run_pipeline(waterflow_state: Path) -> Iterator[RunPipeline]:
    """Run pipelines on this machine, to their end, as in `run_pipeline(fraud, trees=10)`.

    Whatever profile the project has by default, runs are local. One that a test leaves behind is
    stopped.
    """
    del waterflow_state
    runs: list[Run] = []

    def start(pipeline: Pipeline[..., Any], /, *arguments: Any, **parameters: Any) -> Run:
        run = pipeline(*arguments, **parameters).submit(profile="local")
        runs.append(run)
        run.wait()
        return run

    yield start
    for run in runs:
        if not run.status.final:
            run.cancel()
