"""The job contract, seen from inside: the command line and STEP.json that a job is started with.

Exit codes of `python -m waterflow.runtime`:

| code | meaning |
|---|---|
| 0 | the step ended well, or was skipped |
| 1 | the step's own code raised |
| 2 | the command line or STEP.json is wrong |
| 3 | an input is missing, half written or altered (by the step too), or not what it takes |
| 4 | a result is missing, or could not be written as its declared type |
| 5 | the step's code or a library could not be imported, or a secret is missing |
| 6 | something that nobody foresaw: the log holds the whole traceback |
| 74 | a disk is full, or a place of the machine cannot be written or read (EX_IOERR) |
| 124 | an attempt took longer than its timeout |
| 128 + n | ended by signal n: 137 is a kill, most often for want of memory; 143 is SIGTERM |

After 2 and 3 another attempt cannot go better, and none is made.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
BAD_INPUT: Final = 3
BAD_OUTPUT: Final = 4
BAD_CODE: Final = 5
UNFORESEEN: Final = 6
BAD_STORAGE: Final = 74
TIMED_OUT: Final = 124

ITEM: Final = "waterflow_item"
"""The parameter that tells a job which item of a map it has: a number, from 0."""
ITEMS: Final = "waterflow_items"
"""The input of a job that gathers a map's items: a folder with what each has made, by number."""
COUNT: Final = "waterflow_count"
"""The value by which a job tells of how many items a list is."""

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
class Work:
    """What a step runs.

    Attributes:
        kind: "function", "container" or "register".
        module: A function's module.
        name: Its name there, with dots.
        over: The argument whose items it is called for, one by one; None for one call.
        on_error: "skip" where items that fail are left out, and told in the output `failures`.
        part: What this job does of a map whose items have jobs of their own: it counts them
            ("count"), runs one of them ("item"), or gathers what they have made ("gather"); "" for
            all of it.
        command: A container's command line, with its placeholders.
    """

    kind: str
    module: str = ""
    name: str = ""
    over: str | None = None
    on_error: str = ""
    part: str = ""
    command: tuple[str, ...] = ()

    @property
    def program(self) -> bool:
        """Whether it is a program, in which no runtime of ours runs."""
        return self.kind == "container"

    @property
    def registers(self) -> bool:
        """Whether it registers a model."""
        return self.kind == "register"


@dataclass(frozen=True)
class Argument:
    """Where one argument of a step comes from.

    Attributes:
        source: "constant", "parameter", "input", "data", "first" or "list".
        name: An input's or a parameter's name on the command line.
        type: The declared type.
        constant: A constant's JSON value.
        key: The entry of an input's value that is meant; None for all of it.
        raw: Whether an input is a program's files, as they are.
        uri: What is to be shown as the origin of outside data.
        optional: Whether outside data may be missing.
        parts: The alternatives of "first", the items of "list".
    """

    source: str
    name: str = ""
    type: str = "any"
    constant: Any = None
    key: str | None = None
    raw: bool = False
    uri: str = ""
    optional: bool = False
    parts: tuple[Argument, ...] = ()

    @classmethod
    def decode(cls, content: Mapping[str, Any]) -> Argument:
        """Return an argument from its entry in STEP.json."""
        if "constant" in content:
            return cls("constant", constant=content["constant"])
        if "parameter" in content:
            return cls("parameter", content["parameter"], content["type"])
        for source in ("first", "list"):
            if source in content:
                return cls(source, parts=tuple(map(cls.decode, content[source])))
        return cls(
            "data" if "data" in content else "input",
            content["input"],
            content["type"],
            key=content.get("key"),
            raw=content.get("raw", False),
            uri=content.get("data", ""),
            optional=content.get("optional", False),
        )


@dataclass(frozen=True)
class Scalar:
    """A value that conditions need, or the length of a list whose items run in jobs.

    Attributes:
        output: The output that it is of; "" for the list that a job counts.
        key: The entry of the output that is meant; None for all of it.
        counts: The step that has a job for each item, where the length is meant; "" for others.
        most: The items that it can have.
    """

    output: str
    key: str | None = None
    counts: str = ""
    most: int = 0


@dataclass(frozen=True)
class Retry:
    """How often a step is tried again.

    Attributes:
        retries: Further attempts after the first.
        delay: Seconds before the second attempt.
        backoff: What the delay is multiplied with from one attempt to the next.
    """

    retries: int = 0
    delay: float = 0.0
    backoff: float = 1.0


@dataclass(frozen=True)
class StepFile:
    """STEP.json: all that a job must know and that no run changes.

    Attributes:
        pipeline: The pipeline's name.
        step: The step's name.
        work: What it runs.
        arguments: Name -> where it comes from.
        outputs: Name -> type.
        values: Name -> the scalar that a condition needs.
        retry: How often it is tried again.
        timeout: Seconds that an attempt may take; None for as long as it takes.
        threads: How many threads its libraries use.
        variables: Environment variables.
        secrets: Environment variable -> the secret that it holds.
        secrets_from: How the job reads secrets.
        trusted_types: Classes that a model file may hold.
        execution: How the job reads the native execution id.
        frames: Whether tracking events also go to standard output.
        metrics: Metric -> the expression that finds it in what the step prints.
    """

    pipeline: str
    step: str
    work: Work
    arguments: dict[str, Argument]
    outputs: dict[str, str]
    values: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    retry: Retry = Retry()
    timeout: float | None = None
    threads: int = 1
    variables: dict[str, str] = field(default_factory=dict[str, str])
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    secrets_from: dict[str, str] = field(default_factory=dict[str, str])
    trusted_types: tuple[str, ...] = ()
    execution: dict[str, str] = field(default_factory=dict[str, str])
    frames: bool = False
    metrics: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def decode(cls, content: Mapping[str, Any]) -> StepFile:
        """Return what the file's JSON says.

        Raises:
            KeyError: It lacks an entry.
            TypeError: It has one of another form.
        """
        entries = {name: value for name, value in content.items() if name in _AS_WRITTEN}
        run: dict[str, Any] = {**content["run"]}
        command = tuple(map(str, run.pop("command", ())))
        return cls(
            work=Work(**run, command=command),
            arguments={n: Argument.decode(entry) for n, entry in content["arguments"].items()},
            values={name: Scalar(**entry) for name, entry in content.get("values", {}).items()},
            retry=Retry(**content.get("retry", {})),
            trusted_types=tuple(content.get("trusted_types", ())),
            **entries,
        )


_AS_WRITTEN: Final = frozenset({
    "pipeline", "step", "outputs", "timeout", "threads", "variables", "secrets", "secrets_from",
    "execution", "frames", "metrics",
})  # fmt: skip


@dataclass(frozen=True)
class Invocation:
    """What the runtime was started with.

    Attributes:
        file: STEP.json.
        inputs: Name -> the artifact's folder (outside data without a manifest: its path).
        outputs: Name -> where the artifact's folder goes.
        values: Name -> where a scalar's JSON text goes.
        parameters: Name -> JSON value.
        checkpoint: A folder that outlives an attempt, or None.
    """

    file: StepFile
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    values: dict[str, Path]
    parameters: dict[str, Any]
    checkpoint: Path | None

    @property
    def step(self) -> str:
        """The step's name."""
        return self.file.step


def parse(arguments: list[str]) -> Invocation:
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
    file = _read(Path(arguments[0]))
    paths: dict[str, dict[str, Path]] = {"--input": {}, "--output": {}, "--value": {}}
    parameters: dict[str, Any] = {}
    checkpoint: Path | None = None
    rest = iter(arguments[1:])
    for flag in rest:
        value = next(rest, None)
        if value is None:
            raise UsageError(f"{flag} needs a value")
        if flag == "--checkpoint":
            checkpoint = Path(value)
            continue
        name, equals, text = value.partition("=")
        if not equals:
            raise UsageError(f"{flag} {value}: write NAME=VALUE")
        if flag == "--param":
            try:
                parameters[name] = json.loads(text)
            except json.JSONDecodeError:
                raise UsageError(f"--param {name}: {text!r} is not JSON text") from None
        elif flag in paths:
            paths[flag][name] = Path(text)
        else:
            raise UsageError(f"unknown argument {flag}")
    inputs, outputs, values = paths.values()
    return Invocation(file, inputs, outputs, values, parameters, checkpoint)


def _read(path: Path) -> StepFile:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("version") != 1:
        raise UsageError(f"{path} is no STEP.json of version 1")
    try:
        return StepFile.decode(content)
    except KeyError as error:
        raise UsageError(f"{path} has no entry {error}") from None
    except (TypeError, AttributeError) as error:
        raise UsageError(f"{path} has an entry of another form: {error}") from None


def execution_id(file: StepFile) -> str:
    """Return the native execution id: the identity of the run inside a job."""
    how = file.execution
    if "variable" in how:
        return os.environ.get(how["variable"], "unknown")
    try:
        value = json.loads(Path(how["file"]).read_bytes())
        for key in how["key"].split("."):
            value = value[key]
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
    return str(value)


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
