"""Names in a pipeline spec: of tasks, components, executors and of what flows between them."""

from __future__ import annotations

from typing import Final

from waterflow.cloud.naming import Names, entity

OWN: Final = "waterflow"
"""What the names of parameters and artifacts begin with that are none of the user's."""
RESULT: Final = OWN
"""The output artifact beside a step's own: the spool lies in it."""
BUILD: Final = f"{OWN}_build"
"""The pipeline's parameter whose default says where the spec of the build lies."""
PIPELINE: Final = f"{OWN}_pipeline"
"""The pipeline's parameter whose default is the pipeline's name as the user wrote it."""
CONTROL: Final = f"{OWN}_control"
WHEELS: Final = f"{OWN}_wheels"
STARTED: Final = f"{OWN}_started"
"""The parameter that tells a step that registers a model when the run began."""
THEN: Final = "then"
OTHERWISE: Final = "otherwise"
TASK: Final = 63
"""Characters of a task's name: what a label of Kubernetes and of Google's takes."""
PIPELINE_NAME: Final = 128
COUNT: Final = "count"
ITEMS: Final = "items"
ITEM: Final = "item"
"""The tasks of a map with a job for each item, beside the step's own, which gathers: the one that
counts the list where nobody else does, the one that is iterated, and the job of an item in it."""
GATHER: Final = "gather"
"""What the step's own task of such a map does, in the runtime's words."""
INDEXES: Final = f"{OWN}_indexes"
"""The parameter with the numbers of a map's items, over which is iterated."""
IMPORTER: Final = "importer"
"""The one component of all importers: parameter `uri`, artifact `artifact`."""


class TaskNames:
    """Gives out names of tasks: lower-case letters, digits and hyphens, none twice."""

    def __init__(self) -> None:
        # Sides of gates are called after what they belong to.
        self._names = Names(TASK - len(OTHERWISE) - 1)

    def take(self, text: str) -> str:
        """Return a name for something that is called `text`, that nothing else has."""
        return self._names.take(text.lower())


def pipeline_name(prefix: str, pipeline: str) -> str:
    """Return what a pipeline is called; the same for every version and run."""
    return entity(f"{prefix}-{pipeline}", PIPELINE_NAME).lower()


def component(task: str) -> str:
    """Return the name of a task's component."""
    return f"comp-{task}"


def executor(task: str) -> str:
    """Return the name of a task's executor."""
    return f"exec-{task}"


def side_task(gate: str, *, then: bool) -> str:
    """Return the name of the task that holds one side of a gate."""
    return f"{gate}-{THEN if then else OTHERWISE}"


def part_shown(step: str, part: str) -> str:
    """Return what people are shown of a task that is a part of a step."""
    return f"{step}: {part}"


def part_of(shown: str) -> tuple[str, str]:
    """Return the step of which a task is a part, and which part; "" where it is a whole step.

    Args:
        shown: What people are shown of the task; names of steps hold no colon.
    """
    step, _, part = shown.rpartition(": ")
    return (step, part) if step and part in (COUNT, ITEMS, ITEM) else (shown, "")


def count(output: str) -> str:
    """Return the parameter that tells the numbers of the items of an output."""
    return f"{OWN}_count_{output}"


def input_path(name: str) -> str:
    """Return the placeholder for where an input artifact lies."""
    return f"{{{{$.inputs.artifacts['{name}'].path}}}}"


EXECUTOR_INPUT: Final = "{{$}}"
"""The placeholder for all that a task is given, as JSON: of a list of artifacts nothing else tells
where they are."""


def output_path(name: str) -> str:
    """Return the placeholder for where an output artifact goes."""
    return f"{{{{$.outputs.artifacts['{name}'].path}}}}"


def output_file(name: str) -> str:
    """Return the placeholder for the file of an output parameter."""
    return f"{{{{$.outputs.parameters['{name}'].output_file}}}}"


def input_value(name: str) -> str:
    """Return the placeholder for the value of an input parameter."""
    return f"{{{{$.inputs.parameters['{name}']}}}}"
