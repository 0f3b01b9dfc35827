"""What a step may ask for: the keywords of `@wf.step`, checked as they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import DefinitionError
from waterflow.language import resources
from waterflow.language.gathering import is_gathering, tolerated
from waterflow.language.types import Secret
from waterflow.language.values import definition_error
from waterflow.tracking.names import KEY_LIMIT, alias_mistake, model_name_mistake, valid_key

if TYPE_CHECKING:
    from msgspec import UnsetType

    from waterflow import spec

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
"""What steps, parameters, outputs and pipelines may be called; clouds allow 63 characters."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What an environment variable may be called, for every shell and cloud."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a step asks for; each is one keyword of `@wf.step`."""

    name: str | None = None
    cpu: float = 1
    memory: int | str | None = None
    gpu: int | str | None = None
    disk: int | str | None = None
    spot: bool = False
    instances: int = 1
    retries: int = 0
    retry_delay: float | str = 1
    backoff: float = 2
    timeout: float | str | None = None
    cache: bool | None = None
    requirements: Sequence[str] = ()
    image: str | None = None
    env: Mapping[str, str] | None = None
    secrets: Mapping[str, Secret] | None = None
    include: Sequence[str] = ()
    metrics: Mapping[str, str] | None = None
    after: Sequence[object] = ()

    def check(self) -> None:
        """Read every option once.

        Raises:
            DefinitionError: One has a value that it cannot have.
        """
        resources.check_cpu(self.cpu)
        for what in ("memory", "disk"):
            if getattr(self, what) is not None:
                resources.parse_size(getattr(self, what), what)
        resources.parse_gpu(self.gpu)
        resources.check_count(self.instances, "instances", 1)
        resources.check_count(self.retries, "retries", 0)
        resources.parse_duration(self.retry_delay, "retry_delay")
        if self.timeout is not None:
            resources.parse_duration(self.timeout, "timeout")
        if not isinstance(self.backoff, (int, float)) or not 1 <= self.backoff < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DefinitionError(f"backoff={self.backoff!r} is not a factor of at least 1.")
        for what in ("spot", "cache"):
            value = getattr(self, what)
            if not isinstance(value, bool) and (what, value) != ("cache", None):
                raise DefinitionError(f"{what}={value!r} is neither True nor False.")
        if self.name is not None:
            check_name(self.name, "step")
        if self.image is not None:
            check_image(self.image)
        for requirement in check_texts(self.requirements, "requirements"):
            _check_requirement(requirement)
        for pattern in check_texts(self.include, "include"):
            _check_include(pattern)
        check_list(self.after, "after")
        self._check_environment()
        check_metrics(self.metrics)

    def _check_environment(self) -> None:
        for variable, value in _check_variables(self.env, "env", '"value"'):
            if not isinstance(value, str):
                raise DefinitionError(f"env: {variable}={value!r} is no text.")
            if "\0" in value:
                raise DefinitionError(
                    f"env: {variable}={value!r} holds a NUL character, which no environment "
                    "variable can."
                )
        for variable, value in _check_variables(self.secrets, "secrets", 'wf.secret("its-name")'):
            if not isinstance(value, Secret):
                raise DefinitionError(
                    f"secrets: {variable} holds a plain value. A secret is only ever a reference: "
                    f'secrets={{"{variable}": wf.secret("its-name-in-the-store")}}'
                )
            if not isinstance(value.name, str) or not value.name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
                raise DefinitionError(f"secrets: {variable} names no secret: {value.name!r}.")

    def to_resources(self) -> spec.Resources:
        """Return what the step's machine must offer."""
        from waterflow import spec

        gpu = resources.parse_gpu(self.gpu)
        return spec.Resources(
            cpu=float(self.cpu),
            memory=None if self.memory is None else resources.parse_size(self.memory, "memory"),
            gpu=spec.Gpu(*gpu) if gpu else None,
            disk=None if self.disk is None else resources.parse_size(self.disk, "disk"),
            spot=self.spot,
            instances=self.instances,
        )

    def to_retry(self) -> spec.Retry:
        """Return how often the step is tried again."""
        from waterflow import spec

        delay = resources.parse_duration(self.retry_delay, "retry_delay")
        return (
            spec.Retry(self.retries, delay, float(self.backoff)) if self.retries else spec.Retry()
        )

    def to_environment(self) -> spec.Environment:
        """Return what the step runs in."""
        from waterflow import spec

        return spec.Environment(
            requirements=tuple(self.requirements),
            image=self.image,
            variables=dict(self.env or {}),
            secrets={variable: secret.name for variable, secret in (self.secrets or {}).items()},
        )

    def to_cache(self, *, outputs: bool) -> bool:
        """Say whether an earlier result may stand for the step.

        Args:
            outputs: Whether it has any. A step without outputs is there for its effects, which no
                cache can bring back: it runs each time, unless it says `cache=True`.
        """
        return outputs if self.cache is None else self.cache

    def to_metrics(self) -> dict[str, str] | UnsetType:
        """Return what is looked for in the step's log; unset where nothing is."""
        from msgspec import UNSET

        return dict(self.metrics) if self.metrics else UNSET

    def seconds(self) -> float | None:
        """Return the time an attempt may take, in seconds."""
        return None if self.timeout is None else resources.parse_duration(self.timeout, "timeout")


_OPTION_NAMES: Final = tuple(option.name for option in fields(Options))
KIND: Final = (
    "`kind` is no option of a step: which kind of job it becomes is a profile's to say. Write it "
    'into waterflow.toml, for a training job: [profiles.NAME.steps.{step}] job = "training".'
)
"""What whoever still writes `kind` is told."""


def make_options(base: Options, changes: Mapping[str, Any]) -> Options:
    """Return options with changes, checked.

    Raises:
        DefinitionError: An unknown option, or a value that it cannot have.
    """
    if is_gathering() and len(changes) > 1:  # each by itself, so that all are told
        options = base
        for name, value in changes.items():
            with tolerated():
                options = make_options(options, {name: value})
        return options
    unknown = sorted(set(changes) - set(_OPTION_NAMES))
    if "kind" in unknown:
        step = changes.get("name") or base.name or "STEP"
        raise definition_error(KIND.format(step=step))
    if unknown:
        raise definition_error(
            f"Unknown step option '{unknown[0]}'. The options are: {', '.join(_OPTION_NAMES)}."
        )
    options = replace(base, **changes)
    try:
        options.check()
    except DefinitionError as error:
        raise (error if error.location else definition_error(str(error))) from None
    return options


def check_name(name: object, what: str) -> None:
    """Refuse a name that some cloud or file system could not bear.

    Raises:
        DefinitionError: It has other characters than letters, digits, `_` and `-`, does not begin
            with a letter or `_`, or is longer than 63 characters.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise definition_error(
            f"{name!r} cannot name a {what}: use up to 63 letters, digits, '_' and '-', "
            "beginning with a letter."
        )


REGISTRY_NAMES: Final = {
    "name": (
        model_name_mistake,
        "cannot name a registered model",
        "Use a name such as 'fraud' or 'team.fraud'.",
    ),
    "alias": (
        alias_mistake,
        "cannot be an alias",
        "Use letters, digits, '_' and '-', such as 'champion'.",
    ),
}
"""What `wf.register` calls in MLflow's registry: why not, what, and what to write instead."""


def check_registry_name(key: str, value: object, where: str, location: str | None = None) -> None:
    """Refuse what MLflow's registry would, before a model is trained for it.

    Args:
        key: "name" or "alias".
        value: What it is to be; what is no text yet, as a step's output, is passed over.
        where: Where it stands, for the message.
        location: `file:line` of that; None for the caller's.

    Raises:
        DefinitionError: MLflow's registry would not take it.
    """
    mistake, cannot, instead = REGISTRY_NAMES[key]
    why = mistake(value) if isinstance(value, str) else None
    if why is not None:
        message = f"{where}: {key}={value!r:.80} {cannot}: {why}. {instead}"
        raise DefinitionError(message, location) if location else definition_error(message)


def check_image(image: object) -> None:
    """Refuse what is no container image's reference.

    Raises:
        DefinitionError: It is no text, is empty or has spaces in it.
    """
    if not isinstance(image, str) or image.split() != [image]:
        raise DefinitionError(
            f"image={image!r} is no container image's reference. Write for example "
            'image="python:3.12".'
        )


def check_list(value: object, what: str) -> Sequence[object]:
    """Return a list or tuple.

    Raises:
        DefinitionError: It is neither; a text is none.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise DefinitionError(f"{what}={value!r} must be a list.")
    return cast("Sequence[object]", value)


def check_texts(value: object, what: str) -> list[str]:
    """Return a list of texts.

    Raises:
        DefinitionError: It is no list, or one of its items is no text.
    """
    texts: list[str] = []
    for item in check_list(value, what):
        if not isinstance(item, str):
            raise DefinitionError(f"{what}: {item!r} is no text.")
        texts.append(item)
    return texts


def check_dict(value: object, what: str, example: str) -> Mapping[str, object]:
    """Return a dict whose keys are texts.

    Args:
        value: What should be one.
        what: The setting's name, for the message.
        example: How to write it, for the message.

    Raises:
        DefinitionError: It is no dict, or one of its keys is no text.
    """
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{what}={value!r} is no dict. Write {what}={example}")
    for key in cast("Mapping[object, object]", value):
        if not isinstance(key, str):
            raise DefinitionError(f"{what}: {key!r} is no text. Write {what}={example}")
    return cast("Mapping[str, object]", value)


def _check_variables(value: object, what: str, example: str) -> list[tuple[str, object]]:
    if value is None:
        return []
    variables = list(check_dict(value, what, f'{{"NAME": {example}}}').items())
    for variable, _ in variables:
        if not _VARIABLE.fullmatch(variable):
            raise DefinitionError(
                f"{what}: {variable!r} cannot name an environment variable: use letters, digits "
                "and '_', beginning with a letter or '_'."
            )
    return variables


def _check_requirement(text: str) -> None:
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:  # inside a job: the definition was checked where it was submitted
        return
    try:
        Requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise DefinitionError(
            f"requirements: {text!r} is no PEP 508 requirement: {why}. Write for example "
            '"numpy>=2", or "name @ file:///path/to/name-1.0-py3-none-any.whl" for a file.'
        ) from None


def _check_include(pattern: str) -> None:
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or not pattern.strip("./"):
        raise DefinitionError(
            f"include={pattern!r}: write a glob relative to the project's root, such as "
            "'templates/*.html'."
        )


def check_metrics(metrics: object) -> None:
    """Refuse what no values could be read out of a log with.

    Args:
        metrics: Metric name -> regular expression, or None.

    Raises:
        DefinitionError: It is no dict, MLflow would not take a name, or an expression is not valid
            or has another number of groups than one.
    """
    if metrics is None:
        return
    if not isinstance(metrics, Mapping):
        raise DefinitionError(
            f"metrics={metrics!r} is no dict of names and regular expressions. Write "
            'metrics={"loss": r"loss=([0-9.]+)"}'
        )
    for name, expression in cast("Mapping[object, object]", metrics).items():
        if not isinstance(name, str) or valid_key(name) != name:
            raise DefinitionError(
                f"metrics: {name!r} cannot name a metric in MLflow: use up to {KEY_LIMIT} letters, "
                "digits and any of '_-. :/'."
            )
        if not isinstance(expression, str):
            raise DefinitionError(
                f"metrics: {name}={expression!r} is no text. Write the regular expression itself."
            )
        _check_expression(name, expression)


def _check_expression(name: str, expression: str) -> None:
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        raise DefinitionError(
            f"metrics: {name}={expression!r} is no regular expression: {error}."
        ) from None
    if groups != 1:
        count = f"{groups} groups" if groups else "no group"
        more = " (elsewhere write (?:...))" if groups else ""
        raise DefinitionError(
            f"metrics: {name}={expression!r} has {count}. Put parentheses around "
            f"the value, and around nothing else{more}, as in r'loss=([0-9.]+)'."
        )
