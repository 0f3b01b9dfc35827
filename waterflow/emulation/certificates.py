"""TLS with a private authority: certificates for host names, and what makes clients trust them."""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from typing import Final

import trustme

LOOPBACK: Final = ("localhost", "127.0.0.1")

_VARIABLES: Final = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)  # fmt: skip
"""Where OpenSSL, requests, curl, the AWS SDKs and gRPC look for the authorities they trust."""


class Authority:
    """A certificate authority that lives as long as its emulator.

    Args:
        folder: Where the file of trusted authorities is written.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(organization_name="Waterflow emulator")
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.bundle = folder / "authorities.pem"
        """The authorities trusted here and this one: clients read one file only."""
        self.bundle.write_bytes(_public() + self._authority.cert_pem.bytes())

    def context(self, *hosts: str, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Return what a server needs to answer as some hosts.

        Args:
            hosts: Host names and addresses.
            protocols: What it speaks, for ALPN: `h2`, `http/1.1`; empty to leave it open.
        """
        key = (*hosts, "|", *protocols)
        with self._lock:
            if key not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(*hosts).configure_cert(context)
                if protocols:
                    context.set_alpn_protocols(list(protocols))
                self._contexts[key] = context
            return self._contexts[key]


def trusting(bundle: str) -> dict[str, str]:
    """Return the variables that make clients trust the authorities of a file."""
    return dict.fromkeys(_VARIABLES, bundle)


def _public() -> bytes:
    """Return the authorities trusted here, so that clients reach other hosts as before."""
    import certifi

    own = {os.environ.get(name, "") for name in _VARIABLES}
    files = [Path(name) for name in sorted(own) if name and Path(name).is_file()]
    return b"\n".join([certifi.contents().encode(), *(file.read_bytes() for file in files), b""])
