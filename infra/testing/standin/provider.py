"""The stand-in for a resource provider: checks, compares and keeps resources without a cloud."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from standin.schema import failures
from standin.values import UNKNOWN, Properties, Secret, bare, differences, leaves, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin.schema import Schemas

DEFAULTS = "__defaults"  # the bridged providers' own mark: which inputs the provider chose itself


@dataclass(frozen=True)
class Facts:
    """What no SDK states of a resource type: how it is named, and what a change of it means.

    Attributes:
        name: The property that the provider fills when the program leaves it out; empty for none.
        id: The identifier, a template over the outputs.
        arn: The resource's full name in the cloud, a template.
        computed: Other outputs that the cloud fills, as templates.
        replaces: Properties a change of which makes a new resource.
        prefix: What an automatic name begins with.
        suffix: What an automatic name ends with.
        joint: What stands before the mark that an automatic name ends in.
        length: The longest name, in characters.
        values: By path, without the places in lists: the values that the vendor takes, where the
            SDK lists others.
    """

    name: str = "name"
    id: str = ""
    arn: str = ""
    computed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    replaces: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    joint: str = "-"
    length: int = 64
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])


@dataclass(frozen=True)
class Form:
    """A property that goes in in one form and comes out in another.

    Attributes:
        out: Returns what comes out of what went in.
        back: Returns what went in of what comes out.
    """

    out: Callable[[Any], Any]
    back: Callable[[Any], Any]


@dataclass(frozen=True)
class Cloud:
    """A cloud's tables: facts by type, functions that programs call, what it must be told.

    Attributes:
        facts: What is known of each type.
        functions: Functions by their tokens.
        surroundings: Words that all templates may have.
        required: What the provider's own configuration must say.
        replaces_always: Properties a change of which makes a new resource, of whatever type.
        derived: Returns further words of templates, of a resource's inputs.
        forms: Properties, of whatever type, that come out in another form.
    """

    facts: Mapping[str, Facts] = field(default_factory=dict[str, Facts])
    functions: Mapping[str, Callable[[Properties, Mapping[str, str]], Properties]] = field(
        default_factory=dict[str, Any]
    )
    surroundings: Mapping[str, str] = field(default_factory=dict[str, str])
    required: tuple[str, ...] = ()
    replaces_always: tuple[str, ...] = ()
    derived: Callable[[Properties], Mapping[str, str]] = lambda _: {}
    forms: Mapping[str, Form] = field(default_factory=dict[str, "Form"])


class Carrier(Protocol):
    """Makes resources of some types for real, at an endpoint that stands for the cloud."""

    def takes(self, token: str) -> bool:
        """Whether this carrier makes resources of a type."""
        ...

    def create(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Make a resource and return the outputs that the cloud answered.

        Here as below, the outputs hold what the stand-in made up, its `id` among it.
        """
        ...

    def read(self, token: str, outputs: Properties) -> Properties | None:
        """Return what the cloud has now of the properties in outputs, None where it is gone."""
        ...

    def update(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Change a resource and return the outputs that the cloud answered."""
        ...

    def delete(self, token: str, outputs: Properties) -> None:
        """Remove a resource."""
        ...


@dataclass(frozen=True)
class Difference:
    """What an update would change, and whether it needs a new resource."""

    changes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_first: bool = False


class ProviderError(Exception):
    """The provider refused; the message says what and why."""


class Provider:
    """One package's provider. Its methods are those of Pulumi's provider protocol."""

    def __init__(self, package: str, schemas: Schemas, carrier: Carrier | None = None) -> None:
        self.package = package
        self.schemas = schemas
        self.carrier = carrier
        self.cloud = cloud(package)
        self.kept: dict[tuple[str, str], tuple[Properties, Properties]] = {}

    def facts(self, token: str) -> Facts:
        """Return what is known of a type beside its schema."""
        return self.cloud.facts.get(token, Facts())

    def configured(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return what is wrong with a provider's own configuration, as pairs of path and reason."""
        token = f"pulumi:providers:{self.package}"
        wrong = failures(self.schemas(token), config)
        missing = [one for one in self.cloud.required if not config.get(one)]
        reason = f"the provider needs it: pulumi config set {self.package}:"
        return [*wrong, *((one, f"{reason}{one} VALUE") for one in missing)]

    def check(
        self, urn: str, token: str, news: Properties, olds: Properties | None, sequence: int = 0
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs with the provider's own defaults, and what is wrong with them."""
        schema, facts = self.schemas(token), self.facts(token)
        wrong = [
            (path, reason)
            for path, reason in failures(schema, news)
            if not _taken(facts.values, path, news)
        ]
        inputs = dict(news)
        entry = schema["inputs"].get(facts.name)
        if facts.name and entry and entry["kind"] == "string" and facts.name not in inputs:
            alternatives = (f"{facts.name}Prefix",)
            if not any(other in inputs for other in alternatives):
                inputs[facts.name] = self._name(urn, facts, olds, sequence)
                inputs[DEFAULTS] = [facts.name]
        return inputs, wrong

    def _name(self, urn: str, facts: Facts, olds: Properties | None, sequence: int) -> str:
        if olds and facts.name in olds.get(DEFAULTS, []):
            return olds[facts.name]
        logical = urn.rsplit("::", 1)[1]
        ending = facts.joint + _digest(urn, str(sequence))[:7] + facts.suffix
        return facts.prefix + logical[: facts.length - len(facts.prefix + ending)] + ending

    def diff(
        self, token: str, olds: Properties, news: Properties, ignore: list[str] | None = None
    ) -> Difference:
        """Return what differs between the inputs of before and the inputs of now."""
        schema, facts = self.schemas(token), self.facts(token)
        ignored = set(ignore or [])
        paths = [
            path
            for path in differences(bare(olds), bare(news))
            if not path.startswith(DEFAULTS) and not _within(path, ignored)
        ]
        stated = {name for name, entry in schema["inputs"].items() if entry.get("replaces")}
        causes = {*facts.replaces, *self.cloud.replaces_always, *stated}
        replaces = [path for path in paths if _within(path, causes)]
        # As the bridged providers do: two resources cannot bear one name that the program chose.
        fixed = facts.name in news and facts.name not in news.get(DEFAULTS, [])
        same = fixed and bare(news.get(facts.name)) == bare(olds.get(facts.name))
        return Difference(tuple(paths), tuple(replaces), bool(replaces) and same)

    def create(
        self, urn: str, token: str, inputs: Properties, config: Mapping[str, Any], *, preview: bool
    ) -> tuple[Any, Properties]:
        """Make a resource and return its identifier and outputs, unknown ones in a preview."""
        schema = self.schemas(token)
        plain = _without_defaults(inputs)
        if preview:
            absent = {name: UNKNOWN for name in schema["outputs"] if name not in plain}
            return UNKNOWN, self._secret(schema, self._out({**absent, **plain}))
        outputs, identifier = self._computed(urn, token, bare(plain), config)
        if self.carrier and self.carrier.takes(token):
            outputs |= self.carrier.create(token, bare(plain), {**outputs, "id": identifier})
            identifier = str(outputs.pop("id", identifier))
        outputs = self._out(outputs)
        if (token, identifier) in self.kept:
            raise ProviderError(f"{token} {identifier!r} exists already")
        self.kept[token, identifier] = (inputs, outputs)
        return identifier, self._secret(schema, outputs, plain)

    def update(
        self,
        token: str,
        identifier: str,
        olds: tuple[Properties, Properties],
        inputs: Properties,
        *,
        preview: bool,
    ) -> Properties:
        """Change a resource, given its inputs and outputs of before, and return its outputs."""
        schema = self.schemas(token)
        plain = _without_defaults(inputs)
        before, outputs = olds
        kept = {k: one for k, one in outputs.items() if k in plain or k not in before}
        if "tagsAll" in schema["outputs"]:
            kept["tagsAll"] = plain.get("tags", {})
        merged = self._out({**kept, **plain})
        if preview:
            return self._secret(schema, merged, plain)
        if self.carrier and self.carrier.takes(token):
            known = {**bare(merged), "id": identifier}
            merged |= _without_id(self.carrier.update(token, bare(plain), known))
            merged = self._out(merged)
        self.kept[token, identifier] = (inputs, bare(merged))
        return self._secret(schema, merged, plain)

    def read(self, token: str, identifier: str) -> tuple[Properties, Properties] | None:
        """Return what the cloud has now: inputs and outputs, or None where it has none."""
        if (token, identifier) not in self.kept:
            return None
        inputs, outputs = self.kept[token, identifier]
        if self.carrier and self.carrier.takes(token):
            answer = self.carrier.read(token, {**outputs, "id": identifier})
            if answer is None:
                del self.kept[token, identifier]
                return None
            outputs = self._out({**outputs, **_without_id(answer)})
        inputs = {
            key: (self._back(key, outputs[key]) if key in outputs else value)
            for key, value in inputs.items()
        }
        return inputs, outputs

    def _out(self, values: Properties) -> Properties:
        """Return outputs in the form in which they come out."""
        result = dict(values)
        for name in self.cloud.forms.keys() & values.keys():
            if isinstance(values[name], Mapping):
                known = not unknown(values[name])
                result[name] = self.cloud.forms[name].out(values[name]) if known else UNKNOWN
        return result

    def _back(self, name: str, value: Any) -> Any:
        form = self.cloud.forms.get(name)
        return value if form is None or value is None else form.back(value)

    def delete(self, token: str, identifier: str) -> None:
        """Remove a resource; one that is gone already is no error."""
        _, outputs = self.kept.pop((token, identifier), ({}, {}))
        if outputs and self.carrier and self.carrier.takes(token):
            self.carrier.delete(token, {**outputs, "id": identifier})

    def invoke(self, token: str, arguments: Properties, config: Mapping[str, Any]) -> Properties:
        """Answer a function that a program calls.

        Raises:
            ProviderError: The stand-in does not know the function.
        """
        function = self.cloud.functions.get(token)
        if function is None:
            raise ProviderError(
                f"the stand-in provider cannot answer {token}: add it to "
                f"standin/clouds/{self.package}.py"
            )
        return function(arguments, {**self.cloud.surroundings, **_texts(config)})

    def drift(self, token: str, identifier: str, changes: Mapping[str, Any]) -> None:
        """Change a resource behind the stack's back.

        Raises:
            KeyError: There is no such resource.
        """
        inputs, outputs = self.kept[token, identifier]
        self.kept[token, identifier] = (inputs, {**outputs, **changes})

    def _computed(
        self, urn: str, token: str, inputs: Properties, config: Mapping[str, Any]
    ) -> tuple[Properties, str]:
        schema, facts = self.schemas(token), self.facts(token)
        digest = _digest(urn, json.dumps(inputs, sort_keys=True, default=str))
        kind = token.rsplit(":", 1)[1]
        words: dict[str, Any] = {
            "hash": digest[:17],
            "short": digest[:8],
            "number": str(int(digest[:12], 16)).zfill(12)[:12],
            "uuid": str(uuid.UUID(digest[:32])),
            "client": str(uuid.UUID(digest[-32:])),
            "kind": kind[0].lower() + kind[1:],
            "service": token.split(":")[1].split("/", maxsplit=1)[0],
            "logical": urn.rsplit("::", 1)[1],
            **self.cloud.surroundings,
            **_texts(config),
            **self.cloud.derived(inputs),
            **{name: value for name, value in inputs.items() if isinstance(value, str)},
        }
        words.setdefault("name", words.get(facts.name) or f"{words['logical']}-{words['short']}")
        identifier = (facts.id or "{name}").format_map(words)
        words["id"] = identifier
        outputs: Properties = {}
        for name, kind_of in schema["outputs"].items():
            if name not in inputs:
                template = facts.arn if name == "arn" and facts.arn else facts.computed.get(name)
                outputs[name] = _filled(template, words) if template is not None else None
                outputs[name] = (
                    outputs[name] if template is not None else _blank(name, kind_of, schema, words)
                )
        if "tagsAll" in schema["outputs"]:
            outputs["tagsAll"] = inputs.get("tags", {})
        merged = {**outputs, **inputs}
        return {name: value for name, value in merged.items() if value is not None}, identifier

    @staticmethod
    def _secret(
        schema: Mapping[str, Any], outputs: Properties, inputs: Properties | None = None
    ) -> Properties:
        """Return outputs, those as secret of which the SDK says so, or whose input was one."""
        secret = set(schema["secrets"])
        secret |= {name for name, value in (inputs or {}).items() if isinstance(value, Secret)}
        result = dict(outputs)
        for name, value in (inputs or {}).items():
            result[name] = (
                value if name in result and bare(value) == bare(result[name]) else result.get(name)
            )
        for name in secret & set(result):
            if not isinstance(result[name], Secret) and result[name] is not None:
                result[name] = Secret(bare(result[name]))
        return result


def cloud(package: str) -> Cloud:
    """Return the tables of a package's cloud; an empty one where none is written."""
    name = f"standin.clouds.{package.replace('-', '_')}"
    try:
        return importlib.import_module(name).CLOUD
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return Cloud()


def _blank(name: str, kind: Any, schema: Mapping[str, Any], words: Mapping[str, Any]) -> Any:
    """Return an output of which no table tells: a text naming it, nothing for what is optional."""
    if name == "arn":
        template = "arn:{partition}:{service}:{region}:{account}:{kind}/{id}"
        return (
            template.format_map(words) if "account" in words else f"{words['kind']}/{words['id']}"
        )
    if name in words and isinstance(words[name], str) and name in {"region", "name"}:
        return words[name]
    if name in schema["inputs"] or kind != "string":
        return None
    return f"{words['id']}.{name}"


def _filled(template: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        return template.format_map(words)
    if isinstance(template, list):
        return [_filled(one, words) for one in template]
    if isinstance(template, dict):
        return {key: _filled(one, words) for key, one in template.items()}
    return template


def _within(path: str, names: set[str]) -> bool:
    plain = path.split("[", maxsplit=1)[0] if path.split("[", maxsplit=1)[0] in names else path
    return any(plain == name or plain.startswith((f"{name}.", f"{name}[")) for name in names)


def _taken(values: Mapping[str, tuple[str, ...]], path: str, inputs: Properties) -> bool:
    """Whether the vendor takes a value that the SDK does not list."""
    known = values.get(re.sub(r"\[\d+\]", "", path))
    return known is not None and dict(leaves(inputs)).get(path) in known


def _without_id(values: Properties) -> Properties:
    return {name: value for name, value in values.items() if name != "id"}


def _without_defaults(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if name != DEFAULTS}


def _texts(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in bare(dict(config)).items() if isinstance(value, str)}


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


__all__ = [
    "Carrier",
    "Cloud",
    "Difference",
    "Facts",
    "Provider",
    "ProviderError",
    "cloud",
    "unknown",
]
