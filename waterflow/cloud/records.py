"""What is kept of runs in the bucket, beside what the cloud itself keeps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from waterflow import spec
from waterflow.provider.basis import RunBasis
from waterflow.runs import lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.objects import Bucket
    from waterflow.provider import Build


@dataclass(frozen=True)
class Record:
    """A run as its submitter started it.

    Attributes:
        run: Its id.
        pipeline: The native pipeline's name.
        digest: The spec's digest.
        version: The native pipeline's version that it runs.
        parameters: Every parameter's value, as the user gave it.
        native: The parameters as the cloud was given them.
        tracking: `uri` and `experiment` of MLflow.
        created: Milliseconds since the epoch.
        resumed: The id of the failed run that it goes on from.
        execution: The execution; None until the cloud has answered.
        tags: Its lineage.
        files: What is kept with it: name -> the name of the object.
    """

    run: str
    pipeline: str
    digest: str
    version: str
    parameters: dict[str, Any]
    native: dict[str, str]
    tracking: dict[str, str]
    created: int
    resumed: str | None = None
    execution: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, str] = field(default_factory=dict[str, str])

    def to_json(self) -> bytes:
        """Return it as text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()


class Records:
    """The records of one profile's runs, by run id.

    Args:
        bucket: The bucket.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, run_id: str) -> Record | None:
        """Return a run's record; None when no run was submitted under that id."""
        content = self._bucket.get(_name(run_id))
        return None if content is None else Record(**json.loads(content))

    def add(self, record: Record) -> Record:
        """Write a record unless there is one of that run; return the one that is there then."""
        if self._bucket.put_new(_name(record.run), record.to_json()):
            return record
        return self.read(record.run) or record

    def replace(self, record: Record) -> None:
        """Write a record over an earlier one of that run."""
        self._bucket.put(_name(record.run), record.to_json())

    def remove(self, run_id: str) -> None:
        """Remove the record of a run that was refused."""
        self._bucket.delete(_name(run_id))


def bundle_name(digest: str) -> str:
    """Return the name of the object that is a code bundle, as a .tar.gz."""
    return f"code/{digest}.tar.gz"


def file_name(run_id: str, name: str) -> str:
    """Return the name of the object that is a file kept with a run."""
    return f"submissions/{run_id}/{name}"


def _name(run_id: str) -> str:
    return f"submissions/{run_id}.json"


@dataclass(frozen=True)
class BuildRecord:
    """What is kept of a build beside its native document.

    Attributes:
        spec: The spec's canonical JSON.
        digest: Its digest.
        tags: The lineage of its runs.
        lock: The project's lock file.
        data: URI of outside data -> what it was pinned to, or "unpinned".
        code: Step -> the digest of its code bundle, which lies under `bundle_name`.
        basis: What its runs are made from, parameters aside; None where an earlier version of
            Waterflow wrote this.
    """

    spec: str
    digest: str
    tags: dict[str, str]
    lock: str
    data: dict[str, str]
    code: dict[str, str] = field(default_factory=dict[str, str])
    basis: dict[str, Any] | None = None

    @classmethod
    def of(cls, build: Build, tags: Mapping[str, str]) -> BuildRecord:
        """Return what is kept of a build.

        Args:
            build: The build.
            tags: The lineage of its runs.
        """
        return cls(
            spec=spec.encode(build.spec).decode(),
            digest=build.digest,
            tags=dict(tags),
            lock=build.lock.text,
            data={
                pinned.uri: pinned.sha256 or pinned.version or "unpinned"
                for pinned in build.data.values()
            },
            code=lineage.code(build),
            basis=msgspec.to_builtins(RunBasis.of(build, tags.get("waterflow.profile", ""))),
        )

    @classmethod
    def from_json(cls, content: bytes) -> BuildRecord:
        """Return what was kept."""
        return cls(**json.loads(content))

    def run_basis(self, parameters: Mapping[str, Any] | None = None) -> RunBasis | None:
        """Return what its runs are made from.

        Args:
            parameters: Those of the run that is meant.
        """
        if self.basis is None:
            return None
        values = None if parameters is None else dict(parameters)
        return msgspec.convert({**self.basis, "parameters": values}, RunBasis)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
