"""The Vertex AI provider: glue between the core's contract and the adapter's parts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.cloud.provider import CloudProvider
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities
from waterflow_vertex import limits
from waterflow_vertex.compiler import compile_vertex, job_files
from waterflow_vertex.document import VertexDocument, own
from waterflow_vertex.profile import VertexSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.provider import Build, Document, Limit, Permission
    from waterflow.provider.schedules import Schedules
    from waterflow_vertex.connections import Connections


class VertexProvider(CloudProvider[VertexSettings]):
    """Runs pipelines as pipeline jobs of Vertex AI."""

    name: ClassVar[str] = "vertex"
    settings_type = VertexSettings

    @property
    def capabilities(self) -> Capabilities:
        """What Vertex AI can do with this profile."""
        most = limits.MACHINES.most
        return Capabilities(
            containers=True,
            map_jobs=True,
            gpu=True,
            instances=most,
            spot=True,
            parameter_length=limits.PARAMETER.most,
            timeouts=True,
            secrets=True,
            requirements=self.settings.libraries == "wheelhouse",
            resume=True,
            keep_going=True,
            content_cache=False,
            tracks_later=True,
            hints={"instances": f"A custom job has at most {most} machines."} | self.library_hints,
        )

    # --- the parts ------------------------------------------------------------------------------

    @cached_property
    def _connections(self) -> Connections:
        from waterflow_vertex.connections import Connections

        return Connections(self.settings)

    def make_service(self) -> Service[Any]:
        """Return Vertex AI, for this profile."""
        from waterflow_vertex.service import VertexService

        return VertexService(self._connections, self.bucket)

    def make_bucket(self) -> Bucket:
        """Return the profile's bucket in Cloud Storage."""
        from waterflow_vertex.bucket import bucket

        return bucket(self._connections)

    @property
    def where(self) -> str:
        """Where runs are looked for, for messages."""
        settings = self.settings
        return f"a pipeline job of project {settings.project} in {settings.region}"

    @property
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step, by file name."""
        return job_files()

    # --- the contract ---------------------------------------------------------------------------

    def compile(self, build: Build) -> VertexDocument:
        """Translate a pipeline into a pipeline job of Vertex AI."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_vertex(build, self.settings, self.profile)

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of Vertex AI that a document violates."""
        from waterflow_vertex.checks import document_errors

        del build
        return document_errors(own(document).definition)

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of Vertex AI's limits a pipeline uses."""
        return limits.used(own(document))

    def permissions(self, document: Document) -> list[Permission]:
        """Return what the jobs' service account, and whoever submits, must be allowed."""
        from waterflow_vertex.permissions import needed

        return needed(own(document), self.settings)

    def schedules(self) -> Schedules:
        """Return the profile's schedules, which Vertex AI keeps."""
        from waterflow_vertex.schedules import VertexSchedules

        return VertexSchedules(
            self._connections, self.service, self.starter.deploy, self.profile_runs
        )
