"""Who asks: the account of whoever uses the emulator, those of jobs, and the tokens of both."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.errors import Refusal, invalid
from waterflow_vertex.emulator.routes import OAUTH

if TYPE_CHECKING:
    from pathlib import Path


SUBMITTER: Final = "submitter"
"""How the account is called that the emulator hands out."""
KEY: Final = "credentials.json"
"""The file with its key, in the emulator's folder."""
MISLEADING: Final = (
    "GOOGLE_API_KEY", "GOOGLE_CLOUD_QUOTA_PROJECT", "CLOUDSDK_CONFIG", "CLOUDSDK_CORE_PROJECT",
    "GCLOUD_PROJECT", "STORAGE_EMULATOR_HOST", "GCE_METADATA_HOST", "GCE_METADATA_ROOT",
    "GCE_METADATA_IP", "GOOGLE_API_USE_CLIENT_CERTIFICATE", "GOOGLE_API_USE_MTLS_ENDPOINT",
    "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
)  # fmt: skip
"""The variables that lead Google's libraries to other clouds, or make them another identity."""
LIFE: Final = 3599
"""Seconds that a token is taken for."""
_ISSUER: Final = "https://accounts.google.com"


@dataclass(frozen=True)
class Token:
    """A token that was issued.

    Attributes:
        caller: Whose it is: an e-mail address.
        end: When it ends, in seconds since the epoch.
        scope: What it may be used for.
    """

    caller: str
    end: float
    scope: str


class Identities:
    """The part that issues tokens and knows whose they are.

    Args:
        folder: Where the key of the submitter's account is written.
        key: The file of the key.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / KEY
        self._tokens: dict[str, Token] = {}
        self._key: Any = None
        self._signing: Any = None
        self.submitter = ""

    def hand_out(self, project: str) -> None:
        """Write the credentials of whoever uses the emulator, with a key made now.

        Args:
            project: The project that its account is of.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.submitter = f"{SUBMITTER}@{project}.iam.gserviceaccount.com"
        self._key, self._signing = private.public_key(), private
        document = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": uuid.uuid4().hex,
            "private_key": pem.decode(),
            "client_email": self.submitter,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"https://{OAUTH}/token",
            "universe_domain": "googleapis.com",
        }
        self.file.write_text(json.dumps(document, indent=2), encoding="utf-8")
        self.file.chmod(0o600)

    def issue(self, caller: str, scope: str = "") -> dict[str, Any]:
        """Return a new access token, as token endpoints answer it."""
        token = f"ya29.{secrets.token_urlsafe(48)}"
        everything = "https://www.googleapis.com/auth/cloud-platform"
        self._tokens[token] = Token(caller, time.time() + LIFE, scope or everything)
        return {"access_token": token, "expires_in": LIFE, "token_type": "Bearer"}

    def identity(self, caller: str, audience: str, *, more: bool = True) -> str:
        """Return an identity token, signed by the emulator's key.

        Args:
            caller: Whose it is.
            audience: Whom it is for.
            more: Whether it says the caller's e-mail address.
        """
        moment = int(time.time())
        claims = {
            "iss": _ISSUER,
            "aud": audience,
            "azp": caller,
            "sub": subject(caller),
            "iat": moment,
            "exp": moment + LIFE,
            **({"email": caller, "email_verified": True} if more else {}),
        }
        return self.signed(claims)

    def signed(self, claims: dict[str, Any]) -> str:
        """Return claims as a JSON web token."""
        header = {"alg": "RS256", "kid": "waterflow-emulator", "typ": "JWT"}
        text = ".".join(_coded(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{_coded(self.sign(text.encode()))}"

    def sign(self, data: bytes) -> bytes:
        """Return a signature by the emulator's key."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return self._signing.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def caller(self, authorization: str | None) -> str:
        """Return who bears a token.

        Args:
            authorization: The header; None for none.

        Raises:
            Refusal: Nobody known.
        """
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Refusal(
                "UNAUTHENTICATED",
                "Request is missing required authentication credential. Expected OAuth 2 access "
                "token, login cookie or other valid authentication credential. See "
                "https://developers.google.com/identity/sign-in/web/devconsole-project.",
            )
        held = self._tokens.get(token)
        if held is not None and held.end > time.time():
            return held.caller
        claims = self._claims(token) if token.count(".") == 2 else None
        if claims is not None and claims.get("exp", 0) > time.time():
            return str(claims["iss"])
        raise Refusal(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
            "cookie or other valid authentication credential.",
        )

    def token(self, text: str) -> Token | None:
        """Return a token that was issued and is still good; None for another."""
        held = self._tokens.get(text)
        return held if held is not None and held.end > time.time() else None

    def _claims(self, token: str) -> dict[str, Any] | None:
        """Return the claims that the submitter's key has signed; None for others."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        text, _, signature = token.rpartition(".")
        try:
            self._key.verify(
                _decoded(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims = json.loads(_decoded(text.partition(".")[2]))
        except (InvalidSignature, ValueError, binascii.Error):
            return None
        if not isinstance(claims, dict) or claims.get("iss") != self.submitter:
            return None
        return claims

    def exchanged(self, assertion: str) -> tuple[str, dict[str, Any]]:
        """Return whose an assertion is, and what it claims.

        Raises:
            Refusal: It is nobody's.
        """
        claims = self._claims(assertion) if assertion.count(".") == 2 else None
        if claims is None:
            raise Refusal("INVALID_ARGUMENT", "Invalid JWT Signature.", reason="invalid_grant")
        if claims.get("exp", 0) <= time.time():
            raise Refusal(
                "INVALID_ARGUMENT", "Invalid JWT: Token must be a short-lived token.",
                reason="invalid_grant",
            )  # fmt: skip
        return str(claims["iss"]), claims


def subject(email: str) -> str:
    """Return the number of an account."""
    return str(10**20 + uuid.uuid5(uuid.NAMESPACE_URL, email).int % 10**20)


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def required(value: Any, name: str) -> str:
    """Return a member of a body that must be a text.

    Raises:
        Refusal: It is none.
    """
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required.", **{name: "is required"})
    return value
