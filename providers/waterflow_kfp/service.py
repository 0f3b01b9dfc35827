"""What services that run pipeline specs answer alike, whatever their own documents hold besides."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.cloud.document import CloudDocument
from waterflow.cloud.documents import Documents
from waterflow.cloud.service import Deployed, Origin, Service, Start
from waterflow_kfp import naming, reading, runtime_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.fingerprint import Fingerprint
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.states import NativeRun, NativeStep

ROOT = "runs"
"""The folder below the profile's prefix where jobs have their outputs."""


class SpecService(Service[CloudDocument]):
    """A service that runs pipeline specs, each of which travels with its start.

    Args:
        bucket: The profile's bucket, where documents lie.
        overview: Where people find a run whose document is gone, in words.
    """

    SPEC: ClassVar[str]
    """The member of a document that is the pipeline spec."""
    DIGITS: ClassVar[int] = 64
    """How many characters of a document's digest are its version."""

    def __init__(self, bucket: Bucket, overview: str) -> None:
        self._bucket = bucket
        self._documents = Documents(bucket, self.provider, overview, self.DIGITS)

    def spec_of(self, definition: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the pipeline spec of a document."""
        return definition.get(self.SPEC) or definition

    def _with(self, definition: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a document with another pipeline spec."""
        return {**definition, self.SPEC: spec}

    # --- without asking -------------------------------------------------------------------------

    def short_id(self, execution: str) -> str:
        """Return the id by which jobs know their execution: its own."""
        return execution

    def spool(self, run: NativeRun) -> str:
        """Return what the names begin with of its spool: it has an output of its own."""
        return f"{self.outputs(run)}{naming.RESULT}/"

    def origin(self, definition: Mapping[str, Any]) -> Origin | None:
        """Return what a document says of its origin."""
        return reading.origin(self.spec_of(definition)) if definition else None

    def natives(self, definition: Mapping[str, Any]) -> dict[str, NativeStep]:
        """Return the steps of a document by native name."""
        return reading.natives(self.spec_of(definition))

    def fingerprints(self, definition: Mapping[str, Any]) -> dict[str, Fingerprint]:
        """Return what the service's cache knows the steps of a document by."""
        return reading.fingerprints(self.spec_of(definition))

    def renewed(
        self, definition: Mapping[str, Any], jobs: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Return a document in which former results of some steps do not stand for them."""
        return self._with(definition, reading.renewed(self.spec_of(definition), jobs))

    def same_steps(self, definition: Mapping[str, Any], document: CloudDocument) -> bool:
        """Say whether an execution could go on as this document."""
        return reading.same_steps(self.spec_of(definition), self.spec_of(document.definition))

    def declared(self, definition: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the texts of the defaults of a document's parameters."""
        return reading.declared(self.spec_of(definition))

    # --- documents ------------------------------------------------------------------------------

    def newest(self, pipeline: str) -> str | None:
        """Return nothing: a document is no version of anything here."""
        del pipeline

    def deploy(self, document: CloudDocument, newest: str | None, *, cache: bool) -> Deployed:
        """Put a document into the bucket under its digest."""
        del newest
        definition: Mapping[str, Any] = document.definition
        if not cache:
            definition = self._with(definition, reading.uncached(self.spec_of(definition)))
        version = self._documents.put(definition)
        return Deployed(self._bucket.uri(self._documents.name(version)), version)

    def deployed(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the document of the newest run of a pipeline."""
        listed = next(self.executions(pipeline), None)
        return None if listed is None else self.definition(listed.execution)

    def document(self, version: str) -> Mapping[str, Any]:
        """Return a document that was deployed.

        Raises:
            NotFoundError: It is no longer in the bucket.
        """
        return self._documents.get(version)

    # --- starting -------------------------------------------------------------------------------

    def start(self, start: Start) -> str:
        """Start an execution, once for each run: its name is made of the run's id."""
        return self._start(start, self.document(start.version))

    def resume(self, execution: str, start: Start) -> str:
        """Start a new execution: what was done is answered by the service's cache."""
        del execution
        definition = self.document(start.version)
        cached = reading.cached(self.spec_of(definition))
        return self._start(start, self._with(definition, cached))

    def exact(
        self, definition: Mapping[str, Any], parameters: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Return a document that takes a start's parameters as they are.

        Args:
            definition: The document.
            parameters: The native parameters' texts.
        """
        return self._with(definition, runtime_values.exact(self.spec_of(definition), parameters))

    @abstractmethod
    def _start(self, start: Start, definition: Mapping[str, Any]) -> str:
        """Start an execution of a document.

        Raises:
            ProviderError: As `start`.
        """
