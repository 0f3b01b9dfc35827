"""The form of pipeline.yaml, declared once: what is checked, and what the JSON Schema says."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType

from waterflow.language.options import KIND

if TYPE_CHECKING:
    from waterflow.yaml_pipeline.reader import Place, Source

Json = Any
T = TypeVar("T", bound=Struct)


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all parts share: no key is known but these."""


class ParameterPart(_Part, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A parameter of the pipeline, given at submit; without a default it must be given.

    Attributes:
        kind: Its type. Written `type`.
        default: The value when none is given; for data a path or URI.
        optional: Whether null is a value of it.
        choices: The only values allowed.
        static: Known while the pipeline is defined, fixed afterwards.
    """

    kind: Literal["integer", "number", "boolean", "string", "json", "data"]
    default: Json | UnsetType = UNSET
    optional: bool = False
    choices: list[Json] = []
    static: bool = False


class OptionsPart(_Part, frozen=True, kw_only=True):
    """What a step asks for: the keywords of `@wf.step`."""

    cpu: float | UnsetType = UNSET
    memory: int | str | UnsetType = UNSET
    gpu: int | str | UnsetType = UNSET
    disk: int | str | UnsetType = UNSET
    spot: bool | UnsetType = UNSET
    instances: int | UnsetType = UNSET
    retries: int | UnsetType = UNSET
    retry_delay: float | str | UnsetType = UNSET
    backoff: float | UnsetType = UNSET
    timeout: float | str | UnsetType = UNSET
    cache: bool | UnsetType = UNSET
    requirements: list[str] | UnsetType = UNSET
    image: str | UnsetType = UNSET
    env: dict[str, str] | UnsetType = UNSET
    secrets: dict[str, str] | UnsetType = UNSET
    include: list[str] | UnsetType = UNSET
    metrics: dict[str, str] | UnsetType = UNSET
    after: list[str] | UnsetType = UNSET


class CallPart(_Part, frozen=True, kw_only=True, rename={"arguments": "with"}):
    """A call of a step function.

    Attributes:
        call: The function: `package.module:function`.
        step: The step's name; default: the function's, numbered.
        arguments: Its arguments. Written `with`.
        options: What it asks for, in place of what the function's decorator says.
    """

    call: str
    step: str | None = None
    arguments: dict[str, Json] = {}
    options: OptionsPart = OptionsPart()


class MapPart(_Part, frozen=True, kw_only=True, rename={"function": "map", "arguments": "with"}):
    """A step function called once for each item of a list made at run time.

    Attributes:
        function: The function: `package.module:function`. Written `map`.
        over: The list.
        step: The step's name; default: the function's, numbered.
        arguments: Its other arguments, the same for each call. Written `with`.
        fan_out: Where the items run.
        on_error: Whether an item that fails ends the step, or is told in its output `failures`.
        options: What it asks for.
    """

    function: str
    over: Json
    step: str | None = None
    arguments: dict[str, Json] = {}
    fan_out: Literal["processes", "jobs"] = "processes"
    on_error: Literal["fail", "skip"] = "fail"
    options: OptionsPart = OptionsPart()


class PipelinePart(_Part, frozen=True, kw_only=True, rename={"arguments": "with"}):
    """A call of another pipeline: its steps are a group of this one.

    Attributes:
        pipeline: The other one: `package.module:pipeline`, or the path of a YAML file as seen from
            this one.
        group: The group's name; default: the pipeline's, numbered.
        arguments: Its parameters. Written `with`.
    """

    pipeline: str
    group: str | None = None
    arguments: dict[str, Json] = {}


class ContainerFields(_Part, frozen=True, kw_only=True):
    """Any program in an image.

    Attributes:
        name: The step's name.
        image: The image's reference.
        command: The command line, taken as it stands but for `{inputs.NAME}`, `{outputs.NAME}`
            and `{parameters.NAME}`.
        inputs: Artifacts of other steps, or `{data: path or URI}`.
        outputs: Names of the folders that the program writes.
        parameters: Plain values, pipeline parameters or scalar outputs.
    """

    name: str
    image: str
    command: list[str]
    inputs: dict[str, Json] = {}
    outputs: list[str] = []
    parameters: dict[str, Json] = {}


class ContainerPart(_Part, frozen=True, kw_only=True):
    """A container step."""

    container: ContainerFields
    options: OptionsPart = OptionsPart()


class RegisterFields(_Part, frozen=True, kw_only=True):
    """A new model version in MLflow's registry.

    Attributes:
        model: The output that holds the model.
        name: The registered model's name.
        example: Rows of its input.
        metrics: Metrics to write on the version.
        alias: The alias to move to the version.
    """

    model: str
    name: str
    example: str | None = None
    metrics: Json = None
    alias: str | None = None


class RegisterPart(_Part, frozen=True, kw_only=True):
    """A step that registers a model.

    Attributes:
        register: What it registers.
        step: The step's name; default: `register`, numbered.
        options: What it asks for.
    """

    register: RegisterFields
    step: str | None = None
    options: OptionsPart = OptionsPart()


class WhenPart(_Part, frozen=True, kw_only=True):
    """Steps that run only if a condition holds.

    Attributes:
        when: The condition: comparisons of references and plain values, `and`, `or`, `not`,
            parentheses.
        then: Steps for when it holds.
        otherwise: Steps for when it does not.
    """

    when: str
    then: list[dict[str, Json]]
    otherwise: list[dict[str, Json]] = []


class Document(_Part, frozen=True, kw_only=True):
    """A whole pipeline.

    Attributes:
        pipeline: The pipeline's name.
        steps: Its steps, each after those it depends on.
        description: What it is for.
        schedule: When to run it: a cron expression with five fields, in UTC.
        parameters: What is given at submit.
        trusted_types: Dotted names of classes that its model files may hold beyond Waterflow's
            own allow-list.
        returns: What a pipeline that calls it gets: a reference, or several by name.
    """

    pipeline: str
    steps: list[dict[str, Json]]
    description: str = ""
    schedule: str | None = None
    parameters: dict[str, ParameterPart] = {}
    trusted_types: list[str] = []
    returns: str | dict[str, Json] | None = None


Entry = CallPart | MapPart | PipelinePart | ContainerPart | RegisterPart | WhenPart

_ENTRIES: Final[dict[str, type[Struct]]] = {
    "call": CallPart,
    "map": MapPart,
    "pipeline": PipelinePart,
    "container": ContainerPart,
    "register": RegisterPart,
    "when": WhenPart,
}
_TITLES: Final[dict[type[Struct], str]] = {
    Document: "The pipeline", ParameterPart: "A parameter", OptionsPart: "`options`",
    ContainerFields: "`container`", RegisterFields: "`register`",
}  # fmt: skip
_INNER: Final[dict[type[Struct], dict[str, type[Struct]]]] = {
    CallPart: {"options": OptionsPart},
    MapPart: {"options": OptionsPart},
    ContainerPart: {"container": ContainerFields, "options": OptionsPart},
    RegisterPart: {"register": RegisterFields, "options": OptionsPart},
}


def read_document(source: Source) -> Document:
    """Return the outermost part of a pipeline.

    Raises:
        DefinitionError: It is no mapping, or holds an unknown key or a value of a wrong type.
    """
    parameters = source.content.get("parameters") if isinstance(source.content, dict) else None
    if isinstance(parameters, dict):
        for name, content in cast("dict[str, Any]", parameters).items():
            _convert(source, ParameterPart, content, ("parameters", name))
    return _convert(source, Document, source.content, ())


def read_entry(source: Source, content: dict[str, Json], place: Place) -> Entry:
    """Return one entry of `steps`, `then` or `otherwise`.

    Raises:
        DefinitionError: It is none of the known forms, or holds an unknown key or a value of a
            wrong type.
    """
    kinds = [kind for kind in _ENTRIES if kind in content]
    if len(kinds) != 1:
        near = next((k for k in content if difflib.get_close_matches(k, _ENTRIES, n=1)), None)
        guess = difflib.get_close_matches(near, _ENTRIES, n=1) if near else []
        hint = f" Did you mean '{guess[0]}' for '{near}'?" if guess and not kinds else ""
        what = (
            f"has both {' and '.join(kinds)}"
            if kinds
            else f"has only {', '.join(content) or 'nothing'}"
        )
        raise source.error(
            f"An entry of `steps` has one of the keys {', '.join(_ENTRIES)}; "
            f"this one {what}.{hint}",
            place,
        )
    return cast("Entry", _convert(source, _ENTRIES[kinds[0]], content, place))


def _convert(source: Source, part: type[T], content: Json, place: Place) -> T:
    _known_keys(source, part, content, place)
    if isinstance(content, dict):
        for key, inner in _INNER.get(part, {}).items():
            if key in content:
                _known_keys(source, inner, cast("dict[str, Any]", content)[key], (*place, key))
    try:
        return msgspec.convert(content, part)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        where = (*place, *_steps(path.rstrip("`")))
        name = f"'{where[-1]}': " if where and isinstance(where[-1], str) else ""
        if "Expected `str" in message and re.search(r"got `(int|float|bool)`", message):
            message += ". Put it in quotes to make it text"
        if message.startswith("Invalid enum value") and where:
            message += f"; it is one of {', '.join(_choices(part, where[-1]))}"
        raise source.error(f"{name}{_plainly(message)}.", where) from None


def _choices(part: type[Struct], key: str | int) -> tuple[str, ...]:
    """Return the values that a key may have, of a part or of one inside it."""
    for owner in (part, *_INNER.get(part, {}).values()):
        for field in msgspec.structs.fields(owner):
            if field.encode_name == key:
                options = (field.type, *get_args(field.type))
                return next((get_args(o) for o in options if get_origin(o) is Literal), ())
    return ()


def _known_keys(source: Source, part: type[Struct], content: Json, place: Place) -> None:
    if not isinstance(content, dict):
        return
    known = part.__struct_encode_fields__
    for key in cast("dict[str, Any]", content):
        if key == "kind" and part is OptionsPart:
            raise source.error(KIND.format(step="STEP"), (*place, key))
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            title = _TITLES.get(part) or f"A `{known[0]}` entry"
            raise source.error(
                f"{title} has no key '{key}'.{hint} It may have: {', '.join(known)}.", (*place, key)
            )


def _steps(path: str) -> Place:
    parts = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", path)
    return tuple(int(index) if index else name for name, index in parts)


_WORDS: Final = {
    "`object`": "a mapping", "`array`": "a list", "`str`": "text", "`int`": "a whole number",
    "`float`": "a number", "`bool`": "true or false", "`null`": "nothing",
    "Object missing required field": "The key is missing:", "Expected": "expected",
}  # fmt: skip


def _plainly(message: str) -> str:
    """Return msgspec's message in the words of who writes YAML."""
    message = re.sub(
        r"`([a-z]+(?: \| [a-z]+)+)`",
        lambda m: " or ".join(f"`{p}`" for p in m[1].split(" | ")),
        message,
    )
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


def schema() -> dict[str, Json]:
    """Return the JSON Schema (2020-12) of pipeline.yaml."""
    parts = (Document, *_ENTRIES.values())
    references, components = msgspec.json.schema_components(parts, ref_template="#/$defs/{name}")
    components["Entry"] = {"title": "Entry", "oneOf": list(references[1:])}
    entries = {"type": "array", "items": {"$ref": "#/$defs/Entry"}}
    document = components["Document"]["properties"]
    document["steps"] = {**entries, "minItems": 1}
    gate = components["WhenPart"]["properties"]
    gate["then"], gate["otherwise"] = entries, {**entries, "default": []}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Waterflow pipeline",
        **references[0],
        "$defs": components,
    }
