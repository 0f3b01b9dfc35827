"""The SageMaker provider: glue between the core's contract and the adapter's parts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.cloud.provider import CloudProvider
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities
from waterflow_sagemaker import limits
from waterflow_sagemaker.compiler import check_size, compile_sagemaker
from waterflow_sagemaker.document import SageMakerDocument, own
from waterflow_sagemaker.profile import SageMakerSettings
from waterflow_sagemaker.translation import naming
from waterflow_sagemaker.translation.control import job_files
from waterflow_sagemaker.usage import used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.provider import Build, Document, Limit, Permission
    from waterflow.provider.schedules import Schedules
    from waterflow_sagemaker.connections import Connections

PARAMETER_LENGTH: Final = 190
"""Characters of a parameter: it travels in one argument of 256 characters, beside its name."""


class SageMakerProvider(CloudProvider[SageMakerSettings]):
    """Runs pipelines as SageMaker pipelines."""

    name: ClassVar[str] = "sagemaker"
    settings_type = SageMakerSettings

    @property
    def capabilities(self) -> Capabilities:
        """What SageMaker can do with this profile."""
        most = limits.INSTANCES.most
        hint = f"An account may use {most} instances for a job by default."
        return Capabilities(
            containers=True,
            gpu=True,
            instances=most,
            spot=True,
            disk=limits.VOLUME.most * 2**30,
            parameter_length=PARAMETER_LENGTH,
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
        from waterflow_sagemaker.connections import Connections

        return Connections(self.settings)

    def make_service(self) -> Service[Any]:
        """Return SageMaker, for this profile."""
        from waterflow_sagemaker.service import SageMakerService

        return SageMakerService(self._connections)

    def make_bucket(self) -> Bucket:
        """Return the profile's bucket in S3."""
        from waterflow_sagemaker.bucket import bucket

        return bucket(self._connections)

    @property
    def where(self) -> str:
        """Where runs are looked for, for messages."""
        prefix = naming.pipeline_prefix(self.settings.prefix)
        return f"a pipeline '{prefix}-...' in {self.settings.region}"

    @property
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step, by file name."""
        return job_files()

    # --- the contract ---------------------------------------------------------------------------

    def compile(self, build: Build) -> SageMakerDocument:
        """Translate a pipeline into a SageMaker pipeline definition."""
        check_capabilities(build.spec, self.name, self.capabilities)
        return compile_sagemaker(build, self.settings, self.profile)

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of SageMaker that a document violates."""
        from waterflow_sagemaker.checks import document_errors

        del build
        compiled = own(document)
        check_size(compiled)
        return document_errors(compiled.definition)

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of SageMaker's limits a pipeline uses."""
        return used(own(document))

    def permissions(self, document: Document) -> list[Permission]:
        """Return what the jobs' roles, and whoever submits, must be allowed."""
        from waterflow_sagemaker.permissions import needed

        return needed(own(document))

    def schedules(self) -> Schedules:
        """Return the profile's schedules, which EventBridge Scheduler keeps."""
        from waterflow_sagemaker.schedules import EventBridgeSchedules

        return EventBridgeSchedules(
            self._connections,
            lambda build, document: self.starter.deploy(build, document).address,
            self.profile_runs,
        )
