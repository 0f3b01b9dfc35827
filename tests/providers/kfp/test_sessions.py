"""Requests to services of pipeline specs: which servers are trusted, and what that costs."""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from waterflow_kfp.sessions import patient

from waterflow.emulation.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: who does not trust it breaks off."""


@contextlib.contextmanager
def serving(authority: Authority) -> Iterator[str]:
    """Answer over TLS, with a certificate of an authority, and yield the address."""
    with _Server(("127.0.0.1", 0), _Answering) as server:
        context = authority.context("localhost")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def session() -> requests.Session:
    session = requests.Session()
    return patient(session, again=False, passing=(), refused=(), at_once=2)


def test_each_bundle_of_certificates_is_trusted_alone_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (Authority(folder) for folder in folders)
    reads: list[str] = []
    reading = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, cafile: Any = None, *others: Any) -> None:
        reads.append(str(cafile))
        reading(self, cafile, *others)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with serving(one) as first, serving(two) as second:
        for authority, near, far in ((one, first, second), (two, second, first)):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
            for _ in range(3):
                with session() as opened:
                    assert opened.get(near, timeout=30).text == "ok"
                    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY"):
                        opened.get(far, timeout=30)
        assert reads == [str(one.bundle), str(two.bundle)]
        two.bundle.write_bytes(one.bundle.read_bytes())  # as one that is renewed
        os.utime(two.bundle, (1, 1))
        with session() as opened:
            assert opened.get(first, timeout=30).text == "ok"
