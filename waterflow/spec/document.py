"""The spec: a pipeline as one frozen, versioned JSON document that every provider compiles.

Imports nothing of Waterflow but the error tree: whoever holds a spec needs no other part of it.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from waterflow.errors import DefinitionError

VERSION: Final = 1
"""The version of the document that this release writes and reads."""

Json = Any
"""A value that JSON can hold: None, bool, int, float, str, lists and text-keyed dicts of these."""

Name = str


SCALARS: Final = frozenset({"integer", "number", "boolean", "string"})
"""Types whose values a condition can compare."""


class _Frozen(Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts share: frozen, and strict about unknown fields."""


# --- where an input's value comes from ---------------------------------------------------------


class FromStep(_Frozen, frozen=True, tag_field="from", tag="step"):
    """The output of an earlier step, or one scalar of it.

    Attributes:
        step: Name of the producing step.
        output: Name of its output.
        key: For metrics and plain dicts: the one entry that is meant.
    """

    step: Name
    output: Name
    key: str | None = None


class FromParameter(_Frozen, frozen=True, tag_field="from", tag="parameter"):
    """A parameter of the pipeline, given at submit."""

    name: Name


class FromValue(_Frozen, frozen=True, tag_field="from", tag="value"):
    """A value fixed in the definition."""

    value: Json


class FromData(_Frozen, frozen=True, tag_field="from", tag="data"):
    """Outside data, fixed in the definition: a local path or a URI."""

    uri: str


class FromFirst(_Frozen, frozen=True, tag_field="from", tag="first"):
    """The first of several outputs whose step was not skipped."""

    options: tuple[FromStep, ...]


class FromList(_Frozen, frozen=True, tag_field="from", tag="list"):
    """Several sources gathered into one list argument."""

    items: tuple[FromStep | FromParameter | FromValue, ...]


Source = FromStep | FromParameter | FromValue | FromData | FromFirst | FromList


class Input(_Frozen, frozen=True):
    """One argument of a step: the type its function declares and where the value comes from."""

    type: str
    source: Source


class Output(_Frozen, frozen=True):
    """One result of a step.

    Attributes:
        type: The artifact type, which decides the file format.
        raw: Written by a program that knows no manifest (a container step).
    """

    type: str
    raw: bool = False


# --- conditions --------------------------------------------------------------------------------

Operand = FromStep | FromParameter | FromValue
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


class Compare(_Frozen, frozen=True, tag_field="is", tag="compare"):
    """One comparison of two scalars."""

    left: Operand
    operator: Operator
    right: Operand


class All(_Frozen, frozen=True, tag_field="is", tag="all"):
    """True when every part is."""

    parts: tuple[Condition, ...]


class Any_(_Frozen, frozen=True, tag_field="is", tag="any"):  # noqa: N801 - `Any` is typing's
    """True when some part is."""

    parts: tuple[Condition, ...]


class Not(_Frozen, frozen=True, tag_field="is", tag="not"):
    """True when the part is not."""

    part: Condition


Condition = Compare | All | Any_ | Not


class Branch(_Frozen, frozen=True):
    """One side of a gate: `then` when the condition holds, otherwise the other."""

    gate: Name
    then: bool = True


class Gate(_Frozen, frozen=True):
    """A condition that steps stand behind.

    Attributes:
        name: Unique among the pipeline's gates and steps.
        condition: What decides.
        within: The branch in which the gate itself stands, for nested gates.
        group: The group in which it stands. Left out where it stands in none.
    """

    name: Name
    condition: Condition
    within: Branch | None = None
    group: Name | UnsetType = UNSET


class Group(_Frozen, frozen=True):
    """Steps that one call of another pipeline has made.

    Attributes:
        name: Unique among the pipeline's groups, gates and steps; the names of its steps begin
            with it.
        pipeline: The name of the pipeline that was called.
        description: What that is for.
        within: The group in which the call stands, for nested groups.
    """

    name: Name
    pipeline: Name
    description: str = ""
    within: Name | None = None


# --- what a step runs and what it asks for -----------------------------------------------------


class Function(_Frozen, frozen=True, tag_field="kind", tag="function"):
    """A Python function of an importable module.

    Attributes:
        module: The module's dotted name, as seen from the project's root.
        name: The function's name in it.
        include: Extra files for the code bundle: globs relative to the project's root.
        over: The argument that a run-time map takes its items for; None without a map.
        fan_out: Where the items of a map run: processes of one job, or a job each.
        on_error: That a map leaves out the items that fail, and tells of them in an output
            `failures`. Left out where one failure fails the step.
    """

    module: str
    name: str
    include: tuple[str, ...] = ()
    over: str | None = None
    fan_out: Literal["processes", "jobs"] = "processes"
    on_error: Literal["skip"] | UnsetType = UNSET


class Container(_Frozen, frozen=True, tag_field="kind", tag="container"):
    """Any program in an image.

    Attributes:
        image: The image's reference.
        command: The command line; `{inputs.NAME}`, `{outputs.NAME}` stand for local paths,
            `{parameters.NAME}` for a value.
    """

    image: str
    command: tuple[str, ...]


class Register(_Frozen, frozen=True, tag_field="kind", tag="register"):
    """A new model version in MLflow's registry, with an alias."""


class Gpu(_Frozen, frozen=True):
    """Accelerators for a step: how many, and of which kind (`nvidia-t4`) where it matters."""

    count: int = 1
    kind: str | None = None


class Resources(_Frozen, frozen=True):
    """What a step's machine must offer.

    Attributes:
        cpu: Virtual CPUs.
        memory: Bytes.
        gpu: Accelerators.
        disk: Bytes of scratch space.
        spot: Whether an interruptible machine is welcome.
        instances: Machines that work together on the step.
    """

    cpu: float = 1.0
    memory: int | None = None
    gpu: Gpu | None = None
    disk: int | None = None
    spot: bool = False
    instances: int = 1


class Retry(_Frozen, frozen=True):
    """How often a failed step is tried again.

    Attributes:
        retries: Further attempts after the first.
        delay: Seconds before the first further attempt.
        backoff: Factor by which the delay grows.
    """

    retries: int = 0
    delay: float = 1.0
    backoff: float = 2.0


class Environment(_Frozen, frozen=True):
    """What a step runs in.

    Attributes:
        requirements: PEP 508 requirements beyond the project's own.
        image: A container image in place of the profile's.
        variables: Environment variables.
        secrets: Environment variables filled inside the job: variable -> secret's name.
    """

    requirements: tuple[str, ...] = ()
    image: str | None = None
    variables: dict[str, str] = {}
    secrets: dict[str, str] = {}


class Step(_Frozen, frozen=True):
    """One step of a pipeline.

    Attributes:
        name: Unique in the pipeline.
        run: What it runs.
        inputs: Its arguments.
        outputs: Its results.
        resources: What its machine must offer.
        retry: How often it is tried again.
        timeout: Seconds an attempt may take; None for no limit.
        cache: Whether an earlier result of the same code and inputs may stand for it.
        environment: What it runs in.
        after: Steps that must end first although no value comes from them.
        branch: The side of a gate on which it stands.
        metrics: Metrics that are read out of its log: name -> regular expression, whose one group
            is the value. Left out, not empty, where there are none.
        group: The group in which it stands. Left out where it stands in none.
    """

    name: Name
    run: Function | Container | Register
    inputs: dict[Name, Input] = {}
    outputs: dict[Name, Output] = {}
    resources: Resources = Resources()
    retry: Retry = Retry()
    timeout: float | None = None
    cache: bool = True
    environment: Environment = Environment()
    after: tuple[Name, ...] = ()
    branch: Branch | None = None
    metrics: dict[Name, str] | UnsetType = UNSET
    group: Name | UnsetType = UNSET


class Parameter(_Frozen, frozen=True):
    """A parameter of the pipeline.

    Attributes:
        type: "integer", "number", "boolean", "string", "json" or "data".
        default: The value when none is given. A default of None is written as `null`.
        required: Whether a value must be given at submit.
        optional: Whether None is a value of it.
        choices: The only values allowed; empty for no limit.
        static: Known while tracing: baked into the spec, fixed afterwards.
    """

    type: str
    default: Json = None
    required: bool = False
    optional: bool = False
    choices: tuple[Json, ...] = ()
    static: bool = False


class Pipeline(_Frozen, frozen=True):
    """A whole pipeline: the root of the document.

    Attributes:
        version: Version of the document's form.
        name: The pipeline's name.
        description: What it is for: the first paragraph of its docstring.
        parameters: What is given at submit.
        steps: Its steps, each after those it depends on.
        gates: Its conditions, outer before inner.
        schedule: Cron expression with five fields, in UTC.
        trusted_types: Dotted names of classes that model files may hold beyond Waterflow's own
            allow-list.
        groups: What calls of other pipelines in it have made, outer before inner. Left out, not
            empty, where there are none.
    """

    name: Name
    version: Literal[1] = 1
    description: str = ""
    parameters: dict[Name, Parameter] = {}
    steps: tuple[Step, ...] = ()
    gates: tuple[Gate, ...] = ()
    schedule: str | None = None
    trusted_types: tuple[str, ...] = ()
    groups: tuple[Group, ...] | UnsetType = UNSET

    def step(self, name: str) -> Step:
        """Return the step of that name.

        Raises:
            KeyError: No step has it.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(Pipeline)


def encode(spec: Pipeline) -> bytes:
    """Return the spec as canonical JSON: sorted keys, no white space, defaults written out."""
    return _ENCODER.encode(spec)


def decode(document: bytes | str) -> Pipeline:
    """Read a spec.

    Args:
        document: The JSON text.

    Raises:
        DefinitionError: It is no JSON, of an unknown version, or has an unknown or ill-typed field.
    """
    try:
        head: Any = msgspec.json.decode(document)
        version = head.get("version", VERSION) if isinstance(head, dict) else VERSION
        if version != VERSION:
            raise DefinitionError(
                f"This spec has version {version!r}; this release reads version {VERSION}. "
                "Install the Waterflow release that wrote it, or write it anew: waterflow compile"
            )
        return _DECODER.decode(document)
    except msgspec.DecodeError as error:
        raise DefinitionError(
            f"This is not a valid spec: {error}. Its form: waterflow schema spec"
        ) from None


def digest(spec: Pipeline) -> str:
    """Return the pipeline's digest: sha256 of its canonical JSON, in hex."""
    return hashlib.sha256(encode(spec)).hexdigest()


def schema() -> dict[str, Json]:
    """Return the JSON Schema of the document."""
    generated = msgspec.json.schema(Pipeline)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Waterflow spec",
    } | generated
