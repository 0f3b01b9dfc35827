"""Content keys: one digest over everything that a step's result depends on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.data.fingerprints import text_digest
from waterflow.spec.parameters import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping


def content_key(
    *,
    code: str | None,
    step: Mapping[str, Any],
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    requirements: Mapping[str, Any],
) -> str:
    """Return the key under which a step's result may be found again, in hex.

    Args:
        code: Digest of the step's code bundle; None for a container step.
        step: STEP.json: what runs, the constants, the variables, the types of the outputs. The
            pipeline's and the step's names, retries, timeout and threads do not count.
        inputs: Input name -> artifact digest, with its type.
        parameters: Input name -> JSON value.
        requirements: What the step's environment is made of: versions, image, Python.
    """
    counted = ("run", "arguments", "outputs", "values", "variables", "secrets", "trusted_types")
    document = {
        "code": code,
        # An expression that came later finds nothing in a result made without it.
        "step": {name: step[name] for name in (*counted, "metrics") if name in step},
        "inputs": dict(inputs),
        # As text: the order of a dict's entries is part of the value.
        "parameters": {name: to_text(value) for name, value in parameters.items()},
        "requirements": dict(requirements),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text_digest(text)
