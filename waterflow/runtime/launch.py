"""What a cloud's job starts: makes the job contract's command line out of where things lie.

Travels in each job's control input as a file and runs there on the standard library alone, in an
image that holds no Waterflow. Beside it lie `launch.json`, `step.json`, `bundle.tar.gz` and
`waterflow_place.py`, the cloud's own part: its class `Place` says what differs from cloud to cloud.

| `Place` | SageMaker | Vertex | Azure ML |
|---|---|---|---|
| where things lie | below `/opt/ml` | `/gcs/BUCKET/KEY`, with the keys in launch.json | `paths` |
| rank and hosts | `resourceconfig.json` | `CLUSTER_SPEC` | what its launcher sets: `NODE_RANK` |
| a message | a file that it shows | standard error | standard error |
| retries, timeout, threads | the request, where a job reads it | STEP.json | STEP.json |

On Azure ML a job learns where its inputs and outputs lie from its command line alone, so its
translation writes `--at=NAME=${{inputs.NAME}}` for each, and `Place` is made with those paths.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = "waterflow_place"
"""The module beside this one that holds the cloud's `Place`."""
WORK = Path(tempfile.gettempdir()) / "waterflow"
UNPREPARED = 5
"""The runtime's exit code for code or libraries that cannot be imported."""
PORT = "7777"
"""Where the first of several instances listens for the others."""

Settings = dict[str, Any]


class Unprepared(Exception):  # noqa: N818 - shown as a message
    """The job cannot begin."""


class Place(Protocol):
    """Where a job of one cloud finds what it is given and leaves what it makes.

    What must be read to be known is a property, read when the launcher first asks: a LookupError
    or an OSError is then shown where the cloud shows messages. One of `__init__` is only printed.
    """

    def __init__(self, settings: Settings, paths: Mapping[str, str]) -> None:
        """Take note of where things lie.

        Args:
            settings: launch.json.
            paths: Name -> path, as the command line says it: `--at=NAME=PATH`.
        """
        ...

    @property
    def wheels(self) -> Path:
        """The folder of the step's libraries; it need not exist."""
        ...

    @property
    def output(self) -> Path:
        """The folder that the cloud keeps when the job has ended.

        Each output has a folder of its own name in it, and the spool lies beside them.
        """
        ...

    @property
    def checkpoint(self) -> Path | None:
        """The folder that the cloud hands to the next job of the same step and execution.

        None where it keeps none.
        """
        ...

    @property
    def execution(self) -> str:
        """The pipeline execution's native id.

        Raises:
            LookupError: The cloud has not left it where it should be.
        """
        ...

    @property
    def rank(self) -> int:
        """This machine's number, from 0."""
        ...

    @property
    def hosts(self) -> list[str]:
        """The names of all the job's machines, this one's at `rank`."""
        ...

    @property
    def attempts(self) -> Settings:
        """What of STEP.json the cloud tells a job where its cache does not look.

        That is `retry`, `timeout` and `threads`, or nothing: all of it is in STEP.json then.
        """
        ...

    def artifacts(self, mount: str) -> Path:
        """Return the folder of another step's outputs, by the mount that launch.json names."""
        ...

    def data(self, mount: str) -> Path:
        """Return the folder of outside data, by the mount that launch.json names."""
        ...

    def variables(self) -> dict[str, str]:
        """Return what the cloud's SDK reads from the environment and the cloud has not set."""
        ...

    def publish(self, values: Mapping[str, Settings]) -> None:
        """Make scalars known to the conditions of the pipeline.

        Args:
            values: Key -> the scalar as text and, where it is a number, as number.
        """
        ...

    def drop_checkpoint(self) -> None:
        """Let go of the checkpoint of a step that has ended well, where there is one."""
        ...

    def tell(self, reason: str) -> None:
        """Leave a message where the cloud shows it."""
        ...


def main(arguments: list[str]) -> int:
    """Run the step and return its exit code.

    Args:
        arguments: What a run may change: `--param=NAME=JSON` for each parameter, or
            `--text=NAME=TEXT` for a text that travels as it is; and where things lie, if the cloud
            says it so: `--at=NAME=PATH`.
    """
    control = Path(__file__).resolve().parent
    paths, others = _paths(arguments)
    place: Place | None = None
    try:
        settings = _settings(control)
        place = _place(control, settings, paths)
        step = LaunchedStep(control, settings, place)
        command, environment = step.prepare(others)
    except (
        Unprepared,
        LookupError,
        OSError,
        tarfile.TarError,
        subprocess.SubprocessError,
    ) as error:
        reason = _text(error)
        print(f"waterflow: {reason}", file=sys.stderr)
        if place is not None:
            place.tell(reason)
        return UNPREPARED
    code = _run(command, environment)
    if code == 0:
        place.publish(step.scalars())
        place.drop_checkpoint()
    else:
        place.tell(step.reason() or f"the step ended with exit code {code}")
    return code


class LaunchedStep:
    """One job's command line and environment, and what its step has left behind.

    Args:
        control: The folder of the control input.
        settings: launch.json.
        place: Where things lie.
    """

    def __init__(self, control: Path, settings: Settings, place: Place) -> None:
        self.control, self.settings, self.place = control, settings, place
        self.step: Settings = json.loads((control / "step.json").read_bytes())
        self.values = WORK / "values"
        self.spool = (place.output if place.rank == 0 else WORK) / "spool.jsonl"

    # --- before ---------------------------------------------------------------------------------

    def prepare(self, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return the runtime's command line and environment.

        Args:
            arguments: `--param=NAME=JSON` or `--text=NAME=TEXT` for each parameter.

        Raises:
            Unprepared: The image's Python or libraries are not what the step was compiled for, or
                an input is not there.
        """
        self._check_python()
        bundle = WORK / "bundle"
        bundle.mkdir(parents=True, exist_ok=True)
        self.values.mkdir(exist_ok=True)
        self.place.output.mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.control / "bundle.tar.gz") as archive:
            archive.extractall(bundle, filter="data")
        sys.path.insert(0, str(bundle))
        python = self._python()
        command = [python, "-m", "waterflow.runtime", str(self._step_file())]
        for name, entry in sorted(self.settings["inputs"].items()):
            path = self._path(entry)
            if path is not None and "type" in entry and not path.is_dir():
                path = self._skipped(name, entry["type"])
            elif path is not None and entry.get("raw"):
                path = self._sealed(name, path)
            if path is not None:
                command += ["--input", f"{name}={path}"]
        for name in self.settings["outputs"]:
            command += ["--output", f"{name}={self.place.output / name}"]
        for name in sorted(self.settings["values"]):
            command += ["--value", f"{name}={self._value(name)}"]
        for argument in arguments:
            flag, _, pair = argument.partition("=")
            if flag == "--text":
                name, _, text = pair.partition("=")
                pair = f"{name}={json.dumps(text, ensure_ascii=False)}"
            elif flag != "--param":
                raise Unprepared(f"unknown argument {argument!r}")
            command += ["--param", pair]
        # Where the cloud keeps no checkpoint, one still outlives an attempt.
        command += ["--checkpoint", str(self.place.checkpoint or WORK / "checkpoint")]
        return command, self._environment(bundle, Path(python))

    def _step_file(self) -> Path:
        """Return STEP.json, made whole with what the cloud tells outside of it."""
        attempts = self.place.attempts
        self.step |= attempts
        if not attempts:
            return self.control / "step.json"
        file = WORK / "step.json"
        file.write_text(json.dumps(self.step))
        return file

    def _check_python(self) -> None:
        compiled_for = self.settings["python"]
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        if running != compiled_for:
            raise Unprepared(
                f"the image's python3 is Python {running}, and the step was compiled for "
                f"{compiled_for}. Say what the image has in the profile: python = ..."
            )

    def _python(self) -> str:
        """Return the Python that has the step's libraries, after installing them if need be."""
        from waterflow.runtime import installed

        lacking = installed.lacking(self.settings["pins"])
        if not lacking:
            return sys.executable
        if not self.settings["wheels"] or not self.place.wheels.is_dir():
            raise Unprepared(
                f"the image lacks what the step needs: {', '.join(lacking[:10])}. Put it into the "
                'image, or let jobs bring their libraries: libraries = "wheelhouse" in the profile'
            )
        return _install(sorted(str(wheel) for wheel in self.place.wheels.rglob("*.whl")))

    def _path(self, entry: Settings) -> Path | None:
        """Return where an input lies; None for optional outside data that there is none of."""
        if "from" in entry:
            return self.place.artifacts(self.settings["mounts"][entry["from"]]) / entry["output"]
        folder = self.place.data(entry["data"])
        members = sorted(folder.iterdir()) if folder.is_dir() else []
        if entry.get("optional") and [member.name for member in members] == ["none"]:
            return None
        if not members:
            raise Unprepared(f"there is nothing at {folder}, where outside data was to be mounted")
        return members[0] if len(members) == 1 else folder

    def _sealed(self, name: str, path: Path) -> Path:
        """Return an artifact of what a program has written that knows nothing of artifacts."""
        from waterflow import artifacts

        folder = WORK / "raw" / name / path.name
        folder.mkdir(parents=True)
        if path.is_dir():  # object stores keep no empty folders
            shutil.copytree(path, folder, dirs_exist_ok=True)
        artifacts.seal_raw(folder, "path")
        return folder

    def _skipped(self, name: str, type_name: str) -> Path:
        """Return an artifact that says skipped.

        It stands for what a step has not made, on a cloud that brings nothing of one that was
        skipped; launch.json then says the input's `type`.
        """
        from waterflow import artifacts

        folder = WORK / "skipped" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        artifacts.seal_skipped(folder, type_name)
        return folder

    def _value(self, name: str) -> Path:
        return self.values / f"{self.settings['values'][name]}.json"

    def _environment(self, bundle: Path, python: Path) -> dict[str, str]:
        variables = dict(os.environ)
        paths = [str(bundle), str(self.control)]
        if str(python) != sys.executable:
            # What the job brings goes before what the image puts on these.
            paths += map(str, python.parents[1].glob("lib/python*/site-packages"))
            path = [str(python.parent), variables.get("PATH", os.defpath)]
            variables["PATH"] = os.pathsep.join(path)
        if variables.get("PYTHONPATH"):
            paths.append(variables["PYTHONPATH"])
        variables |= self._sameness()
        variables |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "WATERFLOW_EXECUTION": self.place.execution,
            "WATERFLOW_SPOOL": str(self.spool),
            "WATERFLOW_SOURCE": json.dumps([str(bundle), "."]),
            "WATERFLOW_RANK": str(self.place.rank),
        }
        variables |= self.place.variables()
        hosts = self.place.hosts
        if len(hosts) > 1:
            variables |= {
                "MASTER_ADDR": hosts[0],
                "MASTER_PORT": PORT,
                "WORLD_SIZE": str(len(hosts)),
                "RANK": str(self.place.rank),
                "WATERFLOW_HOSTS": ",".join(hosts),
            }
        registering = self.settings.get("registering")
        if registering:
            variables |= {
                "WATERFLOW_TRACKING_URI": registering["uri"],
                "WATERFLOW_EXPERIMENT": registering["experiment"],
                "WATERFLOW_RUN_TAGS": json.dumps(registering["tags"]),
                "WATERFLOW_RUN_STARTED": _milliseconds(variables.get("WATERFLOW_RUN_STARTED", "")),
            }
        speaking = self.settings.get("tracking")
        if speaking:
            variables["WATERFLOW_TRACKING_URI"] = speaking["uri"]
            variables["WATERFLOW_EXPERIMENT"] = speaking["experiment"]
        return variables

    def _sameness(self) -> dict[str, str]:
        """Return what lets a step give the same bytes on any machine: its own CPUs are used."""
        threads: str = self.step["variables"].get("OMP_NUM_THREADS") or str(self.step["threads"])
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        return dict.fromkeys(names, threads) | {"PYTHONHASHSEED": "0"}

    # --- after ----------------------------------------------------------------------------------

    def scalars(self) -> dict[str, Settings]:
        """Return the scalars that conditions read, by key; those that the step has written."""
        files = {key: self._value(name) for name, key in self.settings["values"].items()}
        return {
            key: comparable(json.loads(file.read_bytes()))
            for key, file in files.items()
            if file.is_file()
        }

    def reason(self) -> str:
        """Return why the last attempt failed, as its spool tells."""
        reason = ""
        if self.spool.is_file():
            for line in self.spool.read_text(errors="replace").splitlines():
                if '"step.end"' in line:
                    error = json.loads(line).get("error")
                    reason = f"{error['type']}: {error['message']}" if error else ""
        return reason


def comparable(value: Any) -> Settings:
    """Return a scalar as conditions read it: as a number where it is one, and as text."""
    if isinstance(value, bool):
        return {"number": int(value), "text": json.dumps(value)}
    if isinstance(value, (int, float)):
        try:
            text = repr(float(value))
        except OverflowError:  # a whole number beyond all that clouds compare
            text = "inf" if value > 0 else "-inf"
        return {"number": value, "text": text}
    return {"text": json.dumps(value, ensure_ascii=False)}


def _paths(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the paths that the command line says, by name, and its other arguments."""
    paths: dict[str, str] = {}
    others: list[str] = []
    for argument in arguments:
        flag, _, pair = argument.partition("=")
        if flag == "--at":
            name, _, paths[name] = pair.partition("=")
        else:
            others.append(argument)
    return paths, others


def _settings(control: Path) -> Settings:
    """Return launch.json.

    Raises:
        Unprepared: It is no JSON object.
        OSError: It cannot be read.
    """
    file = control / "launch.json"
    try:
        settings: Any = json.loads(file.read_bytes())
    except ValueError as error:
        raise Unprepared(f"{file} is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise Unprepared(f"{file} is no JSON object")
    return cast("Settings", settings)


def _text(error: BaseException) -> str:
    """Return an error as a message; `str` of a KeyError is the key alone."""
    if isinstance(error, KeyError):
        return f"{error} is missing in what the job was started with"
    return str(error)


def _place(control: Path, settings: Settings, paths: Mapping[str, str]) -> Place:
    """Return the cloud's own part, which lies in the control input."""
    if str(control) not in sys.path:  # as where the image sets PYTHONSAFEPATH
        sys.path.insert(0, str(control))
    place: Place = importlib.import_module(PLACE).Place(settings, paths)
    return place


def _install(wheels: list[str]) -> str:
    """Install wheels into an environment beside the image's, and return its Python."""
    folder = WORK / "venv"
    # An image's own pip is much faster than a new one, and not all images can make one.
    own = [] if importlib.util.find_spec("pip") is None else ["--without-pip"]
    _quietly([sys.executable, "-m", "venv", "--system-site-packages", *own, str(folder)])
    # An environment made from an environment sees Python's own libraries, not that one's.
    outer = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    for site in folder.glob("lib/python*/site-packages"):
        lines = (f"import site; site.addsitedir({path!r})" for path in outer)
        (site / "zz-image.pth").write_text("".join(f"{line}\n" for line in lines))
    python = str(folder / "bin" / "python")
    # What the image has in the same version stays; what it has in another is left, and not seen.
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _quietly([*pip, "install", "--no-index", "--no-deps", *wheels])
    return python


def _milliseconds(moment: str) -> str:
    """Return a moment in milliseconds since the epoch, as text; clouds write ISO 8601."""
    if not moment or moment.isdecimal():
        return moment or "0"
    from datetime import datetime

    return str(int(datetime.fromisoformat(moment).timestamp() * 1000))


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise Unprepared(f"the step's libraries cannot be installed: {tail}")


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run the runtime and return its exit code."""
    if command[0] == sys.executable:  # to start it anew takes longer than all that it does
        from waterflow.runtime.supervisor import run_within

        return run_within(command[3:], environment)
    child = subprocess.Popen(command, env=environment)
    # Being the container's first process, pass it on.
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
