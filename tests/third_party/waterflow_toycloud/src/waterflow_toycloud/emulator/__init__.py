"""The toy cloud on this machine: jobs, pipelines, schedules and objects, behind JSON over HTTP.

| request | what it does |
|---|---|
| `POST /jobs`, `GET /jobs`, `GET /jobs/NAME`, `DELETE /jobs/NAME`, `GET /jobs/NAME/log` | jobs |
| `POST /executions` | start a pipeline whose document is an object, once for each token |
| `GET /executions?pipeline=`, `GET /executions/ID`, `GET /executions/ID/steps` | look |
| `POST /executions/ID/retry`, `POST /executions/ID/stop` | go on from a failed one, stop one |
| `PUT`, `GET`, `DELETE /schedules/NAME` | schedules, by cron in UTC |
| `/objects/BUCKET/KEY` | objects, in the words of S3 |

A job finds its folder at /toy: inputs below `in`, outputs below `out`, a checkpoint in
`checkpoint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow.emulation.process import EmulatorProcess
from waterflow_toycloud.emulator.names import RULES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Emulator"]


class Emulator(EmulatorProcess):
    """The toy cloud in a process of its own."""

    NAME, TITLE, MODULE = "toycloud", "the toy cloud", "waterflow_toycloud.emulator"
    RULES = RULES

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point clients at it."""
        del folder
        return {"TOY_ENDPOINT": self.endpoint}

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return ("TOY_PROFILE",)
