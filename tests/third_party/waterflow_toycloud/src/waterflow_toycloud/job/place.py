"""Where a job of the toy cloud finds what it is given and leaves what it makes: the folder /toy.

Travels in the control input as `waterflow_place.py`, beside `waterflow.runtime.launch`, which says
what each part of `Place` means.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TOY = Path("/toy")
INPUT = TOY / "in"


class Place:
    """The place of a job.

    Args:
        settings: launch.json.
        paths: What the command line says; a job of the toy cloud is told no paths there.
    """

    def __init__(self, settings: dict[str, Any], paths: Mapping[str, str]) -> None:
        del paths
        self.wheels, self.output = INPUT / "wheels", TOY / "out"
        self.checkpoint = TOY / "checkpoint" if settings["checkpoint"] else None

    @property
    def execution(self) -> str:
        """The execution's id."""
        return os.environ["TOY_EXECUTION"]

    @property
    def rank(self) -> int:
        """This machine's number."""
        return int((TOY / "rank").read_text())

    @property
    def hosts(self) -> list[str]:
        """The names of all machines."""
        return os.environ["TOY_HOSTS"].split(",")

    @property
    def attempts(self) -> dict[str, Any]:
        """Nothing: all of it is in STEP.json, and the toy cloud's cache counts that."""
        return {}

    def artifacts(self, mount: str) -> Path:
        """Return the folder of another step's outputs."""
        return INPUT / "from" / mount

    def data(self, mount: str) -> Path:
        """Return the folder of outside data."""
        return INPUT / "data" / mount

    def variables(self) -> dict[str, str]:
        """Return when the run was started, which a step that registers asks for."""
        return {"WATERFLOW_RUN_STARTED": os.environ["TOY_STARTED"]}

    def publish(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Make scalars known to gates."""
        if self.rank == 0:
            scalars = {key: _scalar(value) for key, value in values.items()}
            (self.output / "values.json").write_text(json.dumps(scalars, sort_keys=True))

    def drop_checkpoint(self) -> None:
        """Leave the checkpoint: the toy cloud hands it to no job of a step that has ended."""

    def tell(self, reason: str) -> None:
        """Leave a message for the toy cloud to show."""
        (TOY / "message").write_text(reason)


def _scalar(value: dict[str, Any]) -> Any:
    """Return a scalar as it was; the text of a number is that of a float."""
    if "number" in value and value["text"] not in ("true", "false"):
        return value["number"]
    return json.loads(value["text"])
