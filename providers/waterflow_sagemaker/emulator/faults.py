"""How faults understand SageMaker's names: its services, and the jobs of its pipelines' steps."""

from __future__ import annotations

import re
from typing import Final

from waterflow.emulation.faults import FaultRules, Faults

RULES: Final = FaultRules(
    # S3 is not among them, since a job's own traffic would fail too: name it, throttle:s3=0.1.
    services=frozenset({"sagemaker", "logs", "scheduler"}),
    step=re.compile(r"pipelines-[a-z0-9]{12}-(?P<step>.+)-[A-Za-z0-9]{10}"),
)


def parse(text: str | None) -> Faults:
    """Read what `--fault` says.

    Raises:
        ConfigurationError: It is written wrongly.
    """
    return Faults.parse(text, RULES)
