"""Connections to Azure: tokens by azure-identity, requests by azure-core with patient retries."""

from __future__ import annotations

import logging
import threading
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote

from waterflow.errors import ConfigurationError, MissingDependencyError
from waterflow_azureml.errors import answered, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from waterflow_azureml.addresses import DatastoreAddress
    from waterflow_azureml.profile import AzureMLSettings

ARM: Final = "https://management.azure.com"
ARM_SCOPE: Final = "https://management.azure.com/.default"
ML_SCOPE: Final = "https://ml.azure.com/.default"
"""What Azure ML acts by in the name of the one who submits."""
STORAGE_SCOPE: Final = "https://storage.azure.com/.default"
VAULT_SCOPE: Final = "https://vault.azure.net/.default"
INSTALL: Final = 'pip install "waterflow[azureml]"'

VERSION: Final = "2024-01-01-preview"
"""The version of Azure ML's API that azure-ai-ml 1.35 writes pipelines in."""
SCHEDULES: Final = "2024-01-01-preview"
ENVIRONMENTS: Final = "2023-04-01-preview"
WORKSPACES: Final = "2024-10-01-preview"
AUTHORIZATION: Final = "2022-04-01"

_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"})
"""All that is sent here may be sent twice: a cancel, too."""


def need_azure(what: str) -> None:
    """See that Azure's libraries are there.

    Args:
        what: What needs them.

    Raises:
        MissingDependencyError: They are not installed.
    """
    for module in ("azure.core", "azure.identity"):
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(error.name or module, what, INSTALL) from None


def make_credential(what: str) -> Any:
    """Return the credential that any Azure tool would find; nothing is asked yet.

    Args:
        what: What needs it.

    Raises:
        MissingDependencyError: azure-identity is not installed.
    """
    need_azure(what)
    from azure.identity import DefaultAzureCredential

    # It logs a warning for each way of signing in that is not there: our error says all in a line.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    return DefaultAzureCredential(process_timeout=30)


class Azure:
    """The ways to Azure, as far as they lead to one workspace.

    Args:
        subscription: The subscription's id.
        group: The resource group.
        workspace: The workspace.
    """

    def __init__(self, subscription: str, group: str, workspace: str) -> None:
        self.group = f"/subscriptions/{subscription}/resourceGroups/{group}"
        self.workspace = (
            f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        )
        self._making = threading.Lock()
        self._pipelines: dict[str, Any] = {}

    @cached_property
    def credential(self) -> Any:
        """The credential of who asks."""
        return make_credential("The Azure ML provider")

    def token(self, scope: str) -> str:
        """Return a token of who asks.

        Args:
            scope: What it is for.

        Raises:
            AuthenticationError: There are no credentials.
        """
        with translated("GetToken"):
            return str(self.credential.get_token(scope).token)

    # --- places ---------------------------------------------------------------------------------

    @cached_property
    def described(self) -> Mapping[str, Any]:
        """The workspace, as Azure describes it."""
        return self.arm("GetWorkspace", "GET", self.workspace, version=WORKSPACES)

    @cached_property
    def services(self) -> Mapping[str, str]:
        """The addresses of the workspace's own services, by name."""
        url = str(self.described["properties"]["discoveryUrl"])
        return self.send("Discovery", "GET", url, scope=None).json()

    def connect(self) -> None:
        """Make what several threads use."""
        self._pipeline(ARM_SCOPE)

    # --- requests -------------------------------------------------------------------------------

    def arm(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str = VERSION,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return what Azure's management answers.

        Args:
            operation: The operation, for errors.
            method: HTTP's method.
            path: The path.
            body: What is sent, as JSON.
            version: The version of the API.
            query: The query.
            headers: Headers besides.

        Raises:
            ProviderError: Azure refuses, or cannot be reached.
        """
        more = {"api-version": version, **(query or {})}
        response = self.send(
            operation, method, f"{ARM}{quote(path)}", body, query=more, headers=headers
        )
        return response.json() if response.body() else {}

    def pages(
        self, operation: str, path: str, *, version: str = VERSION, query: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield all entries of a list of Azure's management, page by page."""
        answer = self.arm(operation, "GET", path, version=version, query=query)
        while True:
            yield from answer["value"]
            following = answer.get("nextLink")
            if not following:
                return
            answer = self.send(operation, "GET", following).json()

    def history(self, operation: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what the workspace's run history answers.

        Args:
            operation: The operation, for errors.
            path: What follows the workspace in the path.
            query: The query.

        Raises:
            ProviderError: Azure refuses, or cannot be reached.
        """
        url = f"{self.services['history']}/history/v1.0{quote(self.workspace)}/{quote(path)}"
        return self.send(operation, "GET", url, query=query).json()

    def send(
        self,
        operation: str,
        method: str,
        url: str,
        body: Any = None,
        *,
        scope: str | None = ARM_SCOPE,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        passed: Callable[[int], bool] = lambda status: status < 400,
    ) -> Any:
        """Return an answer, after retries of what passes.

        Args:
            operation: The operation, for errors.
            method: HTTP's method.
            url: The address.
            body: What is sent, as JSON.
            scope: What the token is for; None where none is sent.
            query: The query.
            headers: Headers besides.
            passed: Says which statuses are no refusal.

        Raises:
            ProviderError: Azure refuses, or cannot be reached.
        """
        from azure.core.rest import HttpRequest

        with translated(operation):
            request = HttpRequest(
                method,
                url,
                params=dict(query) if query else None,
                headers={"Accept": "application/json", **(headers or {})},
                json=body,
            )
            response = self._pipeline(scope).send_request(request, retry_on_methods=_METHODS)
        if not passed(response.status_code):
            self._refuse(operation, response)
        return response

    def _refuse(self, operation: str, response: Any) -> NoReturn:
        from azure.core.exceptions import HttpResponseError

        raise answered(operation, response.status_code, response.body()) from HttpResponseError(
            response=response
        )

    def _pipeline(self, scope: str | None) -> Any:
        with self._making:
            key = scope or ""
            if key not in self._pipelines:
                self._pipelines[key] = self._made(scope)
            return self._pipelines[key]

    def _made(self, scope: str | None) -> Any:
        credential = self.credential
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        authentication: list[Any] = (
            [] if scope is None else [policies.BearerTokenCredentialPolicy(credential, scope)]
        )
        return PipelineClient(
            ARM,
            transport=self._transport,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("waterflow"),
                policies.RetryPolicy(
                    retry_total=10,
                    retry_connect=10,
                    retry_read=10,
                    retry_status=10,
                    retry_backoff_factor=0.25,
                    retry_backoff_max=30,
                ),
                *authentication,
            ],
        )

    @cached_property
    def _transport(self) -> Any:
        from azure.core.pipeline.transport import RequestsTransport

        return RequestsTransport(connection_timeout=10, read_timeout=60)


class Connections(Azure):
    """The ways to Azure of one profile.

    Args:
        settings: The profile's settings.
    """

    def __init__(self, settings: AzureMLSettings) -> None:
        super().__init__(settings.subscription, settings.resource_group, settings.workspace)
        self.settings = settings


def ask_datastore(place: DatastoreAddress) -> tuple[str, str]:
    """Return the storage account and the container of a datastore.

    Args:
        place: An address below it, which says its workspace.

    Raises:
        ConfigurationError: It is no datastore over Blob Storage or ADLS.
        ProviderError: Azure refuses, or cannot be reached.
    """
    azure = Azure(place.subscription, place.group, place.workspace)
    path = f"{azure.workspace}/datastores/{place.datastore}"
    properties = azure.arm("GetDatastore", "GET", path)["properties"]
    container = properties.get("containerName") or properties.get("filesystem")
    if not container or not properties.get("accountName"):
        raise ConfigurationError(
            f"The datastore '{place.datastore}' is none over Blob Storage or ADLS: "
            f"{properties.get('datastoreType')}. Name one that is: az ml datastore list"
        )
    return str(properties["accountName"]), str(container)
