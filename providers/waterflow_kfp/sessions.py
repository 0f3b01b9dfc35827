"""Sessions of requests that are patient: what passes is asked for again, after a while."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path
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
    retries = _retry_class()(
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
        session.mount(scheme, _adapter_class()(max_retries=retries, pool_maxsize=at_once))
    session.headers["User-Agent"] = "waterflow"
    return session


@functools.cache
def _retry_class() -> Any:
    """Return retries that leave alone what no second try would mend."""
    from urllib3.exceptions import MaxRetryError, SSLError
    from urllib3.util import Retry

    class Retries(Retry):
        def increment(
            self,
            method: str | None = None,
            url: str | None = None,
            response: Any = None,
            error: Exception | None = None,
            _pool: Any = None,
            _stacktrace: Any = None,
        ) -> Any:
            if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise MaxRetryError(_pool, url or "", error)
            return super().increment(method, url, response, error, _pool, _stacktrace)

    return Retries


@functools.cache
def _adapter_class() -> Any:
    """Return an adapter whose connections share what certificates are trusted."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def build_connection_pool_key_attributes(
            self, request: Any, verify: Any, cert: Any = None
        ) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            if verify and cert is None and host["scheme"] == "https":
                pool["ssl_context"] = _context(verify, _written(verify))
            return host, pool

    return Adapter


@functools.lru_cache(maxsize=8)
def _context(verify: object, written: float) -> ssl.SSLContext:
    """Return one context for each bundle of certificates: those of two would be trusted by both."""
    del verify, written
    return _Context(ssl.PROTOCOL_TLS_CLIENT)


def _written(verify: object) -> float:
    """Return when a bundle was last written; 0 for the one that comes with requests."""
    try:
        return Path(verify).stat().st_mtime if isinstance(verify, str) else 0.0
    except OSError:
        return 0.0  # requests says that there is none


class _Context(ssl.SSLContext):
    """A context that reads a bundle of certificates once, though each connection asks for it.

    That takes 20 ms, as long as all else of a request.
    """

    _read: frozenset[Any] = frozenset()

    def load_verify_locations(
        self, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        """Trust what is in a file, a folder or a text."""
        key = cafile, capath, cadata
        if key not in self._read:
            super().load_verify_locations(cafile, capath, cadata)
            self._read |= {key}
