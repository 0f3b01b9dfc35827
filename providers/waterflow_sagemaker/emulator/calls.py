"""The record of calls: what the submitter, the jobs' role and the scheduler have asked of IAM."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.emulation.wire import read_body
from waterflow_sagemaker.emulator import operations, rights, rights_s3, wire
from waterflow_sagemaker.emulator.environment import KEY
from waterflow_sagemaker.emulator.logs import Logs
from waterflow_sagemaker.emulator.objects import Objects
from waterflow_sagemaker.emulator.services import INTERNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from waterflow.emulation.wire import Environ
    from waterflow_sagemaker.emulator.identity import Identities
    from waterflow_sagemaker.emulator.rights import Right

_LOG: Final = logging.getLogger(__name__)

RECORD: Final = "WATERFLOW_EMULATOR_CALLS"
"""The variable that names the file to which calls are added, one JSON line each."""


class Principal(StrEnum):
    """Who calls."""

    SUBMITTER = "submitter"
    """Whoever uses the emulator with the key that it hands out."""
    JOBS = "jobs"
    """The role of pipelines and jobs: their programs, and SageMaker in its name."""
    SCHEDULER = "scheduler"
    """The role by which schedules start pipelines."""


class Calls:
    """Writes down every question to IAM that the account's principals give rise to.

    Whoever signs with a key of their own is none of them, and is not recorded.

    Args:
        identities: The roles that access keys stand for.
        file: Where to; None for the file that the environment names, or for no record.
    """

    def __init__(self, identities: Identities, file: Path | None = None) -> None:
        named = os.environ.get(RECORD)
        self.file = file or (Path(named) if named else None)
        self._identities = identities
        self._lock = threading.Lock()

    def add(self, principal: Principal, asked: Iterable[Right], region: str) -> None:
        """Write down what a principal asks.

        Args:
            principal: Who.
            asked: What.
            region: The region that it is asked in.
        """
        if self.file is None:
            return
        lines = [
            json.dumps(
                {
                    "principal": str(principal),
                    "action": one.action,
                    "resource": one.resource,
                    "context": {**one.context, "aws:RequestedRegion": region},
                },
                sort_keys=True,
            )
            for one in asked
        ]
        if lines:
            data = "".join(f"{line}\n" for line in lines).encode()
            # Whole, as several emulators may write to one file.
            with self._lock, self.file.open("ab", buffering=0) as stream:
                stream.write(data)

    def request(self, service: str, environ: Environ) -> None:
        """Write down what a request asks; its body stays to be read.

        Args:
            service: The service.
            environ: The request.
        """
        if self.file is None:
            return
        principal = self._principal(environ)
        if principal is None:
            return
        region = wire.region_of(environ)
        operation = wire.operation_of(service, environ)
        if operations.reason(service, operation) is not None:
            return  # it is refused by us, not by AWS
        try:
            if service == "s3":
                body = _body(environ) if operation == "DeleteObjects" else b""
                asked = list(rights_s3.of_request(operation, environ, body))
            else:
                _body(environ)
                request = wire.parsed(service, operation, environ)
                asked = rights.of_request(service, operation, request, region)
        except (ValueError, TypeError, KeyError, AttributeError):
            # What is wrongly written is refused before IAM is asked.
            _LOG.info("a request to %s cannot be recorded", service, exc_info=True)
            return
        self.add(principal, asked, region)

    def _principal(self, environ: Environ) -> Principal | None:
        if INTERNAL in environ.get("HTTP_USER_AGENT", ""):
            return Principal.JOBS  # the engine does it in the name of a pipeline's role
        key = wire.access_key_of(environ.get("HTTP_AUTHORIZATION", ""))
        if self._identities.knows(key):
            return Principal.JOBS
        return Principal.SUBMITTER if key == KEY else None

    # --- what SageMaker does by the jobs' role ----------------------------------------------------

    def objects(self, region: str) -> Objects:
        """Return the objects as jobs of a region reach them."""
        return Objects(region) if self.file is None else _RecordedObjects(region, self)

    def logs(self, region: str) -> Logs:
        """Return the logs as jobs of a region write them."""
        return Logs(region) if self.file is None else _RecordedLogs(region, self)


class _RecordedObjects(Objects):
    """Objects whose reading and writing is recorded."""

    def __init__(self, region: str, calls: Calls) -> None:
        super().__init__(region)
        self._calls, self._here = calls, region

    def keys(self, bucket: str, prefix: str) -> list[str]:
        self._add([rights.of_input(f"s3://{bucket}/{prefix}")])
        return super().keys(bucket, prefix)

    def read(self, bucket: str, key: str) -> bytes | None:
        self._add([rights.Right("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")])
        self._add([*rights_s3.absent(bucket, key), *rights_s3.reading(bucket, key, self._here)])
        return super().read(bucket, key)

    def write(self, bucket: str, key: str, data: bytes, kms: str | None = None) -> None:
        asked = [rights.Right("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")]
        if kms:
            name = rights_s3.named_key(kms, self._here)
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuAndPermissions.html
            asked += [rights.Right(f"kms:{one}", name) for one in ("GenerateDataKey", "Decrypt")]
        self._add(asked)
        super().write(bucket, key, data, kms)

    def _add(self, asked: Iterable[Right]) -> None:
        self._calls.add(Principal.JOBS, asked, self._here)


class _RecordedLogs(Logs):
    """Logs whose writing is recorded."""

    def __init__(self, region: str, calls: Calls) -> None:
        super().__init__(region)
        self._calls, self._here = calls, region

    def open(self, group: str, stream: str) -> Callable[[list[tuple[int, str]]], None]:
        asked = rights.of_logs(group, stream, self._here)
        self._calls.add(Principal.JOBS, asked, self._here)
        return super().open(group, stream)


def _body(environ: Environ) -> bytes:
    """Return a request's body, and leave it to be read again."""
    stream: Any = environ["wsgi.input"]
    if not isinstance(stream, io.BytesIO):
        stream = environ["wsgi.input"] = io.BytesIO(read_body(environ))
    return stream.getvalue()
