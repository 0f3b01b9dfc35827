"""How much of SageMaker's limits a pipeline uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.cloud.limits import nearest
from waterflow_sagemaker import limits
from waterflow_sagemaker.definition.document import step_entries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.provider import Limit
    from waterflow_sagemaker.document import SageMakerDocument


def used(document: SageMakerDocument) -> list[Limit]:
    """Return the limits that grow with a pipeline, and the step that comes nearest to each.

    Args:
        document: The compiled pipeline.
    """
    definition = document.definition
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    usage = [
        limits.DEFINITION.used(len(text.encode())),
        limits.PARAMETERS.used(len(definition["Parameters"])),
    ]
    jobs = [
        (entry.name, entry.source["Type"], entry.source["Arguments"])
        for entry in step_entries(definition)
        if entry.source["Type"] != "Condition"
    ]
    processing = [(name, arguments) for name, kind, arguments in jobs if kind == "Processing"]
    training = [(name, arguments) for name, kind, arguments in jobs if kind == "Training"]
    usage += nearest(
        limits.INPUTS, [(n, len(a.get("ProcessingInputs", ()))) for n, a in processing]
    )
    channels = [(name, len(one.get("InputDataConfig", ()))) for name, one in training]
    usage += nearest(limits.CHANNELS, channels)
    usage += nearest(limits.ARGUMENTS, [(name, _arguments(a)) for name, _, a in jobs])
    usage += nearest(limits.PROCESSING_SECONDS, [(name, _seconds(a)) for name, a in processing])
    usage += nearest(limits.TRAINING_SECONDS, [(name, _seconds(a)) for name, a in training])
    return usage


def _arguments(arguments: Mapping[str, Any]) -> int:
    how = arguments.get("AppSpecification") or arguments.get("AlgorithmSpecification") or {}
    return len(how.get("ContainerArguments", ()))


def _seconds(arguments: Mapping[str, Any]) -> int:
    return int(arguments.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 0))
