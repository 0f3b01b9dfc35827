"""How a job is told its retries, timeout and threads where SageMaker's cache does not look.

A processing job reads its own request in /opt/ml/config/processingjobconfig.json, and what the
cache compares of that is AppSpecification, Environment and ProcessingInputs
(https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html). So they stand in the
name of an output that stays empty. A training job has no such place: what it is documented to be
told (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html)
is its hyperparameters, its channels and its environment, all of which are compared, its name and
ARN, which a pipeline gives, and its machines. There they stay in STEP.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.spec.job import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "attempts_"
"""What the output's name begins with; `job/place.py` reads the rest."""
PATH: Final = "/opt/ml/processing/attempts"


def take_out(document: dict[str, Any]) -> dict[str, Any]:
    """Take what no result depends on out of STEP.json, and return it.

    Args:
        document: STEP.json; it is changed.
    """
    return {name: document.pop(name) for name in ATTEMPTS}


def output_name(attempts: Mapping[str, Any]) -> str:
    """Return the name of an output that tells a job of them.

    Args:
        attempts: What `take_out` gave.
    """
    numbers = {**attempts["retry"], "timeout": attempts["timeout"], "threads": attempts["threads"]}
    parts = [f"{name}-{value!r}" for name, value in numbers.items() if value is not None]
    return PREFIX + "_".join(parts)
