"""Connections to a Kubeflow Pipelines API server: REST by requests, and who asks.

Not `kfp.Client`: it takes a second and 110 MB to import, and what a run needs of the server is a
dozen calls, whose requests are held against that client's own by a test.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow_kfp.sessions import TIMEOUT, patient

from waterflow.cloud.errors import raised_as
from waterflow.errors import AuthenticationError, MissingDependencyError
from waterflow_kubeflow.errors import PROVIDER, answered, translation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_kubeflow.profile import KubeflowSettings

ENDPOINT: Final = "KF_PIPELINES_ENDPOINT"
"""The variable that goes before the profile's host; `kfp.Client` reads it too."""
TOKEN_PATH: Final = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - the name of a variable
"""The variable that says where a service account's token lies, as kfp has it."""
MOUNTED: Final = "/var/run/secrets/kubeflow/pipelines/token"
"""Where a pod of the cluster finds its token.
https://www.kubeflow.org/docs/components/pipelines/user-guides/core-functions/connect-api/"""
API: Final = "apis/v2beta1"
_LOGS: Final = "apis/v1alpha1"
_LOG_ERROR: Final = b'{"error_message":'
"""How the error begins that the API server writes after what it could read of a log."""
_PASSING: Final = (408, 429, 502, 503, 504)
_PAGE: Final = 100
_AT_ONCE: Final = 8


class Connections:
    """The ways to the API server of one profile.

    Args:
        settings: The profile's settings.
    """

    def __init__(self, settings: KubeflowSettings) -> None:
        self.settings = settings
        self._making = threading.Lock()
        self._sessions: dict[bool, Any] = {}

    @property
    def host(self) -> str:
        """The address of the API server, without a slash at its end."""
        return (os.environ.get(ENDPOINT) or self.settings.host).rstrip("/")

    @property
    def ui(self) -> str:
        """The address of the UI, without a slash at its end."""
        return (self.settings.ui or self.host).rstrip("/")

    # --- who asks -------------------------------------------------------------------------------

    def credentials(self) -> tuple[str, dict[str, str]]:
        """Return where who asks is known from, and the headers that say so; read for each request.

        Tokens of service accounts are renewed in their files every hour.

        Raises:
            AuthenticationError: What the profile names is not there.
        """
        settings = self.settings
        if settings.cookie_env is not None:
            return f"the cookie in {settings.cookie_env}", {
                "Cookie": self._variable(settings.cookie_env)
            }
        if settings.token_env is not None:
            return f"the token in {settings.token_env}", _bearer(self._variable(settings.token_env))
        named = settings.token_file or os.environ.get(TOKEN_PATH)
        file = Path(named or MOUNTED).expanduser()
        try:
            return f"the token in {file}", _bearer(file.read_text("utf-8").strip())
        except OSError as error:
            if named is None:
                return "no token: the server is asked without", {}
            raise AuthenticationError(
                f"The token in {file} cannot be read: {error.strerror}. Write it there, or name "
                "another file: token_file in the profile",
                provider=PROVIDER,
                operation="GetToken",
            ) from None

    @staticmethod
    def _variable(name: str) -> str:
        value = os.environ.get(name, "").strip()
        if not value:
            raise AuthenticationError(
                f"The variable {name} is empty, where the profile expects who signs in. Set it: "
                f"export {name}=...",
                provider=PROVIDER,
                operation="GetToken",
            )
        return value

    # --- requests -------------------------------------------------------------------------------

    def connect(self) -> None:
        """Make what several threads use."""
        self._session(again=True)

    def call(
        self,
        operation: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> Any:
        """Return what the API server answers, as plain data.

        Args:
            operation: The API's name of the operation, for errors.
            method: HTTP's method.
            path: What follows the version of the API.
            body: What is sent, as JSON.
            query: The query.
            again: Whether it may be sent twice: by a lost reply nobody knows what has been done.

        Raises:
            ProviderError: The server refuses, or cannot be reached.
        """
        address = f"{self.host}/{API}/{quote(path, safe='/:')}"
        response = self._send(operation, method, address, body, query, again=again)
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            # What signs people in answers with its page, and a wrong host with anything.
            raise answered(operation, 302, b"", f"{self.host} answers with no JSON") from None

    def pages(
        self, operation: str, path: str, entries: str, query: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield all entries of a list, page by page.

        Args:
            operation: The API's name of the operation, for errors.
            path: What follows the version of the API.
            entries: The member of an answer that holds them.
            query: The query.
        """
        asked: dict[str, Any] = {"page_size": _PAGE, **query}
        while True:
            answer = self.call(operation, "GET", path, query=asked)
            yield from answer.get(entries) or ()
            token = answer.get("next_page_token")
            if not token:
                return
            asked["page_token"] = token

    def log(self, run: str, pod: str) -> bytes | None:
        """Return what a pod's main container has printed; None where the server has it no more.

        It reads the pod while there is one, then the archive of logs where the cluster keeps one.
        An error follows what could be read, after a status of 200 that was sent before it. See
        https://github.com/kubeflow/pipelines/blob/master/backend/src/apiserver/server/run_log_server.go

        Args:
            run: The run's id.
            pod: The pod's name.
        """
        address = f"{self.host}/{_LOGS}/runs/{quote(run)}/nodes/{quote(pod)}/log"
        response = self._send("ReadRunLog", "GET", address, passed=(400, 404, 500))
        if response.status_code >= 400:
            return None
        content = bytes(response.content)
        end = content.rfind(_LOG_ERROR)
        if end < 0 or not _is_error(content[end:]):
            return content
        return content[:end] or None

    def _send(
        self,
        operation: str,
        method: str,
        address: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        *,
        again: bool = True,
        passed: tuple[int, ...] = (),
    ) -> Any:
        _, headers = self.credentials()
        with raised_as(translation, operation):
            response = self._session(again=again).request(
                method,
                address,
                params=dict(query) if query else None,
                json=body,
                headers={"Accept": "application/json", **headers},
                timeout=TIMEOUT,
                allow_redirects=False,
            )
            status = response.status_code
            content = response.content if status >= 300 and status not in passed else None
        if content is not None:
            raise answered(operation, response.status_code, content, response.reason or "")
        return response

    def _session(self, *, again: bool) -> Any:
        with self._making:
            if again not in self._sessions:
                self._sessions[again] = self._made(again=again)
            return self._sessions[again]

    def _made(self, *, again: bool) -> Any:
        try:
            from requests import Session
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                error.name or "requests",
                "The Kubeflow provider",
                'pip install "waterflow[kubeflow]"',
            ) from None
        session = patient(
            Session(), again=again, passing=_PASSING, refused=(429, 503), at_once=_AT_ONCE
        )
        if self.settings.ca_file is not None:
            session.verify = str(Path(self.settings.ca_file).expanduser())
        return session


def _is_error(text: bytes) -> bool:
    try:
        answer: Any = json.loads(text)
    except ValueError:
        return False
    return {*answer} == {"error_message", "error_details"}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
