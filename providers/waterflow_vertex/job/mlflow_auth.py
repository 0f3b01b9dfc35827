"""Identity tokens for MLflow behind Google's IAM: a plug-in, `waterflow-google`, of MLflow's.

A server on Cloud Run asks who sends each request. Travels in the control folder as
`waterflow_google_auth.py` beside what tells MLflow of it; in a job its tokens are of the job's
service account, elsewhere of who is signed in. It asks for one before each request, so that none
grows old, and sends none to a server that is not Google's or not named.
"""

from __future__ import annotations

import importlib
import os
import time
from typing import Any, Final
from urllib.parse import urlsplit

NAME: Final = "waterflow-google"
"""What MLFLOW_TRACKING_AUTH has for this plug-in."""
AUDIENCE: Final = "WATERFLOW_MLFLOW_AUDIENCE"
"""The variable with who tokens are for, of a server at an address of its own, such as the client id
of IAP or Cloud Run's own address behind a domain: `HOST=AUDIENCE`, several by commas."""
MODULE: Final = "waterflow_google_auth"
"""What it is called in the control folder."""
ENTRY_POINTS: Final = f"""\
[mlflow.request_auth_provider]
{NAME} = {MODULE}:Provider
"""
METADATA: Final = "Metadata-Version: 2.1\nName: waterflow-google-auth\nVersion: 1\n"
"""What makes a folder beside this file a distribution, whose entry points MLflow reads."""
_CLOUD_RUN: Final = ".run.app"
_SIGN_IN: Final = (
    "Sign in: gcloud auth application-default login --impersonate-service-account ACCOUNT, with an "
    "account that may invoke the server"
)
_EARLY: Final = 60
"""Seconds before its end in which a token is no longer taken."""


class Provider:
    """What MLflow asks by the name in MLFLOW_TRACKING_AUTH."""

    def get_name(self) -> str:
        """Return the plug-in's name."""
        return NAME

    def get_auth(self) -> Auth:
        """Return what signs requests."""
        return Auth()


class Auth:
    """Signs requests to servers behind Google's IAM, as requests calls it."""

    def __call__(self, request: Any) -> Any:
        """Return a request that tells who sends it.

        Args:
            request: A `requests.PreparedRequest`.
        """
        who = audience(str(request.url))
        if who is not None:
            request.headers["Authorization"] = f"Bearer {identity_token(who)}"
        return request


def audience(url: str) -> str | None:
    """Return who a token for a server is for; None for one that is to get none.

    Args:
        url: An address of the server.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    for one in os.environ.get(AUDIENCE, "").split(","):
        name, equals, who = one.strip().partition("=")
        if equals and name == host:
            return who
    if address.scheme == "https" and host.endswith(_CLOUD_RUN):
        return f"https://{host}"
    return None


def identity_token(who: str) -> str:
    """Return a token that tells a server who asks.

    Args:
        who: Who it is for.

    Raises:
        RuntimeError: There is none to be had.
    """
    if os.environ.get("CLOUD_ML_JOB_ID") or os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _secrets().identity_token(who)
    held, end = _tokens.get(who, ("", 0.0))
    if time.time() >= end - _EARLY:
        held = _signed_in(who)
        _tokens[who] = held, _secrets().expiry(held)
    return held


_tokens: dict[str, tuple[str, float]] = {}


def _signed_in(who: str) -> str:
    """Return a token of who is signed in, as google-auth has the credentials."""
    try:
        auth: Any = importlib.import_module("google.auth")
        requests: Any = importlib.import_module("google.auth.transport.requests")
        id_token: Any = importlib.import_module("google.oauth2.id_token")
        impersonated: Any = importlib.import_module("google.auth.impersonated_credentials")
    except ModuleNotFoundError:
        return _secrets().identity_token(who)
    request = requests.Request()
    try:
        credentials, _ = auth.default()
        if isinstance(credentials, impersonated.Credentials):
            own = impersonated.IDTokenCredentials(credentials, who, include_email=True)
            own.refresh(request)
            token: Any = own.token
        elif type(credentials).__module__ == "google.oauth2.credentials":
            # A person's own token names Google's client in place of the server, which Cloud Run
            # takes: https://cloud.google.com/run/docs/authenticating/developers
            credentials.refresh(request)
            token = credentials.id_token
        else:
            token = id_token.fetch_id_token(request, who)
    except Exception as error:
        raise RuntimeError(f"there is no identity token for {who}: {error}. {_SIGN_IN}") from error
    if not token:
        raise RuntimeError(f"the credentials give no identity token for {who}. {_SIGN_IN}")
    return str(token)


def _secrets() -> Any:
    """Return what asks for tokens of the job's identity, as it travels or as it is installed."""
    try:
        return importlib.import_module("waterflow_secrets")
    except ModuleNotFoundError:
        return importlib.import_module("waterflow_vertex.job.secrets")
