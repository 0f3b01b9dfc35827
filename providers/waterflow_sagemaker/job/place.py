"""Where a SageMaker job finds what it is given and leaves what it makes: the paths under /opt/ml.

Travels in the control input as `waterflow_place.py`, beside `waterflow.runtime.launch`, which says
what each part of `Place` means.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ML = Path("/opt/ml")
MESSAGE_BYTES = 1000
"""SageMaker shows the first 1 KB of a job's own message."""


class Place:
    """The place of a processing or training job.

    Args:
        settings: launch.json.
        paths: What the command line says; a job of SageMaker's is told no paths there.
    """

    def __init__(self, settings: dict[str, Any], paths: Mapping[str, str]) -> None:
        del paths
        self.training = settings["job"] == "training"
        if self.training:
            self.input = ML / "input" / "data"
            self.output = ML / "model"
            config = ML / "input" / "config" / "resourceconfig.json"
        else:
            self.input = ML / "processing" / "input"
            self.output = ML / "processing" / "output"
            config = ML / "config" / "resourceconfig.json"
        self.wheels = self.input / "wheels"
        self.execution = self._execution()
        self.checkpoint = ML / "checkpoints" / self.execution if settings["checkpoint"] else None
        self.rank, self.hosts = _machines(config)

    def artifacts(self, mount: str) -> Path:
        """Return the folder of another step's outputs; channels lie side by side."""
        return self.input / mount if self.training else self.input / "from" / mount

    def data(self, mount: str) -> Path:
        """Return the folder of outside data."""
        return self.input / mount if self.training else self.input / "data" / mount

    def variables(self) -> dict[str, str]:
        """Return the one variable that boto3 reads, and SageMaker does not set."""
        if "AWS_DEFAULT_REGION" in os.environ:
            return {}
        region = os.environ.get("AWS_REGION") or (self._arn().split(":") + [""] * 4)[3]
        return {"AWS_DEFAULT_REGION": region} if region else {}

    def publish(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Make scalars known to conditions: in a property file, or as metrics in the log."""
        if self.training:
            for key, value in sorted(values.items()):
                if "number" in value:
                    print(f"::waterflow-value:: {key}={value['number']!r}", flush=True)
        elif values and self.rank == 0:
            (self.output / "values.json").write_text(json.dumps(values, sort_keys=True))

    def drop_checkpoint(self) -> None:
        """Let go of what a step that has ended well no longer needs.

        SageMaker copies every file of the checkpoints' place to the next job, and removes none.
        """
        if self.checkpoint is not None:
            for file in self.checkpoint.rglob("*"):
                if file.is_file():
                    file.write_bytes(b"")

    def tell(self, reason: str) -> None:
        """Leave a message for SageMaker's own pages."""
        file = ML / "output" / ("failure" if self.training else "message")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(reason.encode()[:MESSAGE_BYTES])
        except OSError as error:
            print(f"waterflow: {file} cannot be written: {error}", file=sys.stderr)

    def _arn(self) -> str:
        """Return the job's ARN."""
        if self.training:
            return os.environ.get("TRAINING_JOB_ARN", "")
        config = json.loads((ML / "config" / "processingjobconfig.json").read_bytes())
        return str(config["ProcessingJobArn"])

    def _execution(self) -> str:
        """Return the pipeline execution's id: a job of a pipeline is named after it."""
        name = os.environ.get("TRAINING_JOB_NAME", "") if self.training else self._arn()
        name = name.rpartition("/")[2]
        match = re.search(r"pipelines-([a-z0-9]+)-", name)
        return match[1] if match else name


def _machines(config: Path) -> tuple[int, list[str]]:
    """Return this machine's number and the names of all."""
    try:
        content: dict[str, Any] = json.loads(config.read_bytes())
    except FileNotFoundError:
        return 0, ["algo-1"]
    hosts = sorted(content["hosts"], key=lambda host: (len(host), host))
    return hosts.index(content["current_host"]), hosts
