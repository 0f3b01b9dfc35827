"""The expressions of jobs: `${{inputs.x}}`, `${{parent.jobs.a.outputs.o}}`, `$[[...]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EXPRESSION: Final = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
_OPTIONAL: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_NAME: Final = r"[A-Za-z_][\w.-]*"
_PARENT: Final = re.compile(
    rf"parent\.(?:(?P<side>inputs|outputs)\.(?P<port>{_NAME})"
    rf"|jobs\.(?P<job>[\w-]+)\.(?P<job_side>inputs|outputs)\.(?P<job_port>{_NAME}))"
)
_MACRO: Final = re.compile(r"\$\{\{\s*(name|output_name|default_datastore)\s*\}\}")


class BindingError(ValueError):
    """An expression names what there is not, or cannot stand where it does."""


@dataclass(frozen=True)
class Binding:
    """What an expression of a step refers to.

    Attributes:
        job: Another step of the same pipeline; "" for the pipeline itself.
        side: `inputs` or `outputs`.
        name: Which of them.
    """

    job: str
    side: str
    name: str


def references(text: str) -> Iterator[str]:
    """Yield what stands in the expressions of a text: `inputs.x`."""
    for match in _EXPRESSION.finditer(text):
        yield match[1]


def binding(text: str) -> Binding | None:
    """Return what a text refers to that is one expression and nothing else; None for others.

    Args:
        text: The value of a step's input or output.

    Raises:
        BindingError: It is an expression that a step cannot have.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        return None
    parent = _PARENT.fullmatch(match[1])
    if parent is None:
        raise BindingError(
            f"'{text}' is no binding of a step: write ${{{{parent.inputs.NAME}}}} or "
            "${{parent.jobs.STEP.outputs.NAME}}"
        )
    if parent["job"]:
        return Binding(parent["job"], parent["job_side"], parent["job_port"])
    return Binding("", parent["side"], parent["port"])


def bindings(text: str) -> list[Binding]:
    """Return all that a text refers to, wherever in it.

    Raises:
        BindingError: It has an expression that a step cannot have.
    """
    one = (binding(match[0]) for match in _EXPRESSION.finditer(text))
    return [each for each in one if each is not None]


def substituted(text: str, values: Mapping[Binding, str]) -> str:
    """Return a text with the values of its bindings in their places.

    Raises:
        BindingError: One has no value.
    """

    def value(match: re.Match[str]) -> str:
        one = binding(match[0])
        if one is None or one not in values:
            raise BindingError(f"{match[0]} has no value")
        return values[one]

    return _EXPRESSION.sub(value, text)


def rendered(
    command: str,
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    space: Mapping[str, str] | None = None,
    absent: frozenset[str] = frozenset(),
) -> str:
    """Return a command as it runs.

    Args:
        command: As its author wrote it.
        inputs: Input -> path or literal.
        outputs: Output -> path.
        space: Hyperparameter -> value, in a trial of a sweep.
        absent: Optional inputs that have no value: what `$[[...]]` says of them is left out.

    Raises:
        BindingError: It names what there is not.
    """
    values = {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"outputs.{name}": value for name, value in outputs.items()}
    values |= {f"search_space.{name}": value for name, value in (space or {}).items()}
    gone = {f"inputs.{name}" for name in absent}

    def optional(match: re.Match[str]) -> str:
        return "" if gone & set(references(match[1])) else match[1]

    def value(match: re.Match[str]) -> str:
        if match[1] in gone:
            raise BindingError(
                f"the optional input of {match[0]} has no value: write $[[{match[0]}]] in the "
                "command"
            )
        if match[1] not in values:
            raise BindingError(f"the command names {match[0]}, and there is no such thing")
        return values[match[1]]

    return _EXPRESSION.sub(value, _OPTIONAL.sub(optional, command))


def placed(path: str, *, name: str, output: str, datastore: str) -> str:
    """Return an output's path with what stands for its job in it.

    https://learn.microsoft.com/azure/machine-learning/how-to-manage-inputs-outputs-pipeline

    Args:
        path: The path, with `${{name}}`, `${{output_name}}` and `${{default_datastore}}`.
        name: The job's name.
        output: The output's.
        datastore: The default datastore's.
    """
    values = {"name": name, "output_name": output, "default_datastore": datastore}
    return _MACRO.sub(lambda match: values[match[1]], path)
