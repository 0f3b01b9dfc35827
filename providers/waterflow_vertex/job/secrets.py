"""Reads a secret inside a job from Secret Manager, with the job's own service account.

Travels in the control folder as `waterflow_secrets.py`; the standard library only.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

PROJECT: Final = "WATERFLOW_PROJECT"
"""The variable with the project whose secrets these are."""
_ADDRESS: Final = re.compile(
    r"projects/(?P<project>[^/]+)/secrets/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?"
)
_API: Final = "https://secretmanager.googleapis.com/v1"
_EARLY: Final = 60
"""Seconds before its end in which a token is no longer taken; the server gives none younger."""
_TRIES: Final = 6
_PASSING: Final = (408, 429, 500, 502, 503, 504)

_tokens: dict[str, tuple[str, float]] = {}


def read(name: str) -> str:
    """Return a secret's value.

    Args:
        name: The secret's name in the profile's project, or its whole name:
            `projects/P/secrets/NAME` with or without `/versions/V`.

    Raises:
        RuntimeError: There is no such secret, it is no text, or the job's service account may not
            read it.
    """
    match = _ADDRESS.fullmatch(name)
    if match:
        project, secret, version = match["project"], match["name"], match["version"] or "latest"
    else:
        project = os.environ.get(PROJECT) or os.environ.get("GOOGLE_CLOUD_PROJECT") or ""
        secret, version = name, "latest"
        if not project:
            raise RuntimeError(f"nothing says which project the secret '{name}' is in: {PROJECT}")
    path = "/".join(urllib.parse.quote(part, safe="") for part in (secret, "versions", version))
    answer = _answer(
        f"{_API}/projects/{project}/secrets/{path}:access",
        {"Authorization": f"Bearer {token()}"},
        f"the secret '{name}'",
    )
    try:
        return base64.b64decode(json.loads(answer)["payload"]["data"]).decode()
    except UnicodeDecodeError:
        raise RuntimeError(
            f"the secret '{name}' is no text: keep it as Base64, which the step decodes"
        ) from None


def token() -> str:
    """Return an access token of the job's service account.

    Raises:
        RuntimeError: The job has none.
    """
    held, end = _tokens.get("", ("", 0.0))
    if time.time() < end - _EARLY:
        return held
    said: Any = json.loads(_metadata("token", {}, "a token of its service account"))
    _tokens[""] = str(said["access_token"]), time.time() + float(said.get("expires_in") or 0)
    return _tokens[""][0]


def identity_token(audience: str) -> str:
    """Return a token that tells a server who the job is.

    https://cloud.google.com/run/docs/authenticating/service-to-service

    Args:
        audience: The server's address.

    Raises:
        RuntimeError: The job has no service account.
    """
    held, end = _tokens.get(audience, ("", 0.0))
    if time.time() < end - _EARLY:
        return held
    query = {"audience": audience, "format": "full"}
    text = _metadata("identity", query, "a token of its identity").strip()
    _tokens[audience] = text, expiry(text)
    return text


def expiry(token: str) -> float:
    """Return when a token ends, in seconds since the epoch; 0 where it does not say."""
    parts = token.split(".")
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return 0.0


def _metadata(what: str, query: dict[str, str], words: str) -> str:
    """Return what the metadata server says of the job's service account.

    https://cloud.google.com/compute/docs/metadata/querying-metadata
    """
    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/{what}"
    if query:
        url = f"{url}?{urllib.parse.urlencode(query)}"
    return _answer(url, {"Metadata-Flavor": "Google"}, words, direct=True)


def _answer(url: str, headers: dict[str, str], what: str, *, direct: bool = False) -> str:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https, and the machine's
    # The machine's own server is behind no proxy.
    handlers = [urllib.request.ProxyHandler({})] if direct else []
    opener = urllib.request.build_opener(*handlers)
    for left in reversed(range(_TRIES)):
        try:
            with opener.open(request, timeout=30) as reply:
                return reply.read().decode()
        except urllib.error.HTTPError as error:
            if error.code not in _PASSING or not left:
                words = _words(error.read())
                raise RuntimeError(
                    f"the job does not get {what}: HTTP {error.code} {words}".rstrip()
                ) from None
        except (OSError, ValueError) as error:
            if not left:
                raise RuntimeError(f"the job does not get {what}: {error}") from None
        time.sleep(0.5 * 2 ** (_TRIES - 1 - left))
    raise AssertionError("unreachable")


def _words(body: bytes) -> str:
    """Return the code and the message of a refusal."""
    try:
        error: Any = json.loads(body)
    except ValueError:
        return ""
    error = error.get("error", error) if isinstance(error, dict) else error
    if not isinstance(error, dict):
        return str(error)
    return ": ".join(str(error[key]) for key in ("status", "message") if error.get(key))
