"""The door: which hosts it lets in, and where it hands their bytes."""

import socket
import ssl
import threading
from contextlib import suppress

import pytest

from waterflow.emulation.certificates import Authority
from waterflow.emulation.door import RECORD, Door


@pytest.fixture
def echo():
    """Servers that answer each line with a name of their own before it."""
    servers = []

    def serve(name):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def answer():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                # Who has heard enough may leave: with what is unread it is a reset.
                with suppress(OSError), connection, connection.makefile("rwb") as file:
                    for line in file:
                        file.write(name + line)
                        file.flush()

        threading.Thread(target=answer, daemon=True).start()
        return server.getsockname()[1]

    yield serve
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.fixture
def door(tmp_path, echo):
    opened = Door(["*.googleapis.com"], Authority(tmp_path), echo(b"http "), echo(b"grpc "))
    yield opened
    opened.close()


def connect(door, request):
    host, _, port = door.address.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)), 10)
    client.sendall(request)
    return client


def say(door, tmp_path, host, protocol, line=b"hello\n"):
    """Send a line to a host through the door, and return what comes back."""
    context = ssl.create_default_context(cafile=tmp_path / "authorities.pem")
    context.set_alpn_protocols([protocol])
    with connect(door, f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with (
            context.wrap_socket(client, server_hostname=host) as tls,
            tls.makefile("rwb") as file,
        ):
            assert tls.selected_alpn_protocol() == protocol
            file.write(line)
            file.flush()
            return file.readline()


def test_http_and_grpc_come_to_servers_of_their_own(door, tmp_path):
    for host in ("storage.googleapis.com", "us-central1-aiplatform.googleapis.com"):
        assert say(door, tmp_path, host, "http/1.1") == b"http hello\n"
        assert say(door, tmp_path, host, "h2") == b"grpc hello\n"


def test_much_goes_through_in_both_directions(door, tmp_path):
    line = b"x" * 3_000_000 + b"\n"
    assert say(door, tmp_path, "storage.googleapis.com", "h2", line) == b"grpc " + line


def test_other_hosts_are_refused_by_name_and_counted(door, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(RECORD, str(tmp_path / "record"))
    for host in (b"example.org", b"other.example", b"example.org"):
        with connect(door, b"CONNECT " + host + b":443 HTTP/1.1\r\n\r\n") as client:
            assert client.recv(1000).startswith(b"HTTP/1.1 403")
    assert door.refused == {"example.org": 2, "other.example": 1}
    noted = (tmp_path / "record").read_text().split()
    assert noted == ["example.org", "other.example", "example.org"]
    assert "example.org is refused" in caplog.text


def test_an_allowed_host_gets_the_client_s_bytes_unread(tmp_path, echo, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port = echo(b"there ")
    door = Door(["*.googleapis.com"], Authority(tmp_path), port, allowed=["localhost"])
    try:
        with connect(door, f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode()) as client:
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            client.sendall(b"hello\n")
            assert client.recv(1000) == b"there hello\n"
    finally:
        door.close()
    assert not door.refused


def test_an_allowed_host_is_reached_by_the_proxy_that_leads_out_of_here(
    tmp_path, echo, monkeypatch
):
    """The second door stands for a company's proxy."""
    beyond = Door(["*.beyond.example"], Authority(tmp_path), echo(b"beyond "))
    monkeypatch.setenv("https_proxy", beyond.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    nearer = tmp_path / "nearer"
    nearer.mkdir()
    door = Door(["*.here.example"], Authority(nearer), echo(b"here "), allowed=["*.beyond.example"])
    try:
        assert say(door, tmp_path, "a.beyond.example", "http/1.1") == b"beyond hello\n"
        assert say(door, nearer, "a.here.example", "http/1.1") == b"here hello\n"
    finally:
        door.close()
        beyond.close()


PLAIN = {
    "of-the-cloud": (
        (
            b"POST http://a.googleapis.com/o/x?y=1 HTTP/1.1\r\nHost: a.googleapis.com\r\n"
            b"Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\n\r\nbody\n"
        ),
        (
            b"http POST /o/x?y=1 HTTP/1.1\r\nhttp Host: a.googleapis.com\r\n"
            b"http X-Waterflow-Plain: 1\r\nhttp Connection: close\r\nhttp \r\nhttp body\n"
        ),
        {},
    ),
    "of-another": (
        b"GET http://elsewhere.example:8080/x HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n",
        {"elsewhere.example": 1},
    ),
    "an-address": (
        b"GET http://93.184.215.14/ HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n",
        {"93.184.215.14": 1},
    ),
    "to-no-proxy": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n", {}),
    "nothing": (b"\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n", {}),
}


@pytest.mark.parametrize(("request_", "reply", "refused"), PLAIN.values(), ids=PLAIN)
def test_requests_without_tls_are_held_to_the_same_hosts(
    door, request_, reply, refused, monkeypatch
):
    monkeypatch.delenv(RECORD)
    with connect(door, request_) as client:
        answer = b""
        while len(answer) < len(reply):
            answer += client.recv(1000)
    assert answer.startswith(reply)
    assert door.refused == refused


def test_a_request_without_tls_goes_to_an_allowed_host(tmp_path, echo, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port = echo(b"there ")
    door = Door(["*.googleapis.com"], Authority(tmp_path), port, allowed=[f"localhost:{port}"])
    request = f"GET http://localhost:{port}/a HTTP/1.1\r\n\r\n".encode()
    try:
        with connect(door, request) as client:
            assert client.recv(1000).startswith(b"there GET /a HTTP/1.1\r\n")
    finally:
        door.close()
    assert not door.refused


def test_a_client_that_leaves_disturbs_nobody(door, tmp_path):
    connect(door, b"CONNECT a.googleapis.com:443 HTTP/1.1\r\n\r\n").close()
    connect(door, b"CON").close()
    assert say(door, tmp_path, "a.googleapis.com", "h2") == b"grpc hello\n"
