"""Reads a secret inside a job from Azure Key Vault, with the job's own managed identity.

Travels in the control input as `waterflow_secrets.py`; the standard library only.
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

VAULT: Final = "WATERFLOW_VAULT"
"""The variable with the name of the vault."""
_VERSION: Final = "7.4"
_RESOURCE: Final = "https://vault.azure.net"
_METADATA: Final = "http://169.254.169.254/metadata/identity/oauth2/token"
"""Where a virtual machine's own service gives tokens:
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token"""
_EARLY: Final = 300
"""Seconds before its end in which a token is no longer taken."""
_TRIES: Final = 6
_PASSING: Final = (408, 429, 500, 502, 503, 504)
_ADDRESS: Final = re.compile(
    r"https://(?P<vault>[^/]+)/secrets/(?P<name>[^/]+)(?:/(?P<version>[^/]+))?"
)


_tokens: dict[str, tuple[str, float]] = {}


def read(name: str) -> str:
    """Return a secret's value.

    Args:
        name: The secret's name in the profile's vault, or its whole address in another.

    Raises:
        RuntimeError: There is no such secret, or the job's identity may not read it.
    """
    match = _ADDRESS.fullmatch(name)
    if match:
        host, path = match["vault"], "/".join(filter(None, (match["name"], match["version"])))
    else:
        vault = os.environ.get(VAULT)
        if not vault:
            raise RuntimeError(
                f"the profile names no Key Vault to read the secret '{name}' from: vault = \"NAME\""
            )
        host, path = f"{vault}.vault.azure.net", name
    url = f"https://{host}/secrets/{urllib.parse.quote(path)}?api-version={_VERSION}"
    answer = _answer(url, {"Authorization": f"Bearer {token(_RESOURCE)}"}, f"the secret '{name}'")
    return str(answer["value"])


def token(resource: str) -> str:
    """Return a token of the job's managed identity.

    Args:
        resource: What it is for.

    Raises:
        RuntimeError: The job has no identity.
    """
    held, end = _tokens.get(resource, ("", 0.0))
    if time.time() < end - _EARLY:
        return held
    query = {"resource": resource}
    headers = {"Metadata": "true"}
    client = os.environ.get("DEFAULT_IDENTITY_CLIENT_ID") or os.environ.get("AZURE_CLIENT_ID")
    # Which of its kin a compute offers: https://learn.microsoft.com/azure/app-service/overview-managed-identity
    if os.environ.get("IDENTITY_ENDPOINT") and os.environ.get("IDENTITY_HEADER"):
        url, version = os.environ["IDENTITY_ENDPOINT"], "2019-08-01"
        headers["X-IDENTITY-HEADER"] = os.environ["IDENTITY_HEADER"]
        key = "client_id"
    elif os.environ.get("MSI_ENDPOINT"):
        url, version = os.environ["MSI_ENDPOINT"], "2017-09-01"
        if os.environ.get("MSI_SECRET"):
            headers["secret"] = os.environ["MSI_SECRET"]
        key = "clientid"
    else:
        url, version, key = _METADATA, "2018-02-01", "client_id"
    query["api-version"] = version
    if client:
        query[key] = client
    answer = _answer(f"{url}?{urllib.parse.urlencode(query)}", headers, "a token of its identity")
    _tokens[resource] = str(answer["access_token"]), float(answer.get("expires_on") or 0)
    return _tokens[resource][0]


def _answer(url: str, headers: dict[str, str], what: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https, and loopback
    for left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                return json.load(reply)
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
    error = error.get("error", error)
    if not isinstance(error, dict):
        return str(error)
    return ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))
