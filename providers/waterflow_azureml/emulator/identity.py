"""Who asks: tokens of managed identities and applications, and whether a request bears one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from waterflow_azureml.emulator.errors import Refusal
from waterflow_azureml.emulator.routes import HERE, LOGIN, How, Request, Route, json_answer
from waterflow_azureml.emulator.workspaces import TENANT

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.world import World

USER: Final = "user"
"""The identity of whoever uses the emulator."""
PATH: Final = "/msi/token"
SECRET: Final = "waterflow-emulator"  # noqa: S105 - it opens nothing but this emulator
MISLEADING: Final = (
    "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME",
    "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_TOKEN_CREDENTIALS", "AZURE_REGIONAL_AUTHORITY_NAME",
    "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT",
    "ARM_CLOUD_METADATA_URL", "AZUREML_CURRENT_CLOUD", "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN",
)  # fmt: skip
"""The variables that lead Azure's SDKs to other clouds, or make them another identity."""
_LIFE: Final = 24 * 3600
DISCOVERY: Final = "/discovery"
"""The path at which anyone learns where a workspace's services are."""
AUDIENCES: Final = {
    "azureml": (
        "https://management.azure.com", "https://management.core.windows.net",
        "https://ml.azure.com",
    ),
    "mlflow": (
        "https://management.azure.com", "https://management.core.windows.net",
        "https://ml.azure.com",
    ),
    "blob": ("https://storage.azure.com", "https://*.blob.core.windows.net"),
    "vault": ("https://vault.azure.net",),
}  # fmt: skip
"""Service -> whom a token must be for, to be taken there."""


def variables(endpoint: str, secret: str = SECRET) -> dict[str, str]:
    """Return the variables by which Azure's SDKs get tokens, as Azure ML sets them in jobs.

    Args:
        endpoint: Where the service answers on loopback.
        secret: Who is to get them.
    """
    return {"MSI_ENDPOINT": f"{endpoint}{PATH}", "MSI_SECRET": secret}


class Identities:
    """The part that knows who is behind the secrets of token endpoints."""

    def __init__(self) -> None:
        self._names = {SECRET: USER}
        self._key = secrets.token_bytes(32)

    def admit(self, name: str) -> str:
        """Return a new secret for an identity: a job's.

        Args:
            name: The identity: its ARM id, or what it stands for.
        """
        secret = secrets.token_urlsafe(24)
        self._names[secret] = name
        return secret

    def name(self, secret: str) -> str | None:
        """Return whose secret it is; None for nobody's."""
        return self._names.get(secret)

    def token(self, name: str, audience: str) -> tuple[str, int]:
        """Return a token, and when it ends.

        Args:
            name: The identity.
            audience: Whom it is for.
        """
        moment = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": moment,
            "nbf": moment,
            "exp": moment + _LIFE,
            "appid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"client/{name}")),
            "oid": principal(name),
            "sub": principal(name),
            "tid": TENANT,
            "idtyp": "app",
            "xms_mirid": name,
            "ver": "1.0",
        }
        head = _quoted(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        text = f"{head}.{_quoted(json.dumps(claims).encode())}"
        sign = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return f"{text}.{_quoted(sign)}", moment + _LIFE


def principal(name: str) -> str:
    """Return the object id of an identity."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"principal/{name}"))


def claims(request: Request) -> dict[str, Any] | None:
    """Return what the token of a request says; None when it bears none that can be read.

    No signature is looked at: what is here is nobody's secret.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    parts = token.split(".")
    if kind.lower() != "bearer" or len(parts) != 3:
        return None
    try:
        held: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return held if isinstance(held, dict) else None


def check(request: Request, service: str) -> None:
    """Refuse a request that bears no token for its service.

    Args:
        request: The request.
        service: As `routes.service_of` names it.

    Raises:
        Refusal: 401, with the challenge that makes SDKs fetch a token.
    """
    if service not in AUDIENCES or request.path.rstrip("/") == DISCOVERY:
        return
    signed = request.headers.get("authorization", "").lower().startswith("sharedkey")
    if service == "blob" and (signed or "sig" in request.query):
        return
    held = claims(request)
    resource = AUDIENCES[service][0]
    challenge = (
        f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{resource}"'
    )
    headers = (("WWW-Authenticate", challenge),)
    if held is None:
        code = "NoAuthenticationInformation" if service == "blob" else "AuthenticationFailed"
        text = "Authentication failed. The 'Authorization' header is missing or invalid."
        raise Refusal(401, code, text, headers=headers)
    audience = str(held.get("aud", "")).rstrip("/")
    own = f"https://{request.host}"
    if audience not in AUDIENCES[service] and audience != own:
        raise Refusal(
            401,
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{audience}'. It "
            f"should exactly match one of the allowed audiences '{resource}'.",
            headers=headers,
        )
    if float(held.get("exp", 0)) < time.time():
        raise Refusal(
            401, "ExpiredAuthenticationToken", "The access token has expired.", headers=headers
        )


def _quoted(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# --- its routes -----------------------------------------------------------------------------------


def _managed(world: World, request: Request) -> Reply:
    """Answer as the token endpoint of a managed identity does within Azure ML."""
    identities: Identities = world.parts["identities"]
    name = identities.name(request.headers.get("secret", ""))
    if name is None:
        raise Refusal(401, "invalid_client", "The header 'secret' is missing or wrong")
    resource = request.query.get("resource", "")
    if not resource:
        raise Refusal(400, "invalid_request", "The parameter 'resource' is missing")
    token, end = identities.token(name, resource)
    client = request.query.get("clientid") or str(uuid.uuid5(uuid.NAMESPACE_URL, f"client/{name}"))
    return json_answer(
        {
            "access_token": token,
            "expires_on": str(end),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client,
        }
    )


def _instances(world: World, request: Request) -> Reply:
    del world, request
    return json_answer(
        {
            "tenant_discovery_endpoint": (
                f"https://{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": LOGIN,
                    "preferred_cache": "login.windows.net",
                    "aliases": [LOGIN, "login.windows.net", "login.microsoft.com"],
                }
            ],
        }
    )


def _configuration(world: World, request: Request, tenant: str) -> Reply:
    del world, request
    base = f"https://{LOGIN}/{tenant}"
    return json_answer(
        {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token"],
        }
    )


def _application(world: World, request: Request, tenant: str) -> Reply:
    """Issue a token to an application: by a secret, a certificate or a federated token."""
    del tenant
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        raise Refusal(
            400,
            "unsupported_grant_type",
            "Waterflow's emulator of Azure signs in applications (client_credentials) and managed "
            "identities only: nobody can be asked for a password here.",
        )
    if not form.get("client_id") or not (form.keys() & {"client_secret", "client_assertion"}):
        text = "AADSTS7000216: 'client_assertion' or 'client_secret' is required"
        raise Refusal(401, "invalid_client", text)
    scope = form.get("scope", "").split(" ")[0]
    if not scope.endswith("/.default"):
        text = f"AADSTS1002012: The provided value for scope {scope} is not valid."
        raise Refusal(400, "invalid_scope", text)
    identities: Identities = world.parts["identities"]
    token, end = identities.token(form["client_id"], scope.removesuffix("/.default"))
    left = end - int(time.time())
    return json_answer(
        {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": token}
    )


ROUTES: Final = [
    Route("GET", HERE, PATH, "identity.token", _managed, How.RUN),
    Route("GET", LOGIN, "/common/discovery/instance", "login.instances", _instances, How.STATE),
    Route(
        "GET", LOGIN, "/{tenant}/v2.0/.well-known/openid-configuration", "login.configuration",
        _configuration, How.STATE,
    ),
    Route("POST", LOGIN, "/{tenant}/oauth2/v2.0/token", "login.token", _application, How.RUN),
]  # fmt: skip
