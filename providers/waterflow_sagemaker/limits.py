"""How much of SageMaker's limits a compiled pipeline uses: what `waterflow plan` shows of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow.provider import Limit
from waterflow_sagemaker.translation.mounts import CHANNELS, INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from waterflow_sagemaker.document import SageMakerDocument

_DEFINITION: Final = 2**20
_PARAMETERS: Final = 200
_ARGUMENTS: Final = 100
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AppSpecification.html"""
_PROCESSING_SECONDS: Final = 5 * 86_400
_TRAINING_SECONDS: Final = 28 * 86_400
"""https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"""


def used(document: SageMakerDocument) -> list[Limit]:
    """Return the limits that grow with a pipeline, and the step that comes nearest to each.

    Args:
        document: The compiled pipeline.
    """
    definition = document.definition
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    found = [
        Limit(what="bytes of the definition", used=len(text.encode()), most=_DEFINITION),
        Limit(what="parameters", used=len(definition["Parameters"]), most=_PARAMETERS),
    ]
    jobs = list(_jobs(definition["Steps"]))
    for kind, what, most in (
        ("Processing", "inputs of a processing job", INPUTS),
        ("Training", "channels of a training job", CHANNELS),
    ):
        key = "ProcessingInputs" if kind == "Processing" else "InputDataConfig"
        found += _most(what, most, [(n, len(a.get(key, ()))) for n, t, a in jobs if t == kind])
    found += _most("arguments of a job", _ARGUMENTS, [(n, _arguments(a)) for n, _, a in jobs])
    for kind, most in (("Processing", _PROCESSING_SECONDS), ("Training", _TRAINING_SECONDS)):
        times = [
            (name, int(arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 0)))
            for name, type_, arguments in jobs
            if type_ == kind
        ]
        found += _most(f"seconds of a {kind.lower()} job", most, times)
    return found


def _jobs(steps: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for step in steps:
        arguments = step["Arguments"]
        if step["Type"] == "Condition":
            yield from _jobs(arguments.get("IfSteps", ()))
            yield from _jobs(arguments.get("ElseSteps", ()))
        else:
            yield step["Name"], step["Type"], arguments


def _arguments(arguments: Mapping[str, Any]) -> int:
    how = arguments.get("AppSpecification") or arguments.get("AlgorithmSpecification") or {}
    return len(how.get("ContainerArguments", ()))


def _most(what: str, most: int, numbers: list[tuple[str, int]]) -> list[Limit]:
    if not numbers:
        return []
    step, number = max(numbers, key=lambda pair: pair[1])
    return [Limit(what=what, used=number, most=most, step=step)]
