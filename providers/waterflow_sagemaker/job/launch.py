"""What a SageMaker job starts: makes the job contract out of the paths under /opt/ml.

Travels in each job's control input and runs there on the standard library alone, in an image that
holds no Waterflow. Beside it lie `launch.json`, `step.json` and `bundle.tar.gz`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ML = Path("/opt/ml")
WORK = Path(tempfile.gettempdir()) / "waterflow"
MESSAGE_BYTES = 1000
"""SageMaker shows the first 1 KB of a job's own message."""
UNPREPARED = 5
"""The runtime's exit code for code or libraries that cannot be imported."""
PORT = "7777"
"""Where the first of several instances listens for the others."""

Settings = dict[str, Any]


class Unprepared(Exception):  # noqa: N818 - told as a message
    """The job cannot begin."""


def main(arguments: list[str]) -> int:
    """Run the step and return its exit code.

    Args:
        arguments: What a run may change: `--param=NAME=JSON` for each parameter.
    """
    control = Path(__file__).resolve().parent
    settings: Settings = json.loads((control / "launch.json").read_bytes())
    job = Job(control, settings)
    try:
        command, environment = job.prepare(arguments)
    except (Unprepared, OSError, tarfile.TarError, subprocess.SubprocessError) as error:
        print(f"waterflow: {error}", file=sys.stderr)
        job.tell(str(error))
        return UNPREPARED
    code = _run(command, environment)
    if code == 0:
        job.publish_values()
        job.empty_checkpoints()
    else:
        job.tell(job.reason() or f"the step ended with exit code {code}")
    return code


class Job:
    """One job, seen from inside.

    Args:
        control: The folder of the control input.
        settings: launch.json.
    """

    def __init__(self, control: Path, settings: Settings) -> None:
        self.control, self.settings = control, settings
        self.training = settings["job"] == "training"
        if self.training:
            self.input = ML / "input" / "data"
            self.output = ML / "model"
            self.config = ML / "input" / "config" / "resourceconfig.json"
        else:
            self.input = ML / "processing" / "input"
            self.output = ML / "processing" / "output"
            self.config = ML / "config" / "resourceconfig.json"
        self.values = WORK / "values"
        self.rank, self.hosts = self._place()
        self.spool = (self.output if self.rank == 0 else WORK) / "spool.jsonl"

    # --- before ---------------------------------------------------------------------------------

    def prepare(self, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return the runtime's command line and environment.

        Raises:
            Unprepared: The image's Python or libraries are not what the step was compiled for, or
                an input is not there.
        """
        self._check_python()
        bundle = WORK / "bundle"
        bundle.mkdir(parents=True, exist_ok=True)
        self.values.mkdir(exist_ok=True)
        self.output.mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.control / "bundle.tar.gz") as archive:
            archive.extractall(bundle, filter="data")
        python = self._python()
        command = [python, "-m", "waterflow.runtime", str(self.control / "step.json")]
        for name, given in sorted(self.settings["inputs"].items()):
            path = self._path(given)
            if path is not None and given.get("raw"):
                path = self._sealed(bundle, name, path)
            if path is not None:
                command += ["--input", f"{name}={path}"]
        for name in self.settings["outputs"]:
            command += ["--output", f"{name}={self.output / name}"]
        for name in sorted(self.settings["values"]):
            command += ["--value", f"{name}={self._value(name)}"]
        for argument in arguments:
            flag, _, pair = argument.partition("=")
            if flag != "--param":
                raise Unprepared(f"unknown argument {argument!r}")
            command += ["--param", pair]
        command += ["--checkpoint", str(self._checkpoint())]
        return command, self._environment(bundle, Path(python))

    def _check_python(self) -> None:
        wanted = self.settings["python"]
        found = f"{sys.version_info.major}.{sys.version_info.minor}"
        if found != wanted:
            raise Unprepared(
                f"the image's python3 is Python {found}, and the step was compiled for {wanted}. "
                "Say what the image has in the profile: python = ..."
            )

    def _python(self) -> str:
        """Return the Python that has the step's libraries, after installing them if need be."""
        lacking = _lacking(self.settings["pins"])
        if not lacking:
            return sys.executable
        wheels = self.input / "wheels"
        if not self.settings["wheels"] or not wheels.is_dir():
            raise Unprepared(
                f"the image lacks what the step needs: {', '.join(lacking[:10])}. Put it into the "
                'image, or let jobs bring their libraries: libraries = "wheelhouse" in the profile'
            )
        found = sorted(str(path) for path in wheels.rglob("*.whl"))
        return _install(found)

    def _path(self, given: Settings) -> Path | None:
        """Return where an input lies; None for outside data that was not given."""
        if "from" in given:
            mount = self.settings["mounts"][given["from"]]
            place = self.input / mount if self.training else self.input / "from" / mount
            return place / given["output"]
        mount = given["data"]
        place = self.input / mount if self.training else self.input / "data" / mount
        found = sorted(place.iterdir()) if place.is_dir() else []
        if given.get("optional") and [path.name for path in found] == ["none"]:
            return None
        if not found:
            raise Unprepared(f"there is nothing at {place}, where outside data was to be mounted")
        return found[0] if len(found) == 1 else place

    def _sealed(self, bundle: Path, name: str, path: Path) -> Path:
        """Return an artifact of what a program has written that knows nothing of artifacts."""
        sys.path.insert(0, str(bundle))
        from waterflow import artifacts

        folder = WORK / "raw" / name / path.name
        folder.mkdir(parents=True)
        if path.is_dir():  # S3 keeps no empty folders
            shutil.copytree(path, folder, dirs_exist_ok=True)
        artifacts.seal_raw(folder, "path")
        return folder

    def _checkpoint(self) -> Path:
        if self.settings["checkpoint"]:
            return ML / "checkpoints" / self._execution()
        return WORK / "checkpoint"  # outlives an attempt, as processing jobs have no more to offer

    def _value(self, name: str) -> Path:
        return self.values / f"{self.settings['values'][name]}.json"

    def _environment(self, bundle: Path, python: Path) -> dict[str, str]:
        found = dict(os.environ)
        paths = [str(bundle), str(self.control)]
        if str(python) != sys.executable:
            # What the job brings goes before what the image puts on these.
            paths += map(str, python.parents[1].glob("lib/python*/site-packages"))
            found["PATH"] = os.pathsep.join([str(python.parent), found.get("PATH", os.defpath)])
        if found.get("PYTHONPATH"):
            paths.append(found["PYTHONPATH"])
        found |= self._sameness()
        found |= {
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "WATERFLOW_EXECUTION": self._execution(),
            "WATERFLOW_SPOOL": str(self.spool),
            "WATERFLOW_SOURCE": json.dumps([str(bundle), "."]),
            "WATERFLOW_RANK": str(self.rank),
        }
        if "AWS_DEFAULT_REGION" not in found:
            # The one variable that boto3 reads, and SageMaker does not set.
            region = found.get("AWS_REGION") or (self._arn().split(":") + [""] * 4)[3]
            found |= {"AWS_DEFAULT_REGION": region} if region else {}
        if len(self.hosts) > 1:
            found |= {
                "MASTER_ADDR": self.hosts[0],
                "MASTER_PORT": PORT,
                "WORLD_SIZE": str(len(self.hosts)),
                "RANK": str(self.rank),
                "WATERFLOW_HOSTS": ",".join(self.hosts),
            }
        registering = self.settings.get("registering")
        if registering:
            found |= {
                "WATERFLOW_TRACKING_URI": registering["uri"],
                "WATERFLOW_EXPERIMENT": registering["experiment"],
                "WATERFLOW_RUN_TAGS": json.dumps(registering["tags"]),
                "WATERFLOW_RUN_STARTED": _milliseconds(found.get("WATERFLOW_RUN_STARTED", "")),
            }
        return found

    def _sameness(self) -> dict[str, str]:
        """Return what lets a step give the same bytes on any machine: its own CPUs are used."""
        step: Settings = json.loads((self.control / "step.json").read_bytes())
        threads: str = step["variables"].get("OMP_NUM_THREADS") or str(step["threads"])
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        return dict.fromkeys(names, threads) | {"PYTHONHASHSEED": "0"}

    def _arn(self) -> str:
        """Return the job's ARN."""
        if self.training:
            return os.environ.get("TRAINING_JOB_ARN", "")
        described = json.loads((ML / "config" / "processingjobconfig.json").read_bytes())
        return str(described["ProcessingJobArn"])

    def _execution(self) -> str:
        """Return the pipeline execution's id: a job of a pipeline is named after it."""
        name = os.environ.get("TRAINING_JOB_NAME", "") if self.training else self._arn()
        name = name.rpartition("/")[2]
        found = re.search(r"pipelines-([a-z0-9]+)-", name)
        return found[1] if found else name

    def _place(self) -> tuple[int, list[str]]:
        """Return this machine's number and the names of all."""
        try:
            config: Settings = json.loads(self.config.read_bytes())
        except FileNotFoundError:
            return 0, ["algo-1"]
        hosts = sorted(config["hosts"], key=lambda host: (len(host), host))
        return hosts.index(config["current_host"]), hosts

    # --- after ----------------------------------------------------------------------------------

    def publish_values(self) -> None:
        """Make the scalars that conditions read known: a property file, or metrics in the log."""
        found: Settings = {}
        for name, key in self.settings["values"].items():
            file = self._value(name)
            if file.is_file():
                found[key] = _both(json.loads(file.read_bytes()))
        if self.training:
            for key, value in sorted(found.items()):
                if "number" in value:
                    print(f"::waterflow-value:: {key}={value['number']!r}", flush=True)
        elif found and self.rank == 0:
            (self.output / "values.json").write_text(json.dumps(found, sort_keys=True))

    def empty_checkpoints(self) -> None:
        """Let go of what a step that has ended well no longer needs.

        SageMaker copies every file of the checkpoints' place to the next job, and removes none.
        """
        if self.settings["checkpoint"]:
            for file in self._checkpoint().rglob("*"):
                if file.is_file():
                    file.write_bytes(b"")

    def reason(self) -> str:
        """Return why the last attempt failed, as its spool tells."""
        told = ""
        if self.spool.is_file():
            for line in self.spool.read_text(errors="replace").splitlines():
                if '"step.end"' in line:
                    error = json.loads(line).get("error")
                    told = f"{error['type']}: {error['message']}" if error else ""
        return told

    def tell(self, reason: str) -> None:
        """Leave a message for SageMaker's own pages."""
        place = ML / "output" / ("failure" if self.training else "message")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(reason.encode()[:MESSAGE_BYTES])
        except OSError as error:
            print(f"waterflow: {place} cannot be written: {error}", file=sys.stderr)


def _both(value: Any) -> Settings:
    """Return a scalar as conditions read it: as a number where it is one, and as text."""
    if isinstance(value, bool):
        return {"number": int(value), "text": json.dumps(value)}
    if isinstance(value, (int, float)):
        return {"number": value, "text": repr(float(value))}
    return {"text": json.dumps(value, ensure_ascii=False)}


def _lacking(pins: list[str]) -> list[str]:
    """Return the pins that the running Python does not meet."""
    found: list[str] = []
    for pin in pins:
        name, exact, version = pin.partition("==")
        try:
            if not exact or metadata.version(name) != version:
                found.append(pin)
        except metadata.PackageNotFoundError:
            found.append(pin)
    return found


def _install(wheels: list[str]) -> str:
    """Install wheels into an environment beside the image's, and return its Python."""
    folder = WORK / "venv"
    # An image's own pip is much faster than a new one, and not all images can make one.
    own = [] if importlib.util.find_spec("pip") is None else ["--without-pip"]
    _quietly([sys.executable, "-m", "venv", "--system-site-packages", *own, str(folder)])
    # An environment made from an environment sees Python's own libraries, not that one's.
    outer = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    for place in folder.glob("lib/python*/site-packages"):
        lines = (f"import site; site.addsitedir({path!r})" for path in outer)
        (place / "zz-image.pth").write_text("".join(f"{line}\n" for line in lines))
    python = str(folder / "bin" / "python")
    # What the image has in the same version stays; what it has in another is left, and not seen.
    _quietly([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
              "--no-index", "--no-deps", *wheels])  # fmt: skip
    return python


def _milliseconds(moment: str) -> str:
    """Return a moment in milliseconds since the epoch, as text; SageMaker writes ISO 8601."""
    if not moment or moment.isdecimal():
        return moment or "0"
    return str(int(datetime.fromisoformat(moment).timestamp() * 1000))


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise Unprepared(f"the step's libraries cannot be installed: {tail}")


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run the runtime; being the container's first process, pass SIGTERM on."""
    child = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
