"""What is kept of runs in the bucket, beside what SageMaker itself keeps: records by run id."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waterflow_sagemaker.runs.storage import Storage


@dataclass(frozen=True)
class Record:
    """A run as its submitter started it.

    Attributes:
        run: Its id.
        pipeline: The native pipeline's name.
        digest: The spec's digest.
        version: The pipeline version that it runs.
        parameters: Every parameter's value, as the user gave it.
        native: The parameters as SageMaker was given them.
        tracking: `uri` and `experiment` of MLflow.
        created: Milliseconds since the epoch.
        resumed: The id of the failed run that it goes on from.
        arn: The execution; None until SageMaker has told.
        tags: Its lineage.
    """

    run: str
    pipeline: str
    digest: str
    version: int
    parameters: dict[str, Any]
    native: dict[str, str]
    tracking: dict[str, str]
    created: int
    resumed: str | None = None
    arn: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])


def read(storage: Storage, run_id: str) -> Record | None:
    """Return a run's record; None when no run was submitted under that id."""
    found = storage.get(_name(run_id))
    return None if found is None else Record(**json.loads(found))


def write_new(storage: Storage, record: Record) -> bool:
    """Write a record unless there is one of that run; return whether it was written."""
    return storage.put_new(_name(record.run), _text(record))


def write(storage: Storage, record: Record) -> None:
    """Write a record over an earlier one of that run."""
    storage.put(_name(record.run), _text(record))


def remove(storage: Storage, run_id: str) -> None:
    """Remove the record of a run that was refused."""
    storage.delete(_name(run_id))


def _name(run_id: str) -> str:
    return f"submissions/{run_id}.json"


def _text(record: Record) -> bytes:
    return json.dumps(asdict(record), sort_keys=True, ensure_ascii=False).encode()
