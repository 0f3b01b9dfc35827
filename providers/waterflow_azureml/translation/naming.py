"""Names as Azure ML takes them: of pipeline jobs, their nodes, inputs and outputs."""

from __future__ import annotations

import re
from typing import Final

from waterflow.cloud.naming import entity, shortened
from waterflow_azureml import limits

OWN: Final = "waterflow"
"""What the names of inputs and outputs begin with that are none of the user's."""
RESULT: Final = OWN
"""The output beside a step's own: the spool, and the scalars that gates read."""
CONTROL: Final = f"{OWN}_control"
WHEELS: Final = f"{OWN}_wheels"
CHECKPOINT: Final = f"{OWN}_checkpoint"
STARTED: Final = f"{OWN}_started"
"""The pipeline's input that tells register steps when the run began, in milliseconds."""
DECISION: Final = "decision"
"""A gate's one output; decision.json is in it."""
_OUTSIDE: Final = re.compile(r"[^a-z0-9_]+")


class Keys:
    """Gives out names of letters, digits and underscores in lower case, no name twice.

    Nodes must be called so (azure-ai-ml: "Pipeline node name should be a valid python
    identifier"), and inputs may be: Azure makes environment variables of them.

    Args:
        length: The most characters of a name.
        start: What a name begins with whose text begins with no letter.
    """

    def __init__(self, length: int = limits.KEY.most, start: str = "x") -> None:
        self._length, self._start = length, start
        self._taken: set[str] = set()

    def take(self, text: str) -> str:
        """Return a name for something that is called `text`, that nothing else has."""
        plain = _OUTSIDE.sub("_", text.lower())
        if not plain[:1].isalpha():
            plain = f"{self._start}_{plain.lstrip('_')}"
        base = shortened(plain, self._length, text).replace("-", "_")
        name, number = base, 1
        while name in self._taken:
            number += 1
            end = f"_{number}"
            name = base[: self._length - len(end)] + end
        self._taken.add(name)
        return name


def display_name(prefix: str, pipeline: str) -> str:
    """Return what a pipeline's jobs are called; the same for every version and run."""
    return entity(f"{prefix}-{pipeline}", limits.DISPLAY_NAME.most)


def experiment(text: str) -> str:
    """Return text as the name of an experiment."""
    return entity(text, limits.EXPERIMENT_NAME.most)
