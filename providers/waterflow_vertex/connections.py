"""Connections to Google Cloud: google-auth's credentials, REST by requests with patient retries.

Not the vendor's client: `google.cloud.aiplatform_v1` takes 2.4 s to import, and what a run needs of
Vertex AI is a dozen calls, whose requests are held against that client's own by a test.
"""

from __future__ import annotations

import json
import threading
import time
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from waterflow_kfp.sessions import TIMEOUT, patient

from waterflow.errors import MissingDependencyError
from waterflow_vertex.errors import answered, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow_vertex.profile import VertexSettings

INSTALL: Final = 'pip install "waterflow[vertex]"'
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
EMAIL_SCOPE: Final = "https://www.googleapis.com/auth/userinfo.email"

STORAGE: Final = "https://storage.googleapis.com"
LOGGING: Final = "https://logging.googleapis.com"
_PASSING: Final = (408, 429, 500, 502, 503, 504)
_BROKEN: Final = 4
_AT_ONCE: Final = 16


def need_google(what: str) -> None:
    """See that google-auth and requests are there.

    Args:
        what: What needs them.

    Raises:
        MissingDependencyError: They are not installed.
    """
    for module in ("google.auth", "requests"):
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(error.name or module, what, INSTALL) from None


def make_credentials(what: str, project: str | None = None) -> Any:
    """Return the credentials that any Google tool would find; nothing is asked yet.

    Args:
        what: What needs them.
        project: The project that requests are counted for, where a person's credentials name none:
            Google's APIs refuse those without.
            https://cloud.google.com/docs/quotas/set-quota-project

    Raises:
        AuthenticationError: There are none.
        MissingDependencyError: google-auth is not installed.
    """
    need_google(what)
    import google.auth

    with translated("GetToken"):
        credentials, _ = google.auth.default(scopes=[SCOPE, EMAIL_SCOPE])
    personal = type(credentials).__module__ == "google.oauth2.credentials"
    if project and personal and credentials.quota_project_id is None:
        return credentials.with_quota_project(project)
    return credentials


class Google:
    """The ways to Google's APIs, for who is signed in.

    Args:
        what: What goes them, for messages.
        project: The project that requests are counted for.
    """

    def __init__(self, what: str, project: str | None = None) -> None:
        self._what, self._project = what, project
        self._making = threading.Lock()
        self._sessions: dict[bool, Any] = {}

    @cached_property
    def credentials(self) -> Any:
        """The credentials of who asks."""
        return make_credentials(self._what, self._project)

    def token(self) -> str:
        """Return a token of who asks.

        Raises:
            AuthenticationError: There are no credentials, or none that are still good.
        """
        credentials = self.credentials
        from google.auth.transport.requests import Request

        with translated("GetToken"), self._making:
            if not credentials.valid:
                credentials.refresh(Request())
        return str(credentials.token)

    def connect(self) -> None:
        """Make what several threads use."""
        self._session(again=True)

    def call(
        self,
        operation: str,
        method: str,
        url: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> Any:
        """Return what one of Google's APIs answers, as plain data.

        Args:
            operation: The operation, for errors.
            method: HTTP's method.
            url: The address, quoted.
            body: What is sent, as JSON.
            query: The query.
            again: Whether it may be sent twice: by a lost reply nobody knows what has been done.

        Raises:
            ProviderError: Google refuses, or cannot be reached.
        """
        response = self.send(operation, method, url, body, query=query, again=again)
        return response.json() if response.content else {}

    def send(
        self,
        operation: str,
        method: str,
        url: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        again: bool = True,
        stream: bool = False,
    ) -> Any:
        """Return an answer, after retries of what passes.

        Args:
            operation: The operation, for errors.
            method: HTTP's method.
            url: The address, quoted.
            body: What is sent, as JSON.
            query: The query.
            headers: Headers besides.
            content: What is sent as it is, in place of `body`.
            again: Whether it may be sent twice.
            stream: Whether the content is read later.

        Raises:
            ProviderError: Google refuses, or cannot be reached.
        """
        with translated(operation):
            response = self._answered(
                _BROKEN if again else 1,
                self._session(again=again),
                method,
                url,
                params=dict(query) if query else None,
                json=body,
                data=content,
                headers={"Accept": "application/json", **(headers or {})},
                timeout=TIMEOUT,
                stream=stream,
            )
            refusal = response.content if response.status_code >= 400 else None
        if refusal is not None:
            raise answered(operation, response.status_code, refusal, response.reason or "")
        return response

    def _answered(self, tries: int, session: Any, method: str, url: str, **how: Any) -> Any:
        """Return an answer that came whole: what breaks off is no business of `Retry`'s."""
        from requests.exceptions import ChunkedEncodingError

        for left in reversed(range(tries)):
            try:
                return session.request(method, url, **how)
            except ChunkedEncodingError:
                if not left:
                    raise
        raise AssertionError("the last try either returns or raises")

    def pages(
        self, operation: str, url: str, entries: str, query: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield all entries of a list, page by page.

        Args:
            operation: The operation, for errors.
            url: The address, quoted.
            entries: The member of an answer that holds them.
            query: The query.
        """
        asked = dict(query)
        while True:
            answer = self.call(operation, "GET", url, query=asked)
            yield from answer.get(entries) or ()
            token = answer.get("nextPageToken")
            if not token:
                return
            asked["pageToken"] = token

    def settled(self, operation: str, url: str, answer: Mapping[str, Any], patience: float) -> Any:
        """Return what a long-running operation has come to.

        Args:
            operation: The operation, for errors.
            url: What precedes its name in addresses.
            answer: The operation, as it was first answered.
            patience: Seconds for which it may run.

        Raises:
            ProviderError: It failed, or still runs.
        """
        until, pause = time.monotonic() + patience, 0.2
        while not answer.get("done"):
            if time.monotonic() > until:
                raise answered(operation, 504, b"", f"'{answer.get('name')}' is still under way")
            time.sleep(pause)
            pause = min(pause * 1.5, 5)
            answer = self.call("GetOperation", "GET", f"{url}/{answer['name']}")
        if "error" in answer:
            raise answered(operation, 400, json.dumps({"error": answer["error"]}).encode())
        return answer.get("response") or {}

    def _session(self, *, again: bool) -> Any:
        with self._making:
            if again not in self._sessions:
                self._sessions[again] = self._made(again=again)
            return self._sessions[again]

    def _made(self, *, again: bool) -> Any:
        credentials = self.credentials
        from google.auth.transport.requests import AuthorizedSession, Request
        from requests import Session

        def made(session: Session, *, again: bool) -> Session:
            return patient(session, again=again, passing=_PASSING, refused=(429,), at_once=_AT_ONCE)

        # What asks for tokens goes by a session of its own: that one bears none.
        asking = Request(made(Session(), again=True))
        return made(AuthorizedSession(credentials, auth_request=asking), again=again)


class Connections(Google):
    """The ways to Google Cloud of one profile.

    Args:
        settings: The profile's settings.
    """

    def __init__(self, settings: VertexSettings) -> None:
        super().__init__("The Vertex AI provider", settings.project)
        self.settings = settings
        self.location = f"projects/{settings.project}/locations/{settings.region}"

    @property
    def api(self) -> str:
        """The address of Vertex AI in the profile's region."""
        return f"https://{self.settings.region}-aiplatform.googleapis.com/v1"

    def vertex(
        self,
        operation: str,
        method: str,
        name: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> Any:
        """Return what Vertex AI answers.

        Args:
            operation: The operation, for errors.
            method: HTTP's method.
            name: What follows the location in the resource's name.
            body: What is sent, as JSON.
            query: The query.
            again: Whether it may be sent twice.

        Raises:
            ProviderError: Vertex AI refuses, or cannot be reached.
        """
        url = f"{self.api}/{self.location}/{quote(name, safe='/:')}"
        return self.call(operation, method, url, body, query=query, again=again)

    def listed(
        self, operation: str, kind: str, query: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the resources of a kind in the profile's location, page by page.

        Args:
            operation: The operation, for errors.
            kind: The collection's name in addresses, and in answers.
            query: The query.
        """
        return self.pages(operation, f"{self.api}/{self.location}/{kind}", kind, query)
