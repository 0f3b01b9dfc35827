"""A run's parameters as a cloud is given them: texts, in the encoding that was compiled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.spec.parameters import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.document import CloudDocument


def native_parameters(document: CloudDocument, values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as the cloud takes them: text, in the encoding that was compiled.

    Args:
        document: The compiled pipeline.
        values: The parameters' values; those that are not there are left out.
    """
    texts: dict[str, str] = {}
    for name, encoding in document.encodings.items():
        if name not in values:
            continue
        value = values[name]
        if encoding == "data":
            texts[name] = document.none if value is None else document.data[value]
        elif encoding == "text" and isinstance(value, str):
            texts[name] = value
        elif encoding == "number":
            texts[name] = repr(float(value))
        else:
            texts[name] = to_text(value)
    return texts


def value_of(parameter: spec.Parameter, text: str) -> Any:
    """Return a parameter's value from the text that the cloud was given for it."""
    if parameter.type == "data":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # for a container's command, texts travel as they are
