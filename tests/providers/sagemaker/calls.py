"""What the suites' emulators record of IAM, with names for its kinds of things, and the file of it.

The suites hold what they call against the file; `make record-calls` writes it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waterflow_sagemaker.emulator.calls import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE = Path(__file__).parents[2] / "infra" / "recorded_calls.json"
UPDATE = "WATERFLOW_RECORD_CALLS"
"""The variable with which calls are added to the file, and not held against it."""
PREFIXES = re.compile(r"waterflow|nowhere|runs-\d+-\d+")
"""The prefixes of the suites' profiles; each project of the remote suite has one of its own."""
FOREIGN = re.compile(r"\btest-\d+-\d+\b|role/waterflow-test\b|repository/tests\b")
"""Names of the emulator's own tests, with which the remote suite shares an emulator."""
NAMES = (
    (r"(:pipeline/)(?:waterflow|nowhere|runs-\d+-\d+)-[^/]+", r"\1prefix-*"),
    (r"(/execution/).+", r"\1*"),
    (r"(-job/pipelines-).+", r"\1*"),
    (r"(:log-stream:).+", r"\1*"),
    (r"(:schedule/)waterflow(?:-runs-\d+-\d+)?/.+", r"\1waterflow-prefix/*"),
    (r"(:schedule-group/)waterflow(?:-runs-\d+-\d+)?$", r"\1waterflow-prefix"),
    (r"(:secret:).+-......$", r"\1secret-AbCdEf"),
    (r"(:role/)(?!service-role)(?:.+/)?(?:jobs|role-\d+-\d+)$", r"\1prefix/environment/jobs"),
    (r"(:role/)(?:.+/)?scheduler(?:-\d+-\d+)?$", r"\1prefix/environment/scheduler"),
    (r"(:role/)service-role/AmazonSageMaker-ExecutionRole$", r"\1prefix/environment/submitter"),
    (r"(:repository/)(?:ml|bare|images?-\d+-\d+)$", r"\1images"),
)
"""Patterns of resources -> the names of their kinds."""


def canonical(call: dict[str, Any], foreign: re.Pattern[str] = FOREIGN) -> dict[str, Any] | None:
    """Return a call by the kinds of things that it names; None for one of other tests."""
    if foreign.search(json.dumps(call)):
        return None
    context = {key: value for key, value in call["context"].items() if key != "aws:RequestedRegion"}
    resource = call["resource"]
    if resource.startswith("arn:aws:s3:::"):
        bucket, slash, key = resource.removeprefix("arn:aws:s3:::").partition("/")
        key = key if slash else context.get("s3:prefix", "")
        own = PREFIXES.fullmatch(key.partition("/")[0])
        bucket = "bucket" if own or not (slash or key) else "elsewhere"
        # As finely as policies have it: which folder is met may hang on who is faster.
        key = "prefix/*" if own else "data/*"
        resource = f"arn:aws:s3:::{bucket}{slash}{key if slash else ''}"
        if "s3:prefix" in context:
            context["s3:prefix"] = key
    for pattern, name in NAMES:
        resource = re.sub(pattern, name, resource)
    return {
        "principal": call["principal"],
        "action": call["action"],
        "resource": resource,
        "context": context,
    }


def distinct(calls: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return calls by their text."""
    return {json.dumps(one): one for one in calls}


def recorded() -> list[dict[str, Any]]:
    """Return what is in the file."""
    return json.loads(FILE.read_text())


@contextlib.contextmanager
def held(raw: Path, foreign: re.Pattern[str] = FOREIGN) -> Iterator[list[str]]:
    """Hold what is called while the block runs against the file.

    Args:
        raw: Where emulators record.
        foreign: What only calls of other tests name.

    Yields:
        A list that holds, after the block, what was called.
    """
    raw.touch()
    begin, texts = raw.stat().st_size, list[str]()
    yield texts
    with raw.open("rb") as stream:
        stream.seek(begin)
        # Of what still goes on the last line may be half written.
        lines = set(stream.read().rpartition(b"\n")[0].splitlines())
    named = [canonical(json.loads(line), foreign) for line in lines]
    calls = distinct(one for one in named if one is not None)
    texts += calls
    if os.environ.get(UPDATE):
        _add(calls)
        return
    beyond = sorted(calls.keys() - distinct(recorded()).keys())
    assert not beyond, (
        "calls that are not in tests/infra/recorded_calls.json: run make record-calls, and see "
        "that infra's roles allow them: " + "\n".join(beyond)
    )


def _add(calls: dict[str, dict[str, Any]]) -> None:
    with FILE.open("r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # workers share it
        every = distinct(json.load(stream)) | calls
        stream.seek(0)
        stream.truncate()
        stream.write("[\n" + ",\n".join(sorted(every)) + "\n]\n")


def pointed(patch: Any, folder: Path) -> Path:
    """Let all emulators record in a folder, and return the file."""
    raw = folder / "calls.jsonl"
    patch.setenv(RECORD, str(raw))
    return raw
