"""What the bodies of jobs say, read into one shape: a command job, a step, a trial, a component."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_DURATION: Final = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_MODES: Final = {
    "readonlymount": "ro_mount",
    "readwritemount": "rw_mount",
    "download": "download",
    "upload": "upload",
    "direct": "direct",
    "evalmount": "eval_mount",
    "evaldownload": "eval_download",
}
_DISTRIBUTIONS: Final = ("pytorch", "mpi", "tensorflow")
LITERALS: Final = ("integer", "number", "boolean", "string")
"""The types of inputs that are values."""
_INPUT_MODES: Final = ("ro_mount", "rw_mount", "download", "direct", "eval_mount", "eval_download")
_OUTPUT_MODES: Final = ("rw_mount", "upload", "direct")


class BodyError(ValueError):
    """A body says what the service, or this emulator, does not take."""


@dataclass(frozen=True)
class Literal:
    """An input that is a value.

    Attributes:
        text: As it was written; it may have bindings in it.
    """

    text: str


@dataclass(frozen=True)
class Data:
    """An input that is data.

    Attributes:
        kind: `uri_folder`, `uri_file`, `mltable`, `custom_model`.
        uri: Where it is.
        mode: How a job sees it; "" for the usual way.
        made: Whether it is another step's output: it may be empty.
    """

    kind: str
    uri: str
    mode: str = ""
    made: bool = False


Given = Literal | Data
"""What a step's input is given."""


@dataclass(frozen=True)
class Target:
    """Where an output goes.

    Attributes:
        kind: `uri_folder`, `uri_file`, `mltable`, `mlflow_model`; "" where the component says it.
        uri: Where to; "" for the usual place.
        mode: How it gets there; "" for the usual way.
        asset: The data asset that it becomes; "" for none.
        version: That asset's version; "" for the next one.
        text: A binding to an output of the pipeline; "" for none.
    """

    kind: str = ""
    uri: str = ""
    mode: str = ""
    asset: str = ""
    version: str = ""
    text: str = ""


@dataclass(frozen=True)
class Port:
    """An input or output that a component declares.

    Attributes:
        kind: Its type.
        mode: How a job sees it; "" for the usual way.
        optional: Whether it may be left out.
        default: What stands for it when it is; None for nothing.
        least: The least number.
        most: The greatest number.
        choices: The values that it may have; none for any.
    """

    kind: str
    mode: str = ""
    optional: bool = False
    default: str | None = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, name: str, text: str) -> None:
        """Refuse a literal that this port does not take.

        Raises:
            BodyError: It does not.
        """
        if self.kind not in LITERALS:
            return
        if self.choices and text not in self.choices:
            raise BodyError(f"input '{name}' must be one of {', '.join(self.choices)}: '{text}'")
        if self.kind == "boolean" and text.lower() not in ("true", "false"):
            raise BodyError(f"input '{name}' is a boolean: '{text}' is none")
        if self.kind in ("integer", "number"):
            try:
                number = int(text) if self.kind == "integer" else float(text)
            except ValueError:
                raise BodyError(f"input '{name}' is of type {self.kind}: '{text}' is not") from None
            if self.least is not None and number < self.least:
                raise BodyError(f"input '{name}' must be at least {self.least:g}: {text}")
            if self.most is not None and number > self.most:
                raise BodyError(f"input '{name}' must be at most {self.most:g}: {text}")


@dataclass(frozen=True)
class Distribution:
    """How the processes of a job find each other.

    Attributes:
        kind: `pytorch`, `mpi`, `tensorflow`; "" for jobs of one process an instance that know of
            no other.
        processes: Processes of each instance.
        workers: TensorFlow's workers; 0 for all instances.
        servers: TensorFlow's parameter servers.
    """

    kind: str = ""
    processes: int = 1
    workers: int = 0
    servers: int = 0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one command does, and on what.

    Attributes:
        command: The command, with its expressions.
        environment: The environment's id.
        code: The code's id; "" for none.
        variables: Variables of the job's own.
        inputs: What it declares to take.
        outputs: What it declares to make.
        instances: On how many nodes it runs.
        size: The machine type of serverless compute; "" for the usual one.
        distribution: How its processes find each other.
        timeout: Seconds that it may run; None for any time.
        tier: `spot`, `standard`; "" for what the compute is.
        identity: `managed`, `user_identity`, `aml_token`; "" for none said.
        compute: The compute's id; "" for none said.
        deterministic: Whether an earlier result may stand for it.
    """

    command: str
    environment: str
    code: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    inputs: Mapping[str, Port] = field(default_factory=dict[str, Port])
    outputs: Mapping[str, Port] = field(default_factory=dict[str, Port])
    instances: int = 1
    size: str = ""
    distribution: Distribution = field(default_factory=Distribution)
    timeout: float | None = None
    tier: str = ""
    identity: str = ""
    compute: str = ""
    deterministic: bool = True


def said(body: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Return a member of a body, whose name is written in one of two ways.

    Args:
        body: The body.
        name: The member, as `environment_variables`; `environmentVariables` is looked for too.
        default: What is returned for one that is missing or null.
    """
    first, *rest = name.split("_")
    for key in (name, first + "".join(word.capitalize() for word in rest)):
        if body.get(key) is not None:
            return body[key]
    return default


def mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a member of a body that is an object; an empty one where it is missing.

    Raises:
        BodyError: It is no object.
    """
    value = said(body, name, {})
    if not isinstance(value, dict):
        raise BodyError(f"'{name}' must be an object")
    return cast("dict[str, Any]", value)


def seconds(text: Any) -> float:
    """Return a duration in seconds: one of ISO 8601, such as `PT5M`, or a number of them.

    Raises:
        BodyError: It is none.
    """
    if not isinstance(text, str):
        return number("timeout", text)
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise BodyError(f"'{text}' is no duration: write it as PT1H30M")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def number(name: str, value: Any) -> float:
    """Return a number, which may be written as text.

    Args:
        name: What it is.
        value: What stands in the body.

    Raises:
        BodyError: It is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BodyError(f"'{name}' must be a number: {value!r}") from None


def mode(value: Any) -> str:
    """Return a mode's name as YAML has it; "" for none."""
    text = "" if value is None else str(value)
    return _MODES.get(text.replace("_", "").lower(), text)


def given(name: str, value: Any) -> Given | None:
    """Return what an input is given; None for null.

    Args:
        name: The input's name.
        value: What stands in the body.

    Raises:
        BodyError: It is no input.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        return Literal(str(value))
    body = cast("dict[str, Any]", value)
    kind = str(said(body, "job_input_type") or body.get("type") or "literal").lower()
    how = mode(body.get("mode"))
    if how and how not in _INPUT_MODES:
        raise BodyError(f"input '{name}' has no mode '{body['mode']}'")
    if kind == "literal":
        text = body.get("value")
        return None if text is None else Data(kind, str(text), how) if how else Literal(str(text))
    uri = body.get("uri") or body.get("path")
    if not uri:
        return None
    return Data(kind, str(uri), how)


def target(name: str, value: Any) -> Target:
    """Return where an output goes.

    Args:
        name: The output's name.
        value: What stands in the body; None for nothing said.

    Raises:
        BodyError: It is no output.
    """
    if value is None:
        return Target()
    if not isinstance(value, dict):
        return Target(text=str(value))
    body = cast("dict[str, Any]", value)
    kind = str(said(body, "job_output_type") or body.get("type") or "").lower()
    how = mode(body.get("mode"))
    if how and how not in _OUTPUT_MODES:
        raise BodyError(f"output '{name}' has no mode '{body['mode']}'")
    if kind == "literal":
        return Target(text=str(body.get("value", "")), mode=how)
    return Target(
        kind,
        str(body.get("uri") or body.get("path") or ""),
        how,
        str(said(body, "asset_name") or body.get("name") or ""),
        str(said(body, "asset_version") or body.get("version") or ""),
    )


def port(name: str, declared: Any, *, output: bool = False) -> Port:
    """Return an input or output as a component declares it.

    Args:
        name: Its name.
        declared: What stands in the component; an output may say nothing.
        output: Whether it is an output.

    Raises:
        BodyError: It is declared wrongly.
    """
    if not isinstance(declared, dict) and not (output and declared is None):
        raise BodyError(f"'{name}' of the component must be an object: {declared!r}")
    value = cast("dict[str, Any]", declared or {})
    kind = str(value.get("type", "uri_folder" if output else "string")).lower()
    how = mode(value.get("mode"))
    if how and how not in (_OUTPUT_MODES if output else _INPUT_MODES):
        raise BodyError(f"'{name}' has no mode '{value['mode']}'")
    default = value.get("default")

    def bound(key: str) -> float | None:
        return None if value.get(key) is None else number(f"{name}.{key}", value[key])

    choices: Any = value.get("enum") or []
    if not isinstance(choices, list):
        raise BodyError(f"'{name}.enum' must be a list: {choices!r}")
    return Port(
        kind,
        how,
        str(value.get("optional", False)).lower() == "true",
        None if default is None else str(default),
        bound("min"),
        bound("max"),
        tuple(str(one) for one in cast("list[Any]", choices)),
    )


def command_work(body: Mapping[str, Any]) -> Work:
    """Return what a command job, or the trial of a sweep, does.

    Args:
        body: Its properties; the inputs and outputs are declared by being there.

    Raises:
        BodyError: It says what is not taken.
    """
    inputs: dict[str, Port] = {}
    for name, value in mapping(body, "inputs").items():
        one = given(name, value)
        kind = one.kind if isinstance(one, Data) else "string"
        inputs[name] = Port(kind, optional=one is None)
    outputs = {
        name: Port(target(name, value).kind or "uri_folder")
        for name, value in mapping(body, "outputs").items()
    }
    return Work(
        command=str(said(body, "command", "")),
        environment=str(said(body, "environment_id", "")),
        code=str(said(body, "code_id", "")),
        inputs=inputs,
        outputs=outputs,
        **settings(body),
    )


def settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a job, a step or a component says beside its command, for a `Work`.

    Raises:
        BodyError: It says what is not taken.
    """
    resources, limits = mapping(body, "resources"), mapping(body, "limits")
    timeout = said(limits, "timeout")
    variables = mapping(body, "environment_variables")
    values: dict[str, Any] = {
        "variables": {name: str(value) for name, value in variables.items()},
        "size": str(said(resources, "instance_type", "")),
        "tier": str(said(mapping(body, "queue_settings"), "job_tier", "")).lower(),
        "identity": _identity(mapping(body, "identity")),
        "compute": str(said(body, "compute_id", "") or body.get("compute") or ""),
    }
    if said(resources, "instance_count") is not None:
        values["instances"] = _whole("instance_count", said(resources, "instance_count"))
    if timeout is not None:
        values["timeout"] = seconds(timeout)
    if mapping(body, "distribution"):
        values["distribution"] = _distribution(mapping(body, "distribution"))
    return values


def _identity(body: Mapping[str, Any]) -> str:
    kind = str(said(body, "identity_type") or body.get("type") or "").lower().replace("_", "")
    return {"managed": "managed", "managedidentity": "managed", "useridentity": "user_identity",
            "amltoken": "aml_token"}.get(kind, kind)  # fmt: skip


def _distribution(body: Mapping[str, Any]) -> Distribution:
    kind = str(said(body, "distribution_type") or body.get("type") or "").lower()
    if kind not in _DISTRIBUTIONS:
        raise BodyError(
            f"the emulator runs no distribution '{kind}': use {', '.join(_DISTRIBUTIONS)}"
        )
    return Distribution(
        kind,
        _whole("process_count_per_instance", said(body, "process_count_per_instance", 1)),
        _whole("worker_count", said(body, "worker_count", 0), least=0),
        _whole("parameter_server_count", said(body, "parameter_server_count", 0), least=0),
    )


def _whole(name: str, value: Any, least: int = 1) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise BodyError(f"'{name}' must be a whole number: {value!r}") from None
    if number < least:
        raise BodyError(f"'{name}' must be at least {least}: {number}")
    return number
