"""The Kubeflow provider: glue between the core's contract and the adapter's parts."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow.cloud.provider import CloudProvider
from waterflow.errors import ConfigurationError, UnsupportedFeatureError
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities
from waterflow_kubeflow import limits
from waterflow_kubeflow.compiler import compile_kubeflow, job_files
from waterflow_kubeflow.document import own
from waterflow_kubeflow.profile import KubeflowSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow import spec
    from waterflow.cloud.objects import Bucket
    from waterflow.cloud.service import Service
    from waterflow.provider import Build, Document, Limit, Permission
    from waterflow.provider.schedules import Schedules
    from waterflow_kubeflow.connections import Connections
    from waterflow_kubeflow.document import KubeflowDocument

_KEY: Final = re.compile(r"[\w.\-]{1,253}", re.ASCII)
"""https://kubernetes.io/docs/concepts/configuration/secret/"""


class KubeflowProvider(CloudProvider[KubeflowSettings]):
    """Runs pipelines on a Kubeflow Pipelines API server."""

    name: ClassVar[str] = "kubeflow"
    settings_type = KubeflowSettings

    @property
    def capabilities(self) -> Capabilities:
        """What Kubeflow Pipelines can do with this profile."""
        hints = {
            "instances": "A step of Kubeflow Pipelines is one pod.",
            "spot": "Nodes are the cluster's: choose those that may be taken away by node_selector "
            "and tolerations.",
            "keep_going": "Argo, on which it runs, starts nothing new once a step has failed: "
            "mend the step, and go on with --resume.",
        }
        return Capabilities(
            containers=True,
            map_jobs=True,
            gpu=True,
            instances=1,
            spot=False,
            parameter_length=limits.PARAMETER.most,
            timeouts=True,
            secrets=True,
            requirements=self.settings.libraries == "wheelhouse",
            resume=True,
            content_cache=False,
            tracks_later=True,
            hints=hints | self.library_hints,
        )

    # --- the parts ------------------------------------------------------------------------------

    @cached_property
    def _connections(self) -> Connections:
        from waterflow_kubeflow.connections import Connections

        return Connections(self.settings)

    def make_service(self) -> Service[Any]:
        """Return Kubeflow Pipelines, for this profile."""
        from waterflow_kubeflow.service import KubeflowService

        return KubeflowService(self._connections, self.bucket)

    def make_bucket(self) -> Bucket:
        """Return the profile's bucket."""
        from waterflow_kubeflow.bucket import bucket

        return bucket(self.settings)

    @property
    def where(self) -> str:
        """Where runs are looked for, for messages."""
        settings = self.settings
        return f"a pipeline '{settings.prefix}-...' in Kubeflow's '{settings.experiment}'"

    @property
    def programs(self) -> Mapping[str, bytes]:
        """The programs that travel with every step, by file name."""
        return job_files()

    # --- the contract ---------------------------------------------------------------------------

    def compile(self, build: Build) -> KubeflowDocument:
        """Translate a pipeline into a pipeline spec and what Kubernetes is told beside it."""
        check_capabilities(build.spec, self.name, self.capabilities)
        self._check_secrets(build.spec)
        return compile_kubeflow(build, self.settings, self.profile)

    def _check_secrets(self, pipeline: spec.Pipeline) -> None:
        for step in pipeline.steps:
            for secret in step.environment.secrets.values():
                if self.settings.secret is None:
                    raise ConfigurationError(
                        f"Step '{step.name}' reads the secret '{secret}', and the profile names no "
                        "Kubernetes Secret that holds it. Write under "
                        f'[profiles.{self.profile.name}]: secret = "NAME"'
                    )
                if not _KEY.fullmatch(secret):
                    raise UnsupportedFeatureError(
                        step.name,
                        f"the secret '{secret}'",
                        self.name,
                        "A key of a Kubernetes Secret has 1 to 253 letters, digits, - _ and .",
                    )

    def check(self, build: Build, document: Document) -> list[str]:
        """Return every limit of Kubeflow Pipelines that a document violates."""
        from waterflow_kubeflow.checks import document_errors

        del build
        return document_errors(own(document))

    def limits(self, document: Document) -> list[Limit]:
        """Return how much of Kubeflow's limits a pipeline uses."""
        return limits.used(own(document))

    def permissions(self, document: Document) -> list[Permission]:
        """Return what the pods' service account, and whoever submits, must be allowed."""
        from waterflow_kubeflow.permissions import needed

        return needed(own(document), self.settings)

    def schedules(self) -> Schedules:
        """Return the profile's schedules, which Kubeflow keeps."""
        from waterflow_kubeflow.schedules import KubeflowSchedules

        return KubeflowSchedules(
            self._connections, self.service, self.bucket, self.starter.deploy, self.profile_runs
        )
