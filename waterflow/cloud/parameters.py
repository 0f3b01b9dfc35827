"""A run's parameters as a cloud is given them: texts, in the encoding that was compiled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.spec.parameters import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.document import CloudDocument


def native_parameters(document: CloudDocument, values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as the cloud takes them: text, in the encoding that was compiled.

    Args:
        document: The compiled pipeline.
        values: The parameters' values; those that are not there are left out, as are defaults that
            the cloud takes as defaults only.
    """
    texts: dict[str, str] = {}
    for name, encoding in document.encodings.items():
        if name not in values:
            continue
        value = values[name]
        if name in document.unsent and value == document.unsent[name]:
            continue
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
        value: Any = json.loads(text)
    except ValueError:
        return text
    # Where a program is given them, or where they are ordered, texts travel as they are: `1e3`.
    as_json = isinstance(value, str) or (value is None and parameter.optional)
    return text if parameter.type == "string" and not as_json else value


def shown_to_programs(pipeline: spec.Pipeline) -> dict[str, str | None]:
    """Return parameters in containers' commands -> a container; None where others use it too."""
    programs: dict[str, str] = {}
    others: set[str] = set()
    for step in pipeline.steps:
        for input_ in step.inputs.values():
            source = input_.source
            items = source.items if isinstance(source, spec.FromList) else (source,)
            for item in items:
                if isinstance(item, spec.FromParameter):
                    if isinstance(step.run, spec.Container):
                        programs[item.name] = step.name
                    else:
                        others.add(item.name)
    return {name: None if name in others else step for name, step in programs.items()}
