"""A project in a folder with a SageMaker profile, and its runs, without any tracking."""

import contextlib
import importlib
import sys
import time

import boto3
import tomlkit

from waterflow.runs import submit

ROLE = "arn:aws:iam::123456789012:role/waterflow-test"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tests:1"
PATIENCE = 300.0


@contextlib.contextmanager
def environment(emulator, patch):
    """Point this process at an emulator."""
    for name in emulator.unset:
        patch.delenv(name, raising=False)
    for name, value in emulator.environment.items():
        patch.setenv(name, value)
    yield
    patch.undo()


class Project:
    """A project whose profile `aws` is the emulator that the environment points to.

    Args:
        root: Its folder.
        modules: Name -> the text of a module in it.
        tracking: MLflow's address; by default one that nobody asks.
        settings: Settings of the profile beside those that it must have.
    """

    def __init__(self, root, modules, *, bucket, tracking="http://127.0.0.1:9", **settings):
        self.root = root
        self.names = list(modules)
        for name, text in modules.items():
            (root / f"{name}.py").write_text(text)
        boto3.client("s3").create_bucket(Bucket=bucket)
        profile = {
            "provider": "sagemaker", "region": "us-east-1", "role": ROLE, "bucket": bucket,
            "image": IMAGE, "libraries": "image", "poll": 0.2,
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "tracking": {"uri": tracking},
        }  # fmt: skip
        self.profiles = {"aws": profile | settings}
        self.write()

    def write(self):
        (self.root / "waterflow.toml").write_text(tomlkit.dumps({"profiles": self.profiles}))

    def profile(self, name, **settings):
        """Add a profile like the first with other settings."""
        self.profiles[name] = self.profiles["aws"] | settings
        self.write()

    @contextlib.contextmanager
    def code(self):
        """Make the project's modules importable while the block runs."""
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(self.root))
            for name in self.names:
                sys.modules.pop(name, None)

    def run(self, make, profile="aws", **how):
        """Run what `make` returns, a pipeline with parameters, to its end; return run and state."""
        with self.code():
            run = submit.submit(make(), profile=profile, root=self.root, **how)
        return run, finished(run)


def finished(run):
    """Return a run's final state; what it tracks stays where it is."""
    end = time.monotonic() + PATIENCE
    while not (state := run.state).status.final:
        assert time.monotonic() < end, f"{run.id} has not ended: {state}"
        time.sleep(0.05)
    return state
