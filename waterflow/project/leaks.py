"""What looks like a secret: names, contents and settings that must not leave the machine."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from waterflow.errors import ConfigurationError

_NAMES: Final = (
    ".env*",
    "*.pem",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".pypirc",
)
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
# The vendor's documentation uses keys that end in EXAMPLE; they open nothing.
_AWS: Final = re.compile(rb"(?<![A-Za-z0-9/+])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9/+=])")
# What a key management service keeps is named by an id or alias, and never leaves it.
_KEYS: Final = re.compile(
    r"secret|passw(or)?d|token|credential|(?<!kms)(?<!kms_)key$", re.IGNORECASE
)
_LOGIN: Final = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@:\s]*:[^/@\s]+@", re.IGNORECASE)
_CONNECTION: Final = re.compile(
    r"(AccountKey|SharedAccessKey|SharedAccessSignature)\s*=", re.IGNORECASE
)
_REFERENCES: Final = ("arn:", "projects/", "/subscriptions/", "https://", "secret:")
_SIGNED: Final = re.compile(
    r"sig|signature|.*token|.*api[-_]?key|access[-_]?key|key|password|secret|x-(amz|goog)-.*"
    r"|awsaccesskeyid|googleaccessid|code|auth",
    re.IGNORECASE,
)
"""Query parameters of signed or authorised addresses, as S3, GCS, Azure and others name them."""

_HEAD: Final = 8192


def in_address(uri: str) -> str | None:
    """Say which secret an address holds, or None."""
    parts = urlsplit(uri)
    if parts.password:
        return "a password"
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if _SIGNED.fullmatch(name):
            return f"a credential ({name}=...)"
    return None


def in_name(path: str) -> str | None:
    """Say why a file of this path looks like a secret, or None.

    Args:
        path: The file's path with forward slashes.
    """
    parts = PurePosixPath(path)
    name = parts.name.lower()
    for pattern in _NAMES:
        if fnmatchcase(name, pattern):
            return f"files named {pattern} hold secrets"
    if name == "credentials" and parts.parent.name == ".aws":
        return "it is an AWS credentials file"
    return None


def in_content(path: str, content: bytes) -> str | None:
    """Say why a file's content looks like a secret, or None. Binary files are not looked into."""
    if b"\0" in content[:_HEAD]:
        return None
    if _PEM.search(content):
        return "it holds a private key"
    for match in _AWS.finditer(content):
        if not match.group().endswith(b"EXAMPLE"):
            return "it holds an AWS access key"
    if PurePosixPath(path).name.lower() == "credentials.json" and b'"private_key"' in content:
        return "it holds a service account's private_key"
    return None


def in_setting(key: str, value: object) -> str | None:
    """Say why a setting looks like a secret, or None.

    Args:
        key: The setting's own name, without the tables it lies in.
        value: Its value. A reference to a secret (an ARN, a resource path, an https address) is
            none.
    """
    if isinstance(value, str):
        if (why := in_content(key, value.encode())) is not None:
            return why
        if _LOGIN.search(value):
            return "its address holds a password"
        if _CONNECTION.search(value):
            return "it is a connection string with a key"
        literal = bool(value) and not value.startswith(_REFERENCES)
    else:
        literal = isinstance(value, (int, float)) and not isinstance(value, bool)
    if literal and _KEYS.search(key):
        return "its name says that it holds a secret, and its value is written out"
    return None


def refuse_address(uri: str, owner: str) -> None:
    """Refuse an address that holds a secret, where it would go into documents.

    Args:
        uri: The address.
        owner: Whose it is, for the message.

    Raises:
        ConfigurationError: It holds one.
    """
    if why := in_address(uri):
        raise ConfigurationError(
            f"The address of {owner} holds {why}, and it goes into documents. Leave it out, and "
            "let the server know jobs by their network or role"
        )
