"""Projects whose runs an emulator runs, and their commands as a user types them."""

import contextlib
import http.client
import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from waterflow.provider import discovery
from waterflow.runs import submit as submitting
from waterflow.runs.run import Run

SOURCE = Path(__file__).with_name("run_pipelines.py")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ml:3.11"
_NUMBERS = itertools.count(1)
TRAINING = ("judged.score", "judged.good", "learning.fit", "told.use")
"""Steps that the profile makes training jobs."""
NOBODY = "http://127.0.0.1:9"
"""A tracking server that nobody answers at."""


def until(condition, seconds=120.0, what="it"):
    """Poll until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.02)
    return found


class Project:
    """A project with a profile at an emulator.

    The environment must point at the emulator already.
    """

    def __init__(self, root, tracking=NOBODY, bucket=None, **settings):
        self.root = root
        self.root.mkdir(exist_ok=True)
        self.bucket = bucket or f"runs-{os.getpid()}-{next(_NUMBERS)}"
        if bucket is None:
            boto3.client("s3").create_bucket(Bucket=self.bucket)
        self.prefix = settings.pop("prefix", self.bucket)
        profile = {
            "provider": "sagemaker", "region": "us-east-1", "bucket": self.bucket,
            "role": "arn:aws:iam::123456789012:role/jobs", "prefix": self.prefix,
            "image": IMAGE, "python": "3.11", "libraries": "image", "poll": 0.1, **settings,
        }  # fmt: skip
        lines = ['default_profile = "aws"', "[profiles.aws]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in profile.items()]
        for step in TRAINING:
            lines += [f'[profiles.aws.steps."{step}"]', 'job = "training"']
        lines += ["[profiles.aws.tracking]", f'uri = "{tracking}"']
        (root / "waterflow.toml").write_text("\n".join(lines))
        shutil.copyfile(SOURCE, root / "run_pipelines.py")
        self.provider = discovery.open_provider(root, "aws")

    def copied(self, root):
        """Return the same project on another machine, which has seen no run yet."""
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns(".waterflow", "__pycache__"))
        other = object.__new__(Project)
        other.__dict__.update(self.__dict__)
        other.root = root
        other.provider = discovery.open_provider(root, "aws")
        return other

    def change(self, old, new):
        """Change the project's code."""
        file = self.root / "run_pipelines.py"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    @contextlib.contextmanager
    def code(self):
        sys.path.insert(0, str(self.root))
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        importlib.invalidate_caches()
        sys.modules.pop("run_pipelines", None)
        try:
            yield importlib.import_module("run_pipelines")
        finally:
            sys.dont_write_bytecode = before
            sys.path.remove(str(self.root))
            sys.modules.pop("run_pipelines", None)

    def submit(self, pipeline, how=None, **parameters):
        with self.code() as module:
            call = getattr(module, pipeline)(**parameters)
            return submitting.submit(call, profile="aws", root=self.root, **(how or {}))

    def fresh(self, run_id):
        """Return a run as another process sees it."""
        return Run(run_id, discovery.open_provider(self.root, "aws"))

    def finish(self, run, seconds=150.0):
        run = self.fresh(run) if isinstance(run, str) else run

        def ended():
            state = run.state
            return state if state.status.final else None

        return until(ended, seconds, f"the end of {run.id}")

    def executions(self, pipeline):
        name = f"{self.prefix}-{pipeline}"
        client = boto3.client("sagemaker")
        try:
            found = client.list_pipeline_executions(PipelineName=name)
        except client.exceptions.ResourceNotFound:
            return []
        return found["PipelineExecutionSummaries"]

    def start_cli(self, *arguments, **more):
        return subprocess.Popen(
            [sys.executable, "-m", "waterflow.cli", *arguments], cwd=self.root,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            start_new_session=True, **more,
        )  # fmt: skip

    def cli(self, *arguments, seconds=150):
        process = self.start_cli(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments):
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def values(self, run):
        return {
            f"{one.step}.{one.output}" if one.output != "output" else one.step:
                run.artifact(f"{one.step}.{one.output}").load()
            for one in run.artifacts() if one.sha256 is not None
        }  # fmt: skip


@contextlib.contextmanager
def pointed(emulator):
    """Let the environment of this process point at an emulator while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in emulator.unset:
            patch.delenv(name, raising=False)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        boto3.DEFAULT_SESSION = None
        yield
    boto3.DEFAULT_SESSION = None


class Door(ThreadingHTTPServer):
    """An HTTP door before a server that can hold one request, before or after it is served.

    It can also lose the first replies of an operation, and refuse one.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, endpoint):
        super().__init__(("127.0.0.1", 0), _Passage)
        self.endpoint = endpoint.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.at, self.when, self.counts = None, None, 1
        self.reached, self.open = threading.Event(), threading.Event()
        self.lost, self.refused = {}, {}
        self.seen = []

    def refuse(self, at, code, message):
        """Answer an operation with an error, as long as it is not told otherwise."""
        self.refused[at] = {"__type": code, "message": message}

    def lose(self, at, count=1):
        """Lose the first replies to an operation."""
        self.lost[at] = count

    def loses(self, what):
        for at, count in self.lost.items():
            if at in what and count:
                self.lost[at] -= 1
                return True
        return False

    def hold(self, at, when, count=1):
        """Hold the request of that number at an operation, or at a part of a path."""
        self.at, self.when, self.counts = at, when, count
        self.reached.clear()
        self.open.clear()

    def passing(self, what, when):
        if self.at is None or self.at not in what or when != self.when:
            return
        self.counts -= 1
        if self.counts == 0:
            self.reached.set()
            self.open.wait(60)

    def handle_error(self, request, client_address):
        """Say nothing: clients are killed."""


class _Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass(self):
        target = self.headers.get("X-Amz-Target", "")
        what = target or f"{self.command} {self.path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(what)
        self.server.passing(what, "before")
        refusal = self.server.refused.get(target.rpartition(".")[2])
        if refusal is not None:
            self._answer(400, [("Content-Type", "application/x-amz-json-1.1")], refusal)
            return
        inner = http.client.HTTPConnection(self.server.endpoint, timeout=60)
        inner.request(self.command, self.path, body, dict(self.headers))
        reply = inner.getresponse()
        content = reply.read()
        inner.close()
        self.server.passing(what, "after")
        if self.server.loses(what):
            self.close_connection = True
            return
        kept = [
            (name, value) for name, value in reply.getheaders()
            if name.lower() not in ("transfer-encoding", "connection", "server")
            and (name.lower() != "content-length" or self.command == "HEAD")
        ]  # fmt: skip
        self._answer(reply.status, kept, content)

    def _answer(self, status, headers, content):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def door(endpoint):
    """Open a door before a server."""
    with Door(endpoint) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.open.set()
            found.shutdown()
            thread.join()
