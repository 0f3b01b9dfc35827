"""Where a SageMaker job finds what it is given and leaves what it makes: the paths under /opt/ml.

Travels in the control input as `waterflow_place.py`, beside `waterflow.runtime.launch`, which says
what each part of `Place` means.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ML = Path("/opt/ml")
MESSAGE_BYTES = 1000
"""SageMaker shows the first 1 KB of a job's own message."""
_ADVICE = "SageMaker says so before a job begins: run the step as a job of SageMaker"


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
        self._config, self._checkpoints = config, bool(settings["checkpoint"])

    @property
    def execution(self) -> str:
        """The pipeline execution's id: a job of a pipeline is named after it."""
        name = self._training_variable("NAME") if self.training else self._arn
        name = name.rpartition("/")[2]
        match = re.search(r"pipelines-([a-z0-9]+)-", name)
        return match[1] if match else name

    @property
    def checkpoint(self) -> Path | None:
        """The folder that SageMaker keeps in S3, of a step that asks for spot machines."""
        return ML / "checkpoints" / self.execution if self._checkpoints else None

    @property
    def rank(self) -> int:
        """This machine's number."""
        return self._machines[0]

    @property
    def hosts(self) -> list[str]:
        """The names of all machines."""
        return self._machines[1]

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
        region = os.environ.get("AWS_REGION") or (self._arn.split(":") + [""] * 4)[3]
        return {"AWS_DEFAULT_REGION": region} if region else {}

    def publish(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Make scalars known to conditions: in a property file, or as metrics in the log."""
        if self.training:
            for key, value in sorted(values.items()):
                if "number" in value:
                    print(f"::waterflow-value:: {key}={value['number']!r}", flush=True)
        elif values and self.rank == 0:
            read = {key: condition_values(value) for key, value in values.items()}
            (self.output / "values.json").write_text(json.dumps(read, sort_keys=True))

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

    @cached_property
    def _arn(self) -> str:
        """The job's ARN."""
        if self.training:
            return self._training_variable("ARN")
        return str(_read(ML / "config" / "processingjobconfig.json", "ProcessingJobArn")[0])

    def _training_variable(self, name: str) -> str:
        """Return what SageMaker tells a training job of itself.

        Raises:
            LookupError: It has not.
        """
        value = os.environ.get(f"TRAINING_JOB_{name}")
        if not value:
            raise LookupError(f"TRAINING_JOB_{name} is not set. {_ADVICE}")
        return value

    @cached_property
    def _machines(self) -> tuple[int, list[str]]:
        """This machine's number and the names of all."""
        if not self._config.exists():
            return 0, ["algo-1"]
        hosts, own = _read(self._config, "hosts", "current_host")
        hosts = sorted(hosts, key=lambda host: (len(host), host))
        if own not in hosts:
            raise LookupError(f"{self._config} names this host {own!r}, which is none of {hosts}")
        return hosts.index(own), hosts


def condition_values(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scalar as conditions read it: each entry, as a condition fails of one that lacks.

    Args:
        value: It as text and, where it is a number, as number.

    Returns:
        `kind` ("number", which a boolean is too, "text" or "none"); `number`, 0 for others; `text`,
        its JSON text; and `plain`, a text as it is, empty for others.
    """
    if "number" in value:
        return {"kind": "number", "plain": "", **value}
    scalar: Any = json.loads(value["text"])
    if isinstance(scalar, str):
        return {"kind": "text", "number": 0, "plain": scalar, **value}
    return {"kind": "none", "number": 0, "plain": "", **value}


def _read(file: Path, *names: str) -> list[Any]:
    """Return entries of a file that SageMaker writes before a job begins.

    Raises:
        LookupError: It is not there, or lacks one of them.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
        return [content[name] for name in names]
    except OSError as error:
        raise LookupError(f"{file} cannot be read: {error.strerror}. {_ADVICE}") from None
    except (ValueError, TypeError, KeyError):
        raise LookupError(
            f"{file} is no JSON object with {' and '.join(names)}. {_ADVICE}"
        ) from None
