"""Content keys: one digest over everything that a step's result depends on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from waterflow.data.fingerprints import text_digest
from waterflow.spec.parameters import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNTED: Final = (
    "run", "arguments", "outputs", "values", "variables", "secrets", "trusted_types", "metrics",
)  # fmt: skip
"""What of STEP.json a result depends on. An expression that came later finds nothing in a result
made without it, so metrics count."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Everything that a step's result depends on: what its key is made of.

    Attributes:
        code: What caches know its code by; None for a container step.
        step: What counts of STEP.json.
        inputs: Input name -> artifact digest, with its type.
        parameters: Input name -> JSON text: the order of a dict's entries is part of the value.
        requirements: What the step's environment is made of: versions, image, Python.
        parts: What the code is made of: name -> digest. It tells people what differs, and is no
            part of the key.
    """

    code: str | None
    step: dict[str, Any]
    inputs: dict[str, str]
    parameters: dict[str, str]
    requirements: dict[str, Any]
    parts: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls,
        *,
        code: str | None,
        step: Mapping[str, Any],
        inputs: Mapping[str, str],
        parameters: Mapping[str, Any],
        requirements: Mapping[str, Any],
        parts: Mapping[str, str] | None = None,
    ) -> Self:
        """Return what a step's result depends on.

        Args:
            code: What caches know its code by; None for a container step.
            step: STEP.json: what runs, the constants, the variables, the types of the outputs. The
                pipeline's and the step's names, retries, timeout and threads do not count.
            inputs: Input name -> artifact digest, with its type.
            parameters: Input name -> JSON value.
            requirements: What the step's environment is made of: versions, image, Python.
            parts: What the code is made of, by name.
        """
        return cls(
            code=code,
            step={name: step[name] for name in _COUNTED if name in step},
            inputs=dict(inputs),
            parameters={name: to_text(value) for name, value in parameters.items()},
            requirements=dict(requirements),
            parts=dict(parts or {}),
        )

    @cached_property
    def key(self) -> str:
        """The key under which the result may be found again, in hex."""
        counted = {name: value for name, value in self.to_json().items() if name != "parts"}
        text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text_digest(text)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, which is not to be changed."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return what was kept of an earlier result.

        Raises:
            TypeError: It was kept in another form.
        """
        return cls(**content)


def content_key(
    *,
    code: str | None,
    step: Mapping[str, Any],
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    requirements: Mapping[str, Any],
) -> str:
    """Return the key under which a step's result may be found again, in hex; see `Basis.of`."""
    return Basis.of(
        code=code, step=step, inputs=inputs, parameters=parameters, requirements=requirements
    ).key
