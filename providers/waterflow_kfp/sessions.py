"""Sessions of requests that are patient: what passes is asked for again, after a while."""

from __future__ import annotations

from typing import Any, Final

TIMEOUT: Final = (10, 60)
"""Seconds until a connection, and between two pieces of an answer."""
_TRIES: Final = 10


def patient(
    session: Any, *, again: bool, passing: tuple[int, ...], refused: tuple[int, ...], at_once: int
) -> Any:
    """Return a session of requests that sends again what passes.

    Args:
        session: The session, which is changed.
        again: Whether a request may be sent twice: by a lost reply nobody knows what has been done.
        passing: Statuses after which it is sent again then.
        refused: Those of what was refused before it was looked at: that may always be sent again.
        at_once: Connections that are kept.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retries = Retry(
        total=_TRIES,
        read=_TRIES if again else 0,
        status_forcelist=passing if again else refused,
        allowed_methods=None,
        backoff_factor=0.25,
        backoff_max=30,
        backoff_jitter=0.2,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries, pool_maxsize=at_once))
    session.headers["User-Agent"] = "waterflow"
    return session
