"""The emulator's process: everything wired together, from its arguments to its end."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import WaterflowError
from waterflow_sagemaker.emulator import environment, faults, isolation
from waterflow_sagemaker.emulator.world import GRACE, REGION

if TYPE_CHECKING:
    from types import FrameType

    from werkzeug.serving import BaseWSGIServer

    from waterflow_sagemaker.emulator.gate import Gate
    from waterflow_sagemaker.emulator.state import State

HOST: Final = "127.0.0.1"
_LOOK: Final = 0.05
"""Seconds in which the server sees that it is to end."""
_LOG: Final = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator until it is told to end; print one JSON line when it is ready.

    Ends on SIGTERM and SIGINT, and, with --attached, when its standard input ends: that is, when
    the process that started it does. All jobs end with it.

    Returns:
        The exit code.
    """
    options = _arguments(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # A line for each request helps nobody; warnings are moto's own about its libraries.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if options.attached:
        threading.Thread(target=_await_parent, args=(over,), daemon=True).start()
    try:
        service = Service(options)
    except WaterflowError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return error.exit_code
    print(json.dumps(service.ready), flush=True)
    over.wait()
    service.close()
    if options.attached:  # the one who made it may be gone
        shutil.rmtree(options.work, ignore_errors=True)
    return 0


class Service:
    """The service, answering from its making until it is closed.

    Args:
        options: What the command line says.

    Raises:
        ConfigurationError: The faults, an image or the state folder is wrong.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        _settle_moto()
        from waterflow_sagemaker.emulator.state import State

        spec = faults.parse(options.fault)
        self._state: State | None = State(options.state, REGION) if options.state else None
        gate = _gate(spec)
        self._server = _listen(options.port, gate)
        port = int(self._server.server_address[1])
        endpoint = f"http://{HOST}:{port}"
        found = isolation.probe(options.isolation)
        self._parts = _parts(options, endpoint, found, spec)
        if self._state is not None:
            self._state.load(self._kept)
        from waterflow_sagemaker.emulator.preparing import prepare
        from waterflow_sagemaker.emulator.responses import serve

        prepared = list(prepare(options.prepare))
        serve(
            {
                operation: getattr(part, method)
                for part in self._parts.values()
                for operation, method in getattr(part, "OPERATIONS", {}).items()
            },
            self._tags_of,
        )
        schedules = self._parts["schedules"]
        gate.controls["advance"] = lambda asked: {"now": schedules.advance(float(asked["seconds"]))}
        gate.checks |= dict.fromkeys(("CreateSchedule", "UpdateSchedule"), schedules.check)
        schedules.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK,), daemon=True
        )
        self._thread.start()
        threading.Thread(target=_warm, daemon=True).start()
        self.ready: dict[str, Any] = {
            "endpoint": endpoint,
            "port": port,
            "pid": os.getpid(),
            "prepared": prepared,
            "isolation": {
                "level": str(found.level),
                "processes": found.processes,
                "network": found.network,
                "text": found.describe(),
            },
        }

    def close(self) -> None:
        """End all jobs, keep what is to be kept, and answer no more."""
        for name, part in self._parts.items():
            try:
                getattr(part, "close", lambda: None)()
            except Exception:  # noqa: BLE001 - the others must end as well
                _LOG.exception("the %s of the emulator did not end well", name)
        if self._state is not None:
            self._state.save(self._kept)
        self._server.shutdown()
        self._server.server_close()

    @property
    def _kept(self) -> dict[str, Any]:
        return {name: part for name, part in self._parts.items() if hasattr(part, "snapshot")}

    def _tags_of(self, arn: str) -> list[dict[str, str]] | None:
        for part in self._parts.values():
            found = part.tags_of(arn) if hasattr(part, "tags_of") else None
            if found is not None:
                return found
        return None


def _warm() -> None:
    """Load what the first requests need while their client gets ready."""
    from moto.core.utils import get_service_model

    from waterflow_sagemaker.checks import request_errors

    get_service_model("sagemaker")
    request_errors("CreateTrainingJob", {})


def _parts(
    options: argparse.Namespace, endpoint: str, found: isolation.Isolation, spec: faults.Faults
) -> dict[str, Any]:
    """Make what answers the service's operations, in the order in which it is to end.

    A part may have OPERATIONS (operation -> method), `tags_of`, `snapshot` with `restore`, `start`
    and `close`.
    """
    from waterflow_sagemaker.emulator import engine
    from waterflow_sagemaker.emulator.images import Images, check
    from waterflow_sagemaker.emulator.jobs import Jobs
    from waterflow_sagemaker.emulator.logs import Logs
    from waterflow_sagemaker.emulator.objects import Objects
    from waterflow_sagemaker.emulator.services import Services
    from waterflow_sagemaker.emulator.world import World

    single = found.level is isolation.Level.SYMLINK
    objects = Objects()
    world = World(
        region=REGION,
        endpoint=environment.variables(endpoint, REGION),
        isolation=found,
        images=Images(check(dict(options.image)), options.work / "bin"),
        objects=objects,
        logs=Logs(REGION),
        faults=spec,
        work=options.work / "jobs",
        slots=threading.Semaphore(1 if single else options.jobs),
        grace=options.grace,
    )
    jobs = Jobs(world)
    # Executions end first: what a job's end would make them start must not start any more.
    return {**engine.parts(jobs, Services(endpoint, REGION), objects, REGION), "jobs": jobs}


def _gate(spec: faults.Faults) -> Gate:
    """Make the application: moto's, behind what strikes before it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from waterflow_sagemaker.emulator.gate import Gate

    return Gate(DomainDispatcherApplication(create_backend_app), spec)


def _listen(port: int, gate: Gate) -> BaseWSGIServer:
    """Take a port on this machine alone."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        # Replies are small and come at once: waiting to fill a packet costs 40 ms each.
        disable_nagle_algorithm = True

    server = make_server(HOST, port, gate, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server


def _settle_moto() -> None:
    """Set what moto reads from the environment, before it is imported."""
    os.environ["MOTO_ENABLE_ISO_REGIONS"] = "false"
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # moto and the engine's own clients must not meet the user's cloud
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def _await_parent(over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    over.set()


def _image(text: str) -> tuple[str, Path]:
    name, _, folder = text.rpartition("=")
    return name, Path(folder)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m waterflow_sagemaker.emulator")
    add = parser.add_argument
    add("--port", type=int, default=0, help="the port; 0 for a free one")
    add("--work", type=Path, required=True, help="a folder for what its jobs need while they run")
    add("--state", type=Path, help="keep the state in this folder")
    add("--prepare", default="{}", help="profile -> the things it names, in JSON")
    add("--fault", help="what is to go wrong")
    add("--image", type=_image, action="append", default=[], help="NAME=DIR")
    add("--jobs", type=int, default=max(8, 2 * (os.cpu_count() or 1)), help="jobs at once")
    add("--grace", type=float, default=GRACE, help="seconds between SIGTERM and SIGKILL")
    add("--isolation", type=isolation.Level, choices=list(isolation.Level),
        help="use this isolation instead of the best one")  # fmt: skip
    add("--attached", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)
