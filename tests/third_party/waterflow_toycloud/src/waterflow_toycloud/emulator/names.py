"""The names of the toy cloud's jobs, and how faults understand them."""

from __future__ import annotations

import re

from waterflow.emulation.faults import FaultRules

RULES = FaultRules(
    services=frozenset({"toy"}),  # the objects are not among them: jobs read them, too
    step=re.compile(r"x[0-9a-f]{10}-(?P<step>.+)-\d+"),
)


def job_name(execution: str, step: str, number: int) -> str:
    """Return the name of the job that is one attempt at a step of an execution."""
    return f"{execution}-{step.replace('_', '-')}-{number}"
