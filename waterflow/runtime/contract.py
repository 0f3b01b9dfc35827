"""The job contract, seen from inside: the command line and STEP.json that a job is started with.

Exit codes of `python -m waterflow.runtime`:

| code | meaning |
|---|---|
| 0 | the step ended well, or was skipped |
| 1 | the step's own code raised |
| 2 | the command line or STEP.json is wrong |
| 3 | an input is missing, half written or altered, or is not what the step or the registry takes |
| 4 | a result is missing, or could not be written as its declared type |
| 5 | the step's code or a library could not be imported, or a secret is missing |
| 6 | something that nobody foresaw, such as a full disk: the log holds the whole traceback |
| 124 | an attempt took longer than its timeout |
| 128 + n | ended by signal n: 137 is a kill, most often for want of memory; 143 is SIGTERM |

After 2 and 3 another attempt cannot go better, and none is made.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BAD_INPUT: Final = 3
BAD_OUTPUT: Final = 4
BAD_CODE: Final = 5
UNFORESEEN: Final = 6
TIMED_OUT: Final = 124

FINAL: Final = (USAGE, BAD_INPUT)
"""Exit codes after which another attempt cannot go better."""

EXECUTION: Final = "WATERFLOW_EXECUTION"
ATTEMPT: Final = "WATERFLOW_ATTEMPT"
SPOOL: Final = "WATERFLOW_SPOOL"
SCRATCH: Final = "WATERFLOW_SCRATCH"
"""An empty folder on the outputs' file system, which whoever names it removes after the attempt."""
SOURCE: Final = "WATERFLOW_SOURCE"
"""What `source` returns: paths of the bundle are shown as those of the author's tree."""
RANK: Final = "WATERFLOW_RANK"
"""This machine's number among several instances, from 0."""


class UsageError(Exception):
    """The command line or STEP.json is wrong."""


@dataclass(frozen=True)
class Job:
    """What a job was started with.

    Attributes:
        document: STEP.json.
        inputs: Name -> the artifact's folder (outside data without a manifest: its path).
        outputs: Name -> where the artifact's folder goes.
        values: Name -> where a scalar's JSON text goes.
        parameters: Name -> JSON value.
        checkpoint: A folder that outlives an attempt, or None.
    """

    document: dict[str, Any]
    inputs: dict[str, Path] = field(default_factory=dict[str, Path])
    outputs: dict[str, Path] = field(default_factory=dict[str, Path])
    values: dict[str, Path] = field(default_factory=dict[str, Path])
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    checkpoint: Path | None = None

    @property
    def step(self) -> str:
        """The step's name."""
        return str(self.document["step"])


def parse(arguments: list[str]) -> Job:
    """Read the command line.

    Args:
        arguments: What follows `python -m waterflow.runtime`.

    Raises:
        UsageError: It does not have the contract's form.
    """
    if not arguments:
        raise UsageError(
            "usage: python -m waterflow.runtime STEP.json --input NAME=PATH ... "
            "--output NAME=PATH ... --value NAME=PATH ... --param NAME=VALUE ... "
            "[--checkpoint PATH]"
        )
    job = Job(_read(Path(arguments[0])))
    checkpoint: Path | None = None
    rest = iter(arguments[1:])
    for flag in rest:
        value = next(rest, None)
        if value is None:
            raise UsageError(f"{flag} needs a value")
        if flag == "--checkpoint":
            checkpoint = Path(value)
            continue
        name, equals, found = value.partition("=")
        if not equals:
            raise UsageError(f"{flag} {value}: write NAME=VALUE")
        if flag == "--param":
            try:
                job.parameters[name] = json.loads(found)
            except json.JSONDecodeError:
                raise UsageError(f"--param {name}: {found!r} is not JSON text") from None
        elif flag in ("--input", "--output", "--value"):
            {"--input": job.inputs, "--output": job.outputs, "--value": job.values}[flag][name] = (
                Path(found)
            )
        else:
            raise UsageError(f"unknown argument {flag}")
    return Job(job.document, job.inputs, job.outputs, job.values, job.parameters, checkpoint)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict) or document.get("version") != 1:
        raise UsageError(f"{path} is no STEP.json of version 1")
    return document


def execution_id(document: dict[str, Any]) -> str:
    """Return the native execution id: the identity of the run inside a job."""
    how: dict[str, str] = document["execution"]
    if "variable" in how:
        return os.environ.get(how["variable"], "unknown")
    try:
        found = json.loads(Path(how["file"]).read_bytes())
        for key in how["key"].split("."):
            found = found[key]
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
    return str(found)


def source(bundle: Path | str, root: Path | str) -> str:
    """Return the value of `SOURCE`: JSON, because a path may hold any other separator."""
    return json.dumps([str(bundle), str(root)])


def source_folders() -> tuple[str, str]:
    """Return the bundle's folder and the author's; two empty texts where nobody said."""
    try:
        bundle, root = json.loads(os.environ.get(SOURCE, ""))
    except (ValueError, TypeError):
        return "", ""
    return str(bundle), str(root)


def rank() -> int:
    """Return this machine's number among several instances: 0 writes outputs and tracks."""
    return int(os.environ.get(RANK) or "0")


def attempt() -> int:
    """Return the number of this attempt, from 1."""
    return int(os.environ.get(ATTEMPT, "1"))
