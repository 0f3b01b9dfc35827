"""A project with a profile of a cloud, and its commands as a user types them."""

from __future__ import annotations

import contextlib
import copy
import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from waterflow.provider import discovery
from waterflow.runs import submit as submitting
from waterflow.runs.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from waterflow.language.pipeline import Call
    from waterflow.provider import Build, Document
    from waterflow.provider.state import RunState
    from waterflow.testing.remote_cloud import RemoteCloud

PROFILE: Final = "remote"
NOBODY: Final = "http://127.0.0.1:9"
"""A tracking server that nobody answers at."""
PATIENCE: Final = 150.0
"""Seconds that a run or a command may take."""

_SOURCES: Final = Path(__file__).with_name("pipelines")
_NUMBERS: Final = itertools.count(1)
_T = TypeVar("_T")


def until(condition: Callable[[], _T], what: str, seconds: float = 300.0) -> _T:
    """Poll until a condition holds, and return what it gave.

    Args:
        condition: Asked again and again; it holds when what it gives is true.
        what: What is waited for, for the message.
        seconds: How long.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {seconds:g} s")
        time.sleep(0.1)
    return value


class RemoteProject:
    """A project whose default profile is a cloud that the environment points at.

    Args:
        cloud: The cloud.
        root: Its folder; made if missing.
        modules: Module name -> its text; None for the kit's own pipelines, `kit_runs`.
        tracking: MLflow's address; by default one that nobody answers at.
        bucket: A bucket; None makes one of its own.
        prefix: The profile's prefix; None for one of its own.
        settings: Settings of the profile beside those that it must have.
    """

    def __init__(
        self,
        cloud: RemoteCloud,
        root: Path,
        *,
        modules: Mapping[str, str] | None = None,
        tracking: str = NOBODY,
        bucket: str | None = None,
        prefix: str | None = None,
        **settings: Any,
    ) -> None:
        self.cloud, self.root = cloud, root
        root.mkdir(exist_ok=True)
        self.bucket = bucket or f"runs-{os.getpid()}-{next(_NUMBERS)}"
        if bucket is None:
            cloud.make_bucket(self.bucket)
        self.prefix = prefix or self.bucket
        if modules is None:
            modules = {"kit_runs": (_SOURCES / "kit_runs.py").read_text()}
        self._modules = list(modules)
        for name, text in modules.items():
            (root / f"{name}.py").write_text(text)
        profile = cloud.profile(self.bucket, self.prefix)
        self._profiles = {PROFILE: profile | {"tracking": {"uri": tracking}} | settings}
        self._write()
        self.provider = discovery.open_provider(root, PROFILE)

    def _write(self) -> None:
        import tomlkit

        document = {"default_profile": PROFILE, "profiles": self._profiles}
        (self.root / "waterflow.toml").write_text(tomlkit.dumps(document))  # pyright: ignore[reportUnknownMemberType]

    def add_profile(self, name: str, *, like: str | None = PROFILE, **settings: Any) -> None:
        """Add a profile, like another one but for some settings."""
        self._profiles[name] = (self._profiles[like] if like else {}) | settings
        self._write()

    def copied(self, root: Path | None = None) -> RemoteProject:
        """Return the same project on another machine, which has seen no run yet."""
        root = root or self.root.with_name("other")
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns(".waterflow", "__pycache__"))
        other = copy.copy(self)
        other.root, other.provider = root, discovery.open_provider(root, PROFILE)
        return other

    # --- its code -------------------------------------------------------------------------------

    def change(self, old: str, new: str, module: str = "kit_runs") -> None:
        """Replace text of a module."""
        file = self.root / f"{module}.py"
        text = file.read_text()
        if old not in text:
            raise AssertionError(f"{file} does not hold {old!r}")
        file.write_text(text.replace(old, new))

    @contextlib.contextmanager
    def code(self) -> Generator[None]:
        """Let its modules be imported, as they are now, while the block runs."""
        sys.path.insert(0, str(self.root))
        # A file that is changed within a second keeps its time, by which bytecode is known.
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        importlib.invalidate_caches()
        self._unload()
        try:
            yield
        finally:
            sys.dont_write_bytecode = before
            sys.path.remove(str(self.root))
            self._unload()

    def _unload(self) -> None:
        for name in self._modules:
            sys.modules.pop(name, None)

    @contextlib.contextmanager
    def call(self, pipeline: str, **parameters: Any) -> Generator[Call]:
        """Give a call of a pipeline, of `kit_runs` or named `module:pipeline`."""
        module, _, name = pipeline.rpartition(":")
        with self.code():
            loaded: Any = importlib.import_module(module or "kit_runs")
            yield getattr(loaded, name)(**parameters)

    # --- its runs -------------------------------------------------------------------------------

    def compile(self, pipeline: str, **parameters: Any) -> tuple[Any, Build, Document]:
        """Return the provider, the build and the document of a pipeline."""
        with self.call(pipeline, **parameters) as call:
            return submitting.compile_call(call, self.root, PROFILE)

    def submit(
        self,
        pipeline: str,
        how: Mapping[str, Any] | None = None,
        profile: str = PROFILE,
        **parameters: Any,
    ) -> Run:
        """Start a run.

        Args:
            pipeline: A pipeline of `kit_runs`, or one named `module:pipeline`.
            how: How it is submitted: `run_id`, `resume`, `cache`.
            profile: The profile.
            parameters: The pipeline's parameters.
        """
        with self.call(pipeline, **parameters) as call:
            return self.submit_call(call, how, profile)

    def submit_call(
        self, call: Call, how: Mapping[str, Any] | None = None, profile: str = PROFILE
    ) -> Run:
        """Start a run of a call made within `code`; arguments as for `submit`."""
        return submitting.submit(call, profile=profile, root=self.root, **(how or {}))

    def fresh(self, run_id: str) -> Run:
        """Return a run as another process sees it."""
        return Run(run_id, discovery.open_provider(self.root, PROFILE))

    def finish(self, run: Run | str) -> RunState:
        """Wait for a run's end, whichever it is, and return its state."""
        seen = self.fresh(run) if isinstance(run, str) else run

        def ended() -> RunState | None:
            state = seen.state
            return state if state.status.final else None

        state = until(ended, f"the end of {seen.id}", PATIENCE)
        assert state is not None
        return state

    def executions(self, pipeline: str) -> list[str]:
        """Return the ids by which jobs know a pipeline's executions."""
        return self.cloud.executions(self.prefix, pipeline)

    def values(self, run: Run) -> dict[str, Any]:
        """Return what a run has made, by `step`, or `step.output` where that has a name."""
        return {
            artifact.step
            if artifact.output == "output"
            else f"{artifact.step}.{artifact.output}": run.artifact(
                f"{artifact.step}.{artifact.output}"
            ).load()
            for artifact in run.artifacts()
            if artifact.sha256 is not None
        }

    def sync(self, run: Run | str) -> Any:
        """Send what MLflow has not got yet of a run; return what was sent."""
        return self.provider.sync(run if isinstance(run, str) else run.id)

    # --- its commands ---------------------------------------------------------------------------

    def start_cli(
        self, *arguments: str, through: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command of `waterflow`.

        Args:
            arguments: Its arguments.
            through: Variables beside this process's own.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "waterflow.cli", *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, **(through or {})},
        )

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `waterflow` to its end."""
        process = self.start_cli(*arguments)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str) -> Any:
        """Return what a command that ends well prints with --json."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
