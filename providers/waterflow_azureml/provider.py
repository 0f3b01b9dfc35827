"""The Azure ML provider: glue between the core's contract and the adapter's parts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from waterflow.cloud.provider import CloudProvider
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities
from waterflow_azureml import limits
from waterflow_azureml.compiler import check_size, compile_azureml
from waterflow_azureml.document import AzureMLDocument, own
from waterflow_azureml.profile import AzureMLSettings
from waterflow_azureml.translation import naming
from waterflow_azureml.translation.control import job_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.provider import Build, Document, Limit, Permission
    from waterflow.provider.schedules import Schedules
    from waterflow_azureml.connections import Connections


class AzureMLProvider(CloudProvider[AzureMLSettings]):
    """Runs pipelines as pipeline jobs of Azure ML."""

    name: ClassVar[str] = "azureml"
    settings_type = AzureMLSettings

    @property
    def capabilities(self) -> Capabilities:
        """What Azure ML can do with this profile."""
        most = limits.NODES.most
        hint = f"A cluster for MPI has at most {most} nodes."
        return Capabilities(
            containers=True,
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
            hints={"instances": hint} | self.library_hints,
        )

    # --- the parts ------------------------------------------------------------------------------

    @cached_property
    def _connections(self) -> Connections:
        from waterflow_azureml.connections import Connections

        return Connections(self.settings)

    def make_service(self) -> Service[Any]:
        """Return Azure ML, for this profile."""
        from waterflow_azureml.service import AzureMLService

        return AzureMLService(self._connections, self.bucket)

    def make_bucket(self) -> Bucket:
        """Return the profile's container in Blob storage."""
        from waterflow_azureml.bucket import bucket

        return bucket(self._connections)

    @property
    def where(self) -> str:
        """Where runs are looked for, for messages."""
        name = naming.display_name(self.settings.prefix, "")
        return f"a pipeline job '{name}-...' in the workspace {self.settings.workspace}"

    @property
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step, by file name."""
        return job_files()

    # --- the contract ---------------------------------------------------------------------------

    def compile(self, build: Build) -> AzureMLDocument:
        """Translate a pipeline into a pipeline job of Azure ML."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_azureml(build, self.settings, self.profile)

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of Azure ML that a document violates."""
        from waterflow_azureml.checks import document_errors

        del build
        compiled = own(document)
        check_size(compiled)
        return document_errors(compiled.definition)

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of Azure ML's limits a pipeline uses."""
        return limits.used(own(document))

    def permissions(self, document: Document) -> list[Permission]:
        """Return what the jobs' identities, and whoever submits, must be allowed."""
        from waterflow_azureml.permissions import needed

        return needed(own(document), self.settings)

    def schedules(self) -> Schedules:
        """Return the profile's schedules, which Azure ML keeps."""
        from waterflow_azureml.schedules import AzureMLSchedules

        return AzureMLSchedules(
            self._connections, self.service, self.bucket, self.starter.deploy, self.profile_runs
        )
