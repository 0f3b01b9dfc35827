"""Starting runs: each id once, whoever is ended or asks again in between."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.records import Record, file_name
from waterflow.cloud.service import Start
from waterflow.errors import ConflictError, ProviderError, TransientError
from waterflow.provider.state import Status
from waterflow.spec.parameters import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.document import CloudDocument
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.records import Records
    from waterflow.cloud.service import Deployed, Service
    from waterflow.cloud.upload import Upload
    from waterflow.provider import Build, Submission

_SKEW: Final = timedelta(days=1)
"""How far the clocks of submitters may be off."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be started.

    Attributes:
        build: The pipeline, with its code.
        document: What it was compiled to.
        submission: How it is to run.
        tracking: `uri` and `experiment` of MLflow.
    """

    build: Build
    document: CloudDocument
    submission: Submission
    tracking: Mapping[str, str]


@dataclass(frozen=True)
class Former:
    """A failed run that another goes on from.

    Attributes:
        execution: Its execution.
        record: How it was submitted.
    """

    execution: str
    record: Record


class Starter:
    """Starts the runs of one profile.

    Args:
        service: The cloud.
        bucket: The bucket.
        records: The records in it.
        upload: What brings code, libraries and data to it.
    """

    def __init__(
        self, service: Service[Any], bucket: Bucket, records: Records, upload: Upload
    ) -> None:
        self._service, self._bucket, self._records, self._upload = service, bucket, records, upload

    def deploy(self, build: Build, document: CloudDocument, *, cache: bool = True) -> Deployed:
        """Put what the jobs need into the bucket, then bring the document to the cloud.

        Args:
            build: The pipeline, with its code.
            document: What it was compiled to.
            cache: Whether earlier results may stand for steps.

        Raises:
            ProviderError: The cloud refuses or fails.
            ConfigurationError: Data was changed, or libraries cannot be resolved.
        """
        self._service.connect()
        self._bucket.open()
        with ThreadPoolExecutor(1) as pool:  # nobody waits for the one while the other is sent
            newest = pool.submit(self._service.newest, document.pipeline)
            self._upload.upload(build, document)
        deployed = self._service.deploy(document, newest.result(), cache=cache)
        if not cache:
            # A schedule starts the newest version: that one is to use the cache.
            self._service.deploy(document, deployed.version, cache=True)
        return deployed

    def submit(self, order: Order, former: Former | None = None) -> Record | None:
        """Start a run, unless the same was started before under its id.

        Args:
            order: What is to be started.
            former: The run that it goes on from.

        Returns:
            Its record, where this very build is what was started; None where that is not known.

        Raises:
            ConfigurationError: The cloud would not take its parameters.
            ConflictError: Another pipeline, or other parameters, ran under the id; or the run that
                it goes on from cannot be gone on from like that.
            ProviderError: The cloud refuses or fails.
        """
        submission, run_id = order.submission, order.submission.run_id
        record = None if submission.fresh else self._records.read(run_id)
        submitted_before = record is not None
        if record is None:
            record = self._recorded(order, former)
        if (record.digest, record.parameters, record.resumed) != (
            order.build.digest,
            dict(submission.parameters),
            submission.resume,
        ):
            raise ConflictError(
                f"Run '{run_id}' was started before with another pipeline or other parameters. "
                "Choose another id, or leave --run-id out",
                provider=self._service.provider,
                operation="start run",
            )
        if record.execution is None:
            execution = self.search(record) if submitted_before else None
            execution = execution or self._start(record, former)
            record = replace(record, execution=execution)
            # Not waited for: without it, whoever looks finds the run among the executions.
            threading.Thread(target=self._note, args=(record,)).start()
        return None if submitted_before or former else record

    def _note(self, record: Record) -> None:
        with contextlib.suppress(ProviderError):
            self._records.replace(record)

    def _recorded(self, order: Order, former: Former | None) -> Record:
        """Bring the pipeline to the cloud, and write down what is to be started of it."""
        document, submission = order.document, order.submission
        if former is None:
            native = native_parameters(document, submission.parameters)
            self._service.check_parameters(document, native)
            version = self.deploy(order.build, document, cache=submission.cache).version
        else:
            native, version = former.record.native, former.record.version
            self._check_resumable(document, submission, former)
        files = {name: file_name(submission.run_id, name) for name in submission.files}
        for name, text in submission.files.items():
            self._bucket.put(files[name], text.encode())
        return self._records.add(
            Record(
                run=submission.run_id,
                pipeline=document.pipeline,
                digest=order.build.digest,
                version=version,
                parameters=dict(submission.parameters),
                native=native,
                tracking=dict(order.tracking),
                created=int(time.time() * 1000),
                resumed=submission.resume,
                tags=dict(document.tags) | dict(submission.tags),
                files=files,
            )
        )

    # --- the call -------------------------------------------------------------------------------

    def _start(self, record: Record, former: Former | None) -> str:
        """Start what a record tells of; the token makes a second call find what the first did."""
        start = Start(
            record.run, record.pipeline, record.version, record.native, self._token(record)
        )
        try:
            if former is not None:
                return self._service.resume(former.execution, start)
            return self._service.start(start)
        except ProviderError as error:
            if not error.retryable and not self._service.may_have_begun(error):
                self._records.remove(record.run)  # nothing runs under the id
                raise
            raise TransientError(
                f"{error}. Whether run '{record.run}' was started is not known: submit it again "
                f"with --run-id {record.run}, and it is started once",
                provider=error.provider,
                operation=error.operation,
                native_code=error.native_code,
                retryable=True,
            ) from error

    def _token(self, record: Record) -> str:
        """Return what makes two requests one: the record, of which there is one for each id."""
        place = self._bucket.uri(record.run)
        return hashlib.sha256(
            f"{place} {record.created} {record.version} {record.resumed}".encode()
        ).hexdigest()

    def search(self, record: Record) -> str | None:
        """Return the execution that was started for a record; None where none was.

        A token is good for a while only, and so no proof against a second start.
        """
        since = datetime.fromtimestamp(record.created / 1000, UTC) - _SKEW
        return self._service.search(record.pipeline, record.run, None if record.resumed else since)

    # --- going on -------------------------------------------------------------------------------

    def _check_resumable(
        self, document: CloudDocument, submission: Submission, former: Former
    ) -> None:
        """Refuse to go on from a run in a way that the cloud does not: it repeats what failed.

        Raises:
            ConflictError: It has not failed, or what is to run is not what it ran.
        """
        record = former.record
        reason = self._unfinished(former)
        if reason is None:
            changed = sorted(
                name
                for name, value in submission.parameters.items()
                if record.parameters.get(name) != value
            )
            same = " ".join(f"-p {name}={_typed(record.parameters.get(name))}" for name in changed)
            definition = self._service.definition(former.execution)
            if not self._service.same_steps(definition, document):
                reason = (
                    f"ran another version of its code or of its settings, and {self._service.title}"
                    " repeats failed steps only as they were. Start a new run (leave --resume "
                    "out): what has not changed comes from the cache"
                )
            elif same:
                reason = (
                    f"ran with other parameters, and {self._service.title} repeats failed steps "
                    f"only as they were. Give it the same: {same}"
                )
        if reason is not None:
            raise ConflictError(
                f"Run '{record.run}' {reason}",
                provider=self._service.provider,
                operation="resume run",
            )

    def _unfinished(self, former: Former) -> str | None:
        """Return why an execution cannot be gone on from yet, or any more."""
        outcome = self._service.outcome(former.execution)
        run_id = former.record.run
        if outcome.stopping:
            return f"is being stopped. Try again when it has: waterflow status {run_id}"
        if outcome.status is Status.SUCCEEDED:
            return (
                "has succeeded: there is nothing to go on with. Start a new run: leave --resume out"
            )
        if not outcome.status.final:
            return f"is still running. Watch it: waterflow status {run_id}"
        return None


def native_parameters(document: CloudDocument, values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as the cloud takes them: text, in the encoding that was compiled.

    Args:
        document: The compiled pipeline.
        values: The parameters' values; those that are not there are left out, as are defaults that
            the cloud takes as defaults only.
    """
    texts: dict[str, str] = {}
    for name, encoding in document.encodings.items():
        if name not in values:
            continue
        value = values[name]
        if name in document.unsent and value == document.unsent[name]:
            continue
        if encoding == "data":
            texts[name] = document.none if value is None else document.data[value]
        elif encoding == "text" and isinstance(value, str):
            texts[name] = value
        elif encoding == "number":
            texts[name] = repr(float(value))
        else:
            texts[name] = to_text(value)
    return texts


def value_of(parameter: spec.Parameter, text: str) -> Any:
    """Return a parameter's value from the text that the cloud was given for it."""
    if parameter.type == "data":
        return text
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    # Where a program is given them, or where they are ordered, texts travel as they are: `1e3`.
    as_json = isinstance(value, str) or (value is None and parameter.optional)
    return text if parameter.type == "string" and not as_json else value


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)
