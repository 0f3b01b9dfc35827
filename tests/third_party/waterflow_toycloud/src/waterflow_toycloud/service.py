"""The toy cloud's answers to what `waterflow.cloud` asks of a cloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from waterflow.artifacts import canonical
from waterflow.cloud.document import CloudDocument
from waterflow.cloud.fingerprint import Fingerprint, NativeExpression
from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow.cloud.service import Deployed, Listed, Origin, Service, Start
from waterflow.cloud.states import NativeRun, NativeStep, Outcome
from waterflow.data.fingerprints import text_digest
from waterflow.data.stores import scheme_of
from waterflow.errors import NotFoundError, ProviderError, TransientError
from waterflow.project import progress
from waterflow.provider.state import Status
from waterflow.spec.quantities import show_size
from waterflow_toycloud.connections import call, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from obstore.store import S3Store

    from waterflow.data import Pinned
    from waterflow.errors import WaterflowError
    from waterflow_toycloud.profile import ToySettings

CONSOLE: Final = "https://console.toy.example"
_RUN: Final = {
    "running": Status.RUNNING, "succeeded": Status.SUCCEEDED, "failed": Status.FAILED,
    "stopped": Status.CANCELLED,
}  # fmt: skip
_STEP: Final = {
    "running": Status.RUNNING, "done": Status.SUCCEEDED, "cached": Status.CACHED,
    "skipped": Status.SKIPPED, "failed": Status.FAILED, "stopped": Status.CANCELLED,
}  # fmt: skip
_REFERENCES: Final = ({"text", "parameter"}, {"parameter"}, {"step"}, {"step", "key"})


class ToyService(Service[CloudDocument]):
    """The toy cloud, for one profile; an execution is named by its id.

    Args:
        settings: The profile's settings.
        bucket: The profile's bucket, where documents lie.
    """

    provider = "toycloud"
    title = "the toy cloud"
    job_names = "x%"

    def __init__(self, settings: ToySettings, bucket: Bucket) -> None:
        self._settings, self._bucket = settings, bucket

    # --- without asking -------------------------------------------------------------------------

    def short_id(self, execution: str) -> str:
        """Return the id by which jobs know their execution: its own."""
        return execution

    def link(self, execution: str) -> str:
        """Return the page of an execution."""
        return f"{CONSOLE}/executions/{execution}"

    def job_link(self, run: NativeRun) -> str | None:
        """Return the page of a job."""
        return f"{CONSOLE}/jobs/{run.job}" if run.job else None

    def outputs(self, run: NativeRun) -> str:
        """Return what the names of the objects begin with that the job of a step writes."""
        return f"runs/{run.origin}/{run.native}/"

    def origin(self, definition: Mapping[str, Any]) -> Origin | None:
        """Return what a document says of its origin."""
        about = definition.get("waterflow")
        return None if about is None else Origin(about["build"], about["pipeline"])

    def natives(self, definition: Mapping[str, Any]) -> dict[str, NativeStep]:
        """Return the steps of a document by name."""
        return {
            step["name"]: NativeStep(
                step["name"],
                None if "condition" in step else step["name"],
                step["name"].removeprefix("gate ") if "condition" in step else None,
                tuple((gate, side) for gate, side in step["when"]),
                () if "condition" in step else tuple(tuple(group) for group in step["needs"]),
                image=(step.get("job") or {}).get("image", ""),
            )
            for step in definition["steps"]
        }

    def fingerprints(self, definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Return what the cache knows steps by: their jobs; gates, by what they compare."""
        return {
            step["name"]: Fingerprint(
                _marked(step.get("job") or step["condition"]), step.get("cache")
            )
            for step in definition["steps"]
        }

    def same_steps(self, definition: Mapping[str, Any], document: CloudDocument) -> bool:
        """Say whether an execution could go on as this document, whatever the cache may answer."""
        old, new = (_uncached(one)["steps"] for one in (definition, document.definition))
        return bool(_as_compiled(old) == _as_compiled(new))

    def renewed(
        self, definition: Mapping[str, Any], jobs: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Return a document in which former results of some steps do not stand for them."""
        steps = [
            {**step, "job": {**step["job"], _RENEWED: jobs[step["name"]]}}
            if step["name"] in jobs
            else step
            for step in definition["steps"]
        ]
        return {**definition, "steps": steps}

    def declared(self, definition: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the texts of the defaults of a document's parameters."""
        return definition["parameters"]

    # --- starting -------------------------------------------------------------------------------

    def newest(self, pipeline: str) -> str | None:
        """Return nothing: a document is no version of anything here."""
        del pipeline

    def deploy(self, document: CloudDocument, newest: str | None, *, cache: bool) -> Deployed:
        """Put a document into the bucket, under its digest, which is its version."""
        del newest
        definition = document.definition if cache else _uncached(document.definition)
        content = canonical(dict(definition))
        version = text_digest(content.decode())
        self._bucket.put_new(_name(version), content)
        return Deployed(self._bucket.uri(_name(version)), version)

    def deployed(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the document of the newest execution of a pipeline."""
        listed = next(self.executions(pipeline), None)
        return None if listed is None else self.definition(listed.execution)

    def start(self, start: Start) -> str:
        """Start an execution, once for each token."""
        answer = call(
            "StartExecution",
            "POST",
            "/executions",
            {
                "document": self._bucket.uri(_name(start.version)),
                "parameters": dict(start.parameters),
                "run": start.run,
                "token": start.token,
            },
        )
        return str(answer["id"])

    def resume(self, execution: str, start: Start) -> str:
        """Have the same execution go on."""
        call(
            "RetryExecution",
            "POST",
            f"/executions/{execution}/retry",
            {"run": start.run, "token": start.token},
        )
        return execution

    # --- finding --------------------------------------------------------------------------------

    def search(self, pipeline: str, run_id: str, since: datetime | None = None) -> str | None:
        """Return the execution that was started for a run."""
        del since
        listed = (one for one in self.executions(pipeline) if run_id in one.runs)
        return next((one.execution for one in listed), None)

    def executions(self, pipeline: str | None = None) -> Iterator[Listed]:
        """Yield the executions of a pipeline, or of all with the profile's prefix."""
        query = {"prefix": f"{self._settings.prefix}-"}
        query |= {} if pipeline is None else {"pipeline": pipeline}
        token: str | None = ""
        while token is not None:
            answer = call(
                "ListExecutions",
                "GET",
                "/executions",
                query=query | ({"token": token} if token else {}),
            )
            token = answer["token"]
            for one in answer["executions"]:
                yield Listed(one["id"], one["started"], tuple(one["runs"]))

    def sibling(self, execution: str, short_id: str) -> Listed:
        """Return another execution by its id."""
        del execution
        try:
            one = self._describe(short_id)
        except NotFoundError:
            return Listed(short_id, 0, (short_id,))
        return Listed(short_id, one["started"], tuple(one["runs"]))

    def definition(self, execution: str) -> Mapping[str, Any]:
        """Return the document that an execution runs."""
        return self._describe(execution)["document"]

    def parameters(self, execution: str) -> dict[str, str]:
        """Return the texts of an execution's parameters."""
        return self._describe(execution)["parameters"]

    def _describe(self, execution: str) -> dict[str, Any]:
        return call("DescribeExecution", "GET", f"/executions/{execution}")

    # --- watching -------------------------------------------------------------------------------

    def steps(self, execution: str) -> dict[str, NativeRun]:
        """Return the steps that an execution has begun."""
        answer = call("ListSteps", "GET", f"/executions/{execution}/steps")
        return {
            step["name"]: NativeRun(
                native=step["name"],
                status=_STEP[step["state"]],
                job=step["job"],
                kind="job" if step["job"] else "",
                origin=step["origin"] or execution,
                outcome=step["outcome"],
                started=step["started"],
                ended=step["ended"],
                failure=step["failure"],
            )
            for step in answer["steps"]
            if step["state"] in _STEP
        }

    def outcome(self, execution: str) -> Outcome:
        """Return what an execution as a whole is."""
        one = self._describe(execution)
        return Outcome(
            _RUN[one["state"]], one["stopping"], one["started"], one["changed"], one["failure"]
        )

    def stop(self, execution: str) -> None:
        """Ask that an execution be stopped."""
        call("StopExecution", "POST", f"/executions/{execution}/stop")

    def log(
        self, run: NativeRun, cursor: dict[str, str], *, first_machine: bool = False
    ) -> Iterator[tuple[int, str]]:
        """Yield the lines of a job's log that have come since the cursor."""
        if not run.job:
            return
        after = int(cursor.get(run.job, "0"))
        try:
            answer = call("ReadLog", "GET", f"/jobs/{run.job}/log", query={"after": str(after)})
        except NotFoundError:
            return  # it found no machine, so it never was
        cursor[run.job] = str(after + len(answer["lines"]))
        for moment, host, line in answer["lines"]:
            if not (first_machine and host):
                yield moment, line

    # --- data -----------------------------------------------------------------------------------

    def copy(self, pinned: Pinned, folder: str) -> bool:
        """Copy data that lies in the toy cloud, by the toy cloud itself."""
        if scheme_of(pinned.uri) != "toy":
            return False
        from waterflow_toycloud.store import ToyStore

        if pinned.size and pinned.size >= progress.MUCH:
            progress.tell(f"Copying {pinned.uri}, {show_size(pinned.size)}")
        ToyStore(pinned.uri).copy(pinned, self._bucket.uri(folder))
        return True


_RENEWED = "renewed"
"""The job whose result was lost, as a part of a job: the toy cloud's cache compares those."""


def _name(version: str) -> str:
    return f"documents/{version}.json"


def _uncached(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document in which no earlier result may stand for a step."""
    steps = [{**step, "cache": None} if "job" in step else step for step in definition["steps"]]
    return {**definition, "steps": steps}


def _as_compiled(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return steps without what makes the cache pass lost results over."""
    return [
        {**one, "job": {key: value for key, value in one["job"].items() if key != _RENEWED}}
        if "job" in one
        else one
        for one in steps
    ]


def _marked(part: Any) -> Any:
    """Return a part of a document with an `NativeExpression` for each reference in it."""
    if isinstance(part, list):
        return [_marked(item) for item in part]
    if not isinstance(part, dict):
        return part
    if set(part) in _REFERENCES:
        step = frozenset([part["step"]] if "step" in part else [])
        return NativeExpression(
            json.dumps(part, sort_keys=True),
            frozenset([part["parameter"]] if "parameter" in part else []),
            places=frozenset() if "key" in part else step,
            contents=step if "key" in part else frozenset(),
        )
    return {key: _marked(value) for key, value in part.items()}


def bucket(settings: ToySettings) -> Bucket:
    """Return the part of the profile's bucket below its prefix."""
    return Bucket(
        lambda: _store(settings), f"toy://{settings.bucket}/{settings.prefix}", _object_error
    )


def _store(settings: ToySettings) -> S3Store:
    from obstore.store import S3Store

    client: Any = {**CLIENT, "allow_http": True}
    return S3Store(
        settings.bucket,
        prefix=settings.prefix,
        region="toy",
        endpoint=f"{endpoint()}/objects",
        skip_signature=True,
        client_options=client,
        retry_config=RETRIES,
    )


def _object_error(operation: str, error: Exception) -> WaterflowError:
    """Return what obstore raised as one of Waterflow's errors."""
    text = str(error).partition("\n\nDebug source:")[0]
    kind = NotFoundError if isinstance(error, FileNotFoundError) else ProviderError
    if "rror sending request" in text or "HTTP error" in text:
        kind = TransientError
    return kind(
        f"The toy cloud refuses {operation}: {text}",
        provider="toycloud",
        operation=operation,
        native_code=type(error).__name__,
        retryable=kind is TransientError,
    )
