"""Where an Azure ML job finds what it is given and leaves what it makes: as its command line says.

Travels in the control input as `waterflow_place.py`, beside `waterflow.runtime.launch`, which says
what each part of `Place` means. On the command line `--at=in.NAME=PATH` is an input,
`--at=out.NAME=PATH` an output of the step; `result`, `wheels` and `checkpoint` are Waterflow's own,
and `started` is no path.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SKIPPED = ".waterflow-skipped"
"""What lies in an output of a program's that was not run."""
HERE = Path(tempfile.gettempdir()) / "waterflow" / "azureml"


class Place:
    """The place of a job.

    Args:
        settings: launch.json.
        paths: What the command line says.
    """

    def __init__(self, settings: dict[str, Any], paths: Mapping[str, str]) -> None:
        self._settings, self._paths = settings, paths
        self.wheels = Path(paths.get("wheels", HERE / "wheels"))

    @cached_property
    def output(self) -> Path:
        """A folder of this machine's: each output's own name in it leads to where Azure has it."""
        folder = HERE / "outputs"
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._settings["outputs"]:
            _link(folder / name, Path(self._paths[f"out.{name}"]), make=True)
        return folder

    @property
    def execution(self) -> str:
        """The pipeline job's name.

        Raises:
            LookupError: Azure ML has not said it.
        """
        name = os.environ.get("AZUREML_ROOT_RUN_ID") or os.environ.get("AZUREML_RUN_ID")
        if not name:
            raise LookupError(
                "AZUREML_ROOT_RUN_ID is not set. Azure ML says so before a job begins: run the "
                "step as a job of Azure ML"
            )
        return name

    @property
    def checkpoint(self) -> Path | None:
        """The folder that stays in the datastore, of a step that asks for spot machines."""
        path = self._paths.get("checkpoint")
        return None if path is None else Path(path) / self.execution

    @property
    def rank(self) -> int:
        """This machine's number, as the launcher of its distribution says it."""
        for name in ("NODE_RANK", "OMPI_COMM_WORLD_RANK", "RANK"):
            if os.environ.get(name, "").isdecimal():
                return int(os.environ[name])
        task = self._cluster.get("task", {})
        return int(task.get("index", 0))

    @property
    def hosts(self) -> list[str]:
        """The names of all machines; of those but the first Azure may not say them."""
        workers = self._cluster.get("cluster", {}).get("worker", [])
        if workers:
            return [str(worker).rpartition(":")[0] or str(worker) for worker in workers]
        count = next(
            (
                int(os.environ[name])
                for name in ("AZUREML_NODE_COUNT", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE")
                if os.environ.get(name, "").isdecimal()
            ),
            1,
        )
        listed = [host for host in os.environ.get("AZ_BATCH_HOST_LIST", "").split(",") if host]
        if len(listed) == count:
            return listed
        first = os.environ.get("MASTER_ADDR") or os.environ.get("AZ_BATCHAI_MPI_MASTER_NODE")
        return [first or "node-0", *(f"node-{number}" for number in range(1, count))]

    @property
    def attempts(self) -> dict[str, Any]:
        """Nothing: all of it is in STEP.json, as Azure's reuse compares whatever a job is told."""
        return {}

    def artifacts(self, mount: str) -> Path:
        """Return a folder in which an artifact of another step lies under its output's name."""
        folder = HERE / "inputs" / mount
        folder.mkdir(parents=True, exist_ok=True)
        target = Path(self._paths[f"in.{mount}"])
        if not (target / SKIPPED).exists():
            _link(folder / self._settings["inputs"][mount]["output"], target)
        return folder

    def data(self, mount: str) -> Path:
        """Return the folder of outside data."""
        return Path(self._paths[f"in.{mount}"])

    def variables(self) -> dict[str, str]:
        """Return what Azure's clients read, and what a step that registers asks for."""
        variables: dict[str, str] = {}
        identity = os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")
        if identity and "AZURE_CLIENT_ID" not in os.environ:
            variables["AZURE_CLIENT_ID"] = identity
        if "vault" in self._settings:
            variables["WATERFLOW_VAULT"] = self._settings["vault"]
        if "started" in self._paths:
            # Who starts the job by other means than Waterflow's has not said when.
            started = self._paths["started"]
            variables["WATERFLOW_RUN_STARTED"] = (
                started if started.strip("0") else str(int(time.time() * 1000))
            )
        return variables

    def publish(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Leave scalars where gates read them, and the spool beside them."""
        if self.rank == 0:
            self._leave()
            file = Path(self._paths["result"]) / "values.json"
            file.write_text(json.dumps(values, sort_keys=True))

    def drop_checkpoint(self) -> None:
        """Let go of what a step that has ended well no longer needs."""
        if self.checkpoint is not None and self.rank == 0:
            shutil.rmtree(self.checkpoint, ignore_errors=True)

    def tell(self, reason: str) -> None:
        """Leave a message in the log, and the spool where it is kept."""
        print(f"waterflow: {reason}", file=sys.stderr)
        if self.rank == 0:
            self._leave()

    def _leave(self) -> None:
        """Bring what lies beside the outputs to the output that is for it."""
        target = Path(self._paths["result"])
        target.mkdir(parents=True, exist_ok=True)
        for entry in self.output.iterdir():
            if entry.is_symlink():
                continue
            if entry.is_dir():
                shutil.copytree(entry, target / entry.name, dirs_exist_ok=True)
            else:
                shutil.copyfile(entry, target / entry.name)

    @property
    def _cluster(self) -> dict[str, Any]:
        """What TensorFlow's launcher says of the machines."""
        try:
            cluster: Any = json.loads(os.environ.get("TF_CONFIG") or "{}")
        except ValueError:
            return {}
        return cluster if isinstance(cluster, dict) else {}


def _link(link: Path, target: Path, *, make: bool = False) -> None:
    """Let a name of this machine's lead to where Azure has something."""
    if make:
        target.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)
