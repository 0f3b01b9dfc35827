"""Looking at what runs on Kubeflow Pipelines need: the server, the experiment, images, secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow.cloud.examining import looked_at, python_check
from waterflow.provider import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow import spec
    from waterflow_kubeflow.connections import Connections


class Examination:
    """One look at what a profile names.

    Args:
        connections: The ways to the API server.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections, self._settings = connections, connections.settings

    def all(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Yield every finding.

        Args:
            pipeline: A pipeline whose secrets are looked at too.
        """
        yield from looked_at("server", self._server)
        yield from looked_at("experiment", self._experiment)
        yield from self._images(pipeline)
        yield from self._secrets(pipeline)

    def _server(self) -> str | Check:
        answer = self._connections.call("GetHealthz", "GET", "healthz")
        many, namespace = bool(answer.get("multi_user")), self._settings.namespace
        if many and not namespace:
            return Check(
                "server",
                "broken",
                f"{self._connections.host} serves several users, and the profile has no namespace",
                'Write your own into the profile: namespace = "..."',
            )
        users = f"several users; namespace {namespace}" if many else "one user"
        return f"{self._connections.host} answers; it serves {users}"

    def _experiment(self) -> str | Check:
        # To look is what a run does too, in the namespace, with the same right.
        query = {"namespace": self._settings.namespace} if self._settings.namespace else {}
        listed = self._connections.pages("ListExperiments", "experiments", "experiments", query)
        name = self._settings.experiment
        if any(one.get("display_name") == name for one in listed):
            return f"'{name}' is there"
        return f"'{name}' is made with the first run"

    def _images(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        settings = self._settings
        if settings.image is not None:
            where = "profiles.NAME"
            yield python_check("image", settings.image, settings.python, where)
        for name, own in settings.steps.items():
            if own.image is not None and own.python is not None:
                yield python_check(f"image of {name}", own.image, own.python, f"steps.{name}")
        del pipeline

    def _secrets(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        if pipeline is None:
            return
        names = sorted(
            {one for step in pipeline.steps for one in step.environment.secrets.values()}
        )
        if names:
            words = (
                f"{', '.join(names)}: keys of the Kubernetes Secret '{self._settings.secret}'. The "
                "API server shows no Secrets; without one its pod does not begin"
            )
            hint = f"Look: kubectl get secret {self._settings.secret} -o jsonpath='{{.data}}'"
            yield Check("secrets", "warning", words, hint)
