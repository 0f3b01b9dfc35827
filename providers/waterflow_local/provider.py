"""The local provider: glue between the core's contract and the runner on this machine."""

from __future__ import annotations

import math
import os
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.project import state_folder, state_path
from waterflow.provider import Capabilities, Check, Provider
from waterflow.provider.capabilities import check_capabilities
from waterflow_local.compiler import compile_local
from waterflow_local.folders import State
from waterflow_local.machines import this_machine
from waterflow_local.profile import LocalSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow import spec
    from waterflow.provider import (
        Artifact,
        Build,
        CacheSize,
        Code,
        Document,
        Lineage,
        LogLine,
        Measurement,
        Sent,
        Submission,
    )
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.expectation import Expectation
    from waterflow.provider.state import RunState
    from waterflow.tracking.pages import TrackedRun
    from waterflow_local.client import Client


PARAMETER_LENGTH: Final = 100_000
"""Characters of a parameter: Linux takes 128 KiB for one argument of a program."""


class LocalProvider(Provider):
    """Runs pipelines as processes of this machine."""

    name: ClassVar[str] = "local"

    @cached_property
    def settings(self) -> LocalSettings:
        """The profile's settings."""
        return self.profile.convert(LocalSettings)

    @property
    def capabilities(self) -> Capabilities:
        """What this machine can do."""
        settings = self.settings
        return Capabilities(
            images=frozenset(settings.images),
            gpu=settings.gpu == "ignore" or shutil.which("nvidia-smi") is not None,
            instances=1 if settings.instances == "require" else 10**6,
            spot=True,
            disk=shutil.disk_usage(self.root).free,
            parameter_length=PARAMETER_LENGTH,
            timeouts=True,
            secrets=True,
            requirements=True,
            inline=True,
            resume=True,
            keep_going=True,
            hints={
                "containers": (
                    "Name a folder whose programs stand for the image: "
                    f"[profiles.{self.profile.name}.images] in waterflow.toml, "
                    '"" for this machine\'s own programs.'
                ),
                "gpu": f'Set gpu = "ignore" under [profiles.{self.profile.name}] to run without.',
                "instances": (
                    f'Set instances = "single" under [profiles.{self.profile.name}] '
                    "to run it on one machine."
                ),
            },
        )

    @cached_property
    def _client(self) -> Client:
        from waterflow_local.client import Client

        # Not made here: who only looks at runs need not be able to write.
        state = State(state_path(self.root))
        return Client(self.root, state, self.settings, self.profile.name)

    def compile(self, build: Build) -> Document:
        """Translate a pipeline for the local runner."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_local(build, this_machine(self.settings))

    def examine(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Look at what this machine's profile names: the folders of images, and secrets."""
        from waterflow.language.context import secret_variable

        for image, folder in self.settings.images.items():
            if folder and not Path(folder).is_dir():
                yield Check(
                    f"image {image}",
                    "broken",
                    f"{folder} is no folder",
                    f"Correct [profiles.{self.profile.name}.images] in waterflow.toml",
                )
        steps = pipeline.steps if pipeline is not None else ()
        for name in sorted({n for step in steps for n in step.environment.secrets.values()}):
            variable = secret_variable(name)
            if variable in os.environ:
                yield Check(f"secret {name}", "ok", f"{variable} is set")
            else:
                hint = f"Set it for the run: export {variable}=..."
                yield Check(f"secret {name}", "broken", f"{variable} is not set", hint)

    def submit(self, build: Build, document: Document, submission: Submission) -> None:
        """Start a run."""
        from waterflow.runs.lineage import tracking_record

        self.check_submission(submission)
        state_folder(self.root)
        self._client.submit(
            build,
            document,
            submission,
            tracking_record(build, document, self.profile, submission),
        )

    def status(self, run_id: str) -> RunState:
        """Return a run's state."""
        return self._client.status(run_id)

    def runs(self) -> Iterator[RunState]:
        """Yield the project's runs, newest first."""
        return self._client.runs()

    def logs(self, run_id: str, step: str | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Yield log lines."""
        return self._client.logs(run_id, step, follow)

    def cancel(self, run_id: str) -> None:
        """Stop a run."""
        self._client.cancel(run_id)

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return what a run has made."""
        return self._client.artifacts(run_id)

    def download(self, run_id: str, step: str, output: str) -> Path:
        """Return an artifact's folder."""
        return self._client.download(run_id, step, output)

    def run_spec(self, run_id: str) -> spec.Pipeline | None:
        """Return the spec that a run was started with."""
        return self._client.run_spec(run_id)

    def code(self, run_id: str) -> Code:
        """Return the code that a run's steps were given."""
        return self._client.code(run_id)

    def lineage(self, run_id: str) -> Lineage | None:
        """Return where a run comes from."""
        return self._client.lineage(run_id)

    def measurements(self, run_id: str) -> list[Measurement]:
        """Return the values of metrics that a run's steps have logged."""
        return self._client.measurements(run_id)

    def tracked(self, run_id: str) -> TrackedRun | None:
        """Return what MLflow knows a run by, as its writer has noted."""
        return self._client.tracked(run_id)

    def run_basis(self, run_id: str) -> RunBasis | None:
        """Return what a run was made from."""
        return self._client.run_basis(run_id)

    def foretell(
        self, build: Build, document: Document, parameters: Mapping[str, Any]
    ) -> Mapping[str, Expectation]:
        """Return what each step of a run would do, by the keys that the runner would look up."""
        return self._client.foretell(build, document, parameters)

    def sync(self, run_id: str) -> Sent:
        """Send what MLflow has not got yet of a run."""
        return self._client.sync(run_id)

    def cache_size(self) -> CacheSize:
        """Return what the project's cache holds."""
        return self._client.cache_size()

    def clear_cache(
        self, older_than: float | None, *, pipeline: str | None = None, step: str | None = None
    ) -> tuple[int, int]:
        """Forget cached results, and remove artifacts that nothing names any more."""
        from waterflow_local.store import Selection

        state_folder(self.root)
        age = math.inf if older_than is None else older_than
        return self._client.clear_cache(Selection(age, pipeline, step))

    def delete_run(self, run_id: str) -> None:
        """Remove what is kept of a run that has ended."""
        self._client.delete(run_id)
