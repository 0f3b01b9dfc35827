"""What a job of the toy cloud starts: makes the job contract out of the folder /toy.

Travels in each job's control input and runs there on the standard library alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

TOY = Path("/toy")
INPUT, OUTPUT, WORK = TOY / "in", TOY / "out", TOY / "work"
UNPREPARED = 5
"""The runtime's exit code for code or libraries that cannot be imported."""
PORT = "6000"


class Unprepared(Exception):  # noqa: N818 - told as a message
    """The job cannot begin."""


def main(parameters: list[str]) -> int:
    """Run the step and return its exit code.

    Args:
        parameters: `--param=NAME=JSON` for each parameter.
    """
    settings: dict[str, Any] = json.loads((INPUT / "control" / "launch.json").read_bytes())
    rank = int((TOY / "rank").read_text())
    spool = (OUTPUT if rank == 0 else WORK) / "spool.jsonl"
    try:
        WORK.mkdir()
        bundle = WORK / "bundle"
        with tarfile.open(INPUT / "control" / "bundle.tar.gz") as archive:
            archive.extractall(bundle, filter="data")
        sys.path.insert(0, str(bundle))
        python = interpreter(settings)
        command = [python, "-m", "waterflow.runtime", *arguments(settings, parameters)]
    except (Unprepared, OSError, tarfile.TarError) as error:
        print(f"waterflow: {error}", file=sys.stderr)
        (TOY / "message").write_text(str(error))
        return UNPREPARED
    code = run(command, environment(settings, python, bundle, rank, spool))
    if code == 0 and rank == 0:
        values = {
            name: json.loads(file.read_bytes())
            for number, name in enumerate(settings["values"])
            if (file := WORK / f"value-{number}.json").exists()
        }
        (OUTPUT / "values.json").write_text(json.dumps(values, sort_keys=True))
    elif code:
        (TOY / "message").write_text(reason(spool) or f"the step ended with exit code {code}")
    return code


def arguments(settings: dict[str, Any], parameters: list[str]) -> list[str]:
    """Return the runtime's command line."""
    line = [str(INPUT / "control" / "step.json")]
    for name, source in sorted(settings["inputs"].items()):
        path = input_path(source)
        if path is not None:
            line += ["--input", f"{name}={path}"]
    for name in settings["outputs"]:
        line += ["--output", f"{name}={OUTPUT / name}"]
    for number, name in enumerate(settings["values"]):
        line += ["--value", f"{name}={WORK / f'value-{number}.json'}"]
    for parameter in parameters:
        line += ["--param", parameter.removeprefix("--param=")]
    checkpoint = TOY / "checkpoint" if settings["checkpoint"] else WORK / "checkpoint"
    return [*line, "--checkpoint", str(checkpoint)]


def input_path(source: dict[str, Any]) -> Path | None:
    """Return where an input lies; None for outside data that was not given."""
    if "data" in source:
        place = INPUT / "data" / source["data"]
        entries = sorted(place.iterdir()) if place.is_dir() else []
        if [entry.name for entry in entries] == ["none"]:
            return None
        if not entries:
            raise Unprepared(f"there is nothing at {place}, where outside data was to be")
        return entries[0] if len(entries) == 1 else place
    folder = INPUT / "from" / source["from"] / source["output"]
    if not folder.is_dir():  # of several, one that was skipped: the service brings nothing then
        from waterflow import artifacts

        folder.parent.mkdir(parents=True, exist_ok=True)
        artifacts.seal_skipped(folder, source["type"])
    return folder


def interpreter(settings: dict[str, Any]) -> str:
    """Return the Python that has the step's libraries, after installing them if need be."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != settings["python"]:
        raise Unprepared(
            f"the image's python3 is Python {version}, and the step was compiled for "
            f"{settings['python']}. Say what the image has in the profile: python = ..."
        )
    lacking = [pin for pin in settings["pins"] if not met(pin)]
    if not lacking:
        return sys.executable
    wheels = sorted(str(file) for file in (INPUT / "wheels").glob("*.whl"))
    if not wheels:
        raise Unprepared(
            f"the image lacks what the step needs: {', '.join(lacking[:10])}. Put it into the "
            'image, or let jobs bring their libraries: libraries = "wheelhouse" in the profile'
        )
    folder = WORK / "venv"
    own = [] if importlib.util.find_spec("pip") is None else ["--without-pip"]
    quietly([sys.executable, "-m", "venv", "--system-site-packages", *own, str(folder)])
    # An environment made from an environment sees Python's own libraries, not that one's.
    outer = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    for place in folder.glob("lib/python*/site-packages"):
        lines = (f"import site; site.addsitedir({path!r})\n" for path in outer)
        (place / "zz-image.pth").write_text("".join(lines))
    python = str(folder / "bin" / "python")
    quietly([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install",
             "--no-index", "--no-deps", *wheels])  # fmt: skip
    return python


def met(pin: str) -> bool:
    """Say whether the running Python has what a pin names."""
    name, exact, version = pin.partition("==")
    try:
        return bool(exact) and metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def quietly(command: list[str]) -> None:
    """Run a command whose output matters only when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise Unprepared(f"the step's libraries cannot be installed: {tail}")


def environment(
    settings: dict[str, Any], python: str, bundle: Path, rank: int, spool: Path
) -> dict[str, str]:
    """Return the runtime's variables."""
    step = json.loads((INPUT / "control" / "step.json").read_bytes())
    threads = step["variables"].get("OMP_NUM_THREADS") or str(step["threads"])
    paths = [str(bundle)]
    if python != sys.executable:
        # What the job brings goes before what the image puts on these.
        paths += map(str, Path(python).parents[1].glob("lib/python*/site-packages"))
    hosts = os.environ["TOY_HOSTS"].split(",")
    several = {
        "MASTER_ADDR": hosts[0], "MASTER_PORT": PORT, "WORLD_SIZE": str(len(hosts)),
        "RANK": str(rank), "WATERFLOW_HOSTS": ",".join(hosts),
    }  # fmt: skip
    target = settings.get("tracking") or {}
    speaking = {
        f"WATERFLOW_{variable}": target[key]
        for variable, key in (("TRACKING_URI", "uri"), ("EXPERIMENT", "experiment"))
        if target
    }
    registering = settings["registering"] or {}
    tracking = {
        "WATERFLOW_TRACKING_URI": registering.get("uri", ""),
        "WATERFLOW_EXPERIMENT": registering.get("experiment", ""),
        "WATERFLOW_RUN_TAGS": json.dumps(registering.get("tags", {})),
        "WATERFLOW_RUN_STARTED": os.environ["TOY_STARTED"],
    }
    return {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
        **(several if len(hosts) > 1 else {}),
        **(tracking if registering else {}),
        **speaking,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WATERFLOW_EXECUTION": os.environ["TOY_EXECUTION"],
        "WATERFLOW_SPOOL": str(spool),
        "WATERFLOW_SOURCE": json.dumps([str(bundle), "."]),
        "WATERFLOW_RANK": str(rank),
    }


def reason(spool: Path) -> str:
    """Return why the last attempt failed, as its spool tells."""
    text = ""
    if spool.is_file():
        for line in spool.read_text(errors="replace").splitlines():
            if '"step.end"' in line:
                error = json.loads(line).get("error")
                text = f"{error['type']}: {error['message']}" if error else ""
    return text


def run(command: list[str], variables: dict[str, str]) -> int:
    """Run the runtime; being the job's first process, pass SIGTERM on."""
    child = subprocess.Popen(command, env=variables)
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
