"""What looks like a secret, left out of a report: reports are passed on."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from waterflow.project import leaks

HIDDEN: Final = "(hidden)"
_LOGIN: Final = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_KEY: Final = re.compile(
    r"(?:-----BEGIN [A-Z ]*PRIVATE KEY-----|\A).*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
)
"""A private key, be it that its beginning is cut off."""
_NUMBER: Final = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?%?", re.IGNORECASE)
"""What logs count: `tokens: 4096` is no secret."""
_ASSIGNED: Final = re.compile(
    r"""(?P<key>[A-Za-z_][\w.-]*)(?P<is>["']?\s*[=:]\s*["']?)(?P<value>[^\s"',;]+)"""
)


def secret(name: str, value: str) -> bool:
    """Say whether a named value looks like a secret.

    Args:
        name: Its name.
        value: The value as JSON text, or as a person reads it.
    """
    try:
        plain: object = json.loads(value)
    except ValueError:
        plain = value
    return leaks.in_setting(name, plain) is not None


def value(name: str, shown: str) -> str:
    """Return a named value, or that it is hidden."""
    return HIDDEN if secret(name, shown) else shown


def text(shown: str) -> str:
    """Return free text, such as a log, without what looks like a secret in it.

    Args:
        shown: The text; all lines of it, as a key may have several.
    """
    shown = _KEY.sub(HIDDEN, shown.encode(errors="replace").decode())
    if leaks.in_content("", shown.encode()) is not None:
        shown = "\n".join(
            HIDDEN if leaks.in_content("", line.encode()) is not None else line
            for line in shown.split("\n")
        )
    shown = _LOGIN.sub(HIDDEN, shown)
    return _ASSIGNED.sub(_assigned, shown)


def _assigned(match: re.Match[str]) -> str:
    if _NUMBER.fullmatch(match["value"]) or leaks.in_setting(match["key"], match["value"]) is None:
        return match[0]
    return f"{match['key']}{match['is']}{HIDDEN}"


def address(uri: str | None) -> str | None:
    """Return an address without a login and without a query, which may sign it."""
    if uri is None or "://" not in uri:
        return uri
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", parts.fragment))
