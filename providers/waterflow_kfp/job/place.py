"""Where a job of a pipeline spec finds what it is given and leaves what it makes.

Travels in the control input as `waterflow_place.py`, beside `waterflow.runtime.launch`, which says
what each part of `Place` means. On the command line `--at=in.NAME=PATH` is an input artifact,
`--at=out.NAME=PATH` an output of the step, `--at=value.NAME=PATH` the file of an output parameter;
`result`, `wheels` and `checkpoint` are Waterflow's own, and `started`, `code`, `item` and `given`
are no paths: the last is all that the service tells the task, which alone says where the artifacts
of a list are.

A service that starts a lost job anew does so with a failed one too. Whether the user's step is
tried again is decided in the job, by its supervisor: so a failure leaves a mark with its reason,
and one that is final is met by the next start of the same job before it does anything. Where the
service's own words for a failure say no more than an exit code, the mark says why.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(tempfile.gettempdir()) / "waterflow" / "kfp"
ITEMS = "waterflow_items"
"""The input that holds what the items of a map have made."""
NOTHING = "none"
"""The one file of what stands for an output that nobody makes."""
MANIFEST = "manifest.json"
SKIPPED = ".waterflow-skipped"
"""What lies in an output of a program's that was not run."""
_LARGEST = sys.float_info.max
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Place:
    """The place of a job.

    Args:
        settings: launch.json.
        paths: What the command line says.

    Raises:
        LookupError: An earlier start of this very job has failed for good.
    """

    def __init__(self, settings: dict[str, Any], paths: Mapping[str, str]) -> None:
        self._settings, self._paths = settings, paths
        self.wheels = Path(paths.get("wheels", HERE / "wheels"))
        if settings["marks"] and self._mark.is_file():
            mark = json.loads(self._mark.read_bytes())
            if mark["final"]:
                raise LookupError(f"{mark['reason']} (it has failed for good: not tried again)")

    # --- where things lie -----------------------------------------------------------------------

    @cached_property
    def output(self) -> Path:
        """A folder of this machine's: each output's own name in it leads to where it is kept."""
        folder = HERE / "outputs"
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._settings["outputs"]:
            _link(folder / name, Path(self._paths[f"out.{name}"]), make=True)
        return folder

    @property
    def execution(self) -> str:
        """The execution's id: outputs lie in a folder of that name.

        It is told a job in no other way that a cache would not look at.

        Raises:
            LookupError: They lie elsewhere.
        """
        return self._run.name

    @property
    def _run(self) -> Path:
        result = Path(self._paths["result"])
        depth: int = self._settings["depth"]
        if depth > 3 and not _ID.fullmatch(result.parent.name):
            depth = 3  # older services of Kubeflow give a task's folder no id of its own
        if len(result.parts) <= depth:
            raise LookupError(
                f"{result} is not below a folder of the execution's: start the step as a task of "
                "a pipeline"
            )
        return result.parents[depth - 2]

    @property
    def _mark(self) -> Path:
        """Where it is noted why this task has failed, and whether for good."""
        name = Path(self._paths["result"]).parent.name
        # The items of a map have one task, and each an id that it keeps.
        task = name if "item" in self._paths else name.rpartition("_")[0]
        return self._run / f"{task}.failed.json"

    @property
    def checkpoint(self) -> Path | None:
        """The folder that stays in the bucket, of a step that asks for spot machines."""
        path, item = self._paths.get("checkpoint"), self._paths.get("item")
        if path is None:
            return None
        folder = Path(path) / self.execution
        return folder if item is None else folder / f"item-{item}"

    @property
    def rank(self) -> int:
        """This machine's number."""
        task = self._cluster.get("task", {})
        place = int(task.get("index", 0))
        for kind in self._kinds:
            if kind == task.get("type"):
                break
            place += len(self._cluster["cluster"][kind])
        return place if task else 0

    @property
    def hosts(self) -> list[str]:
        """The names of all machines."""
        cluster = self._cluster.get("cluster", {})
        machines = [str(machine) for kind in self._kinds for machine in cluster[kind]]
        return [machine.rpartition(":")[0] or machine for machine in machines] or ["localhost"]

    @property
    def attempts(self) -> dict[str, Any]:
        """Nothing: all of it is in STEP.json."""
        return {}

    def artifacts(self, mount: str) -> Path:
        """Return a folder in which an artifact of another step lies under its output's name."""
        folder = HERE / "inputs" / mount
        folder.mkdir(parents=True, exist_ok=True)
        if mount == ITEMS:
            self._gather(folder / ITEMS)
            return folder
        target = Path(self._paths[f"in.{mount}"])
        if not _is_nothing(target):
            entries = self._settings["inputs"].values()
            names = [entry["output"] for entry in entries if entry.get("from") == mount]
            for name in names:
                _link(folder / name, target)
        return folder

    def _gather(self, folder: Path) -> None:
        """Make a folder in which what each item of a map has made lies under its number.

        A list of artifacts has no path of its own: each has that of its address, as the task's own
        output has, of which both are known.
        """
        folder.mkdir(exist_ok=True)
        executor: dict[str, Any] = json.loads(self._paths["executor"])
        result = executor["outputs"]["artifacts"]["waterflow"]["artifacts"][0]["uri"]
        place = str(result).partition("://")[2]
        if not place or not self._paths["result"].endswith(place):
            raise LookupError(f"{result} is not at {self._paths['result']}: no item can be found")
        above = self._paths["result"][: -len(place)]
        listed = (executor["inputs"].get("artifacts") or {}).get(ITEMS) or {}
        for number, one in enumerate(listed.get("artifacts") or ()):
            _link(folder / str(number), Path(above + str(one["uri"]).partition("://")[2]))

    def data(self, mount: str) -> Path:
        """Return the folder of outside data; of a single file one that holds it alone."""
        target = Path(self._paths[f"in.{mount}"])
        if not target.is_file():
            return target
        folder = HERE / "data" / mount
        folder.mkdir(parents=True, exist_ok=True)
        _link(folder / target.name, target)
        return folder

    def variables(self) -> dict[str, str]:
        """Return what the service's clients read, and what a step that registers asks for."""
        variables: dict[str, str] = dict(self._settings.get("variables", {}))
        if "started" in self._paths:
            variables["WATERFLOW_RUN_STARTED"] = self._paths["started"]
        return variables

    # --- afterwards -----------------------------------------------------------------------------

    def publish(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Leave scalars where conditions read them, and the spool beside the outputs."""
        if self.rank:
            return
        self._leave()
        for name, result in self._settings["results"].items():
            file = Path(self._paths[f"value.{name}"])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(written(values.get(result["value"]), result["form"]), encoding="utf-8")

    def drop_checkpoint(self) -> None:
        """Let go of what a step that has ended well no longer needs."""
        if self.checkpoint is not None and self.rank == 0:
            shutil.rmtree(self.checkpoint, ignore_errors=True)

    def tell(self, reason: str) -> None:
        """Leave a message in the log, the spool where it is kept, and a mark."""
        print(f"waterflow: {reason}", file=sys.stderr)
        if self.rank:
            return
        self._leave()
        if self._settings["marks"]:
            self._mark.write_text(json.dumps({"reason": reason, "final": self._is_final()}))

    def _is_final(self) -> bool:
        """Say whether the step itself has failed, and was not ended from outside.

        Its last attempt has ended then, and not for a signal to the job.
        """
        spool = self.output / "spool.jsonl"
        status = ""
        if spool.is_file():
            for line in spool.read_text(errors="replace").splitlines():
                if '"step.end"' in line:
                    status = str(json.loads(line).get("status"))
        return status == "failed"

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

    # --- several machines -----------------------------------------------------------------------

    @cached_property
    def _cluster(self) -> dict[str, Any]:
        """What Vertex AI tells a job of several machines; of a single one it tells nothing."""
        try:
            cluster: Any = json.loads(os.environ.get("CLUSTER_SPEC") or "{}")
        except ValueError:
            return {}
        return cluster if isinstance(cluster, dict) else {}

    @property
    def _kinds(self) -> list[str]:
        """The pools of machines, the first machine's first."""
        return sorted(self._cluster.get("cluster", {}))


def written(value: dict[str, Any] | None, form: str) -> str:
    """Return a scalar as the file of an output parameter holds it.

    Args:
        value: The scalar, as text and, where it is one, as number; None where there is none.
        form: "integer", "number", "boolean" or "text" of what is known to be one; of what is not,
            "kind" for what it is, "number" for its number and "any" for its text; "indexes" of a
            length for the numbers from 0 up to it.
    """
    if form == "indexes":
        return json.dumps(list(range(int(value["number"]) if value else 0)))
    kind = _kind(value)
    if form == "kind":
        return kind
    if value is None:
        return "0" if form in ("number", "integer") else "false" if form == "boolean" else ""
    if form == "boolean":
        return "true" if value.get("number") else "false"
    if form == "integer":
        return str(int(value["number"]))
    if form == "number":
        return _finite(value.get("number", 0))
    text: str = value["text"]
    return str(json.loads(text)) if kind == "text" else text


def _kind(value: dict[str, Any] | None) -> str:
    if value is None:
        return "skipped"
    if "number" in value:
        return "number"
    content = json.loads(value["text"])
    return "null" if content is None else "text" if isinstance(content, str) else "other"


def _finite(number: float) -> str:
    """Return a number that JSON can hold.

    Raises:
        SystemExit: It is none at all, and no comparison of such a one holds.
    """
    if isinstance(number, float) and math.isnan(number):
        sys.exit("waterflow: a value that a condition compares is NaN, which it cannot be told")
    return repr(float(max(-_LARGEST, min(_LARGEST, number))))


def _is_nothing(folder: Path) -> bool:
    """Say whether an artifact stands for an output that nobody makes."""
    if (folder / SKIPPED).exists():
        return True
    return (folder / NOTHING).is_file() and not (folder / MANIFEST).exists()


def _link(link: Path, target: Path, *, make: bool = False) -> None:
    """Let a name of this machine's lead to where the service has something."""
    if make:
        target.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)
