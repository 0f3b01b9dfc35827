"""What a job of any emulator can do to this machine: nothing; shown with the toy cloud."""

import json
import socket
import socketserver
import sys
import tempfile
import textwrap
import threading
import venv
from pathlib import Path

import pytest

from waterflow.emulation.isolation import Bound, Isolation, Level, Writes, failure, probe
from waterflow.emulation.reach import Reach
from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import SHARED, Image
from waterflow.testing.wheels import wheel

from .test_isolation import run

_FILE = "waterflow-test-mark"


@pytest.fixture(scope="module")
def emulator(_installed):
    from toycloud import Emulator

    with Emulator(grace=5) as running:
        if "thrown away" not in running.isolation:
            pytest.skip(f"the kernel has no overlay for jobs: {running.isolation}")
        yield running


@pytest.fixture
def toy(emulator, client):
    return client(emulator)


@pytest.fixture(scope="module")
def server():
    """Servers of this machine: each answers what it has heard, and what it is."""
    running = []

    def serve(text):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(self.rfile.read() + f", {text}".encode())

        one = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
        running.append(one)
        return one.server_address[1]

    yield serve
    for one in running:
        one.shutdown()
        one.server_close()


def shell(text):
    words = ["python3", "-c", textwrap.dedent(text)]
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words)


def reaches(port):
    """A job that says what answers at a port of its loopback."""
    program = f"""
        import os, socket
        try:
            with socket.create_connection(("localhost", {port}), 5) as connection:
                connection.sendall(b"all of it")
                connection.shutdown(socket.SHUT_WR)
                print(b"".join(iter(lambda: connection.recv(10), b"")).decode())
        except ConnectionRefusedError:
            print("nothing is there")
    """
    return shell(program)


WRITES = {
    "at-the-root": f"/{_FILE}",
    "in-the-system": f"/etc/{_FILE}",
    "in-the-environment": f"{sys.prefix}/{_FILE}",
    "in-the-home-of-the-user": str(Path.home() / _FILE),
    "among-temporary-files": f"{tempfile.gettempdir()}/{_FILE}",
    "in-shared-memory": f"/dev/shm/{_FILE}",
}


@pytest.mark.parametrize("path", WRITES.values(), ids=WRITES)
def test_what_a_job_writes_elsewhere_ends_with_it(toy, path, request, tmp_path):
    names = [f"{request.node.callspec.id}-{number}" for number in range(2)]
    # Both run at once, and neither finds what the other has written.
    meet = (
        f"test ! -e {path}; echo $NAME > {path}; touch {tmp_path}/$NAME; "
        f"until [ $(ls {tmp_path} | wc -l) = 2 ]; do sleep 0.05; done; cat {path}"
    )
    for name in names:
        toy.start(name, meet, environment={"NAME": name})
    for name in names:
        job = toy.wait(name)
        assert (job["state"], job["log"]) == ("completed", [name]), job
    assert not Path(path).exists()


def test_a_job_can_remove_and_replace_what_it_finds_and_nobody_notices(toy):
    config = Path(sys.prefix, "pyvenv.cfg")
    before = config.read_text()
    folder = sys.prefix
    job = f"rm {config}; rm -rf {folder}/share; echo gone > {config}; cat {config}; ls {folder}"
    toy.start("vandal", job)
    log = toy.wait("vandal")["log"]
    assert log[0] == "gone"
    assert "share" not in log
    assert config.read_text() == before
    toy.start("next", f"cat {config}")
    assert toy.wait("next")["log"] == before.splitlines()


def test_pip_installs_into_the_environment_of_the_job_alone(client, tmp_path):
    """A wheel made by hand, so that no index is asked."""
    from toycloud import Emulator

    wheel(tmp_path, "walled", "1.0")
    # Not in the tests' own folder, which jobs may change.
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        install = f"pip install -q --no-index --no-deps {tmp_path}/walled-1.0-py3-none-any.whl"
        say = "python3 -c 'import walled; print(walled.VERSION)'"
        with Emulator(images={"bare": Path(name)}) as emulator:
            cloud = client(emulator)
            cloud.start("pip", f"{install} 2>&1; {say}", image="bare")
            assert cloud.wait("pip")["log"][-1:] == ["1.0"], cloud("GET", "jobs/pip")
            cloud.start("other", say, image="bare")
            assert cloud.wait("other")["state"] == "failed"
            cloud.start("uninstall", f"python3 -m pip uninstall -qy pip; {say}", image="bare")
            assert cloud.wait("uninstall")["state"] == "failed"
        assert not list(Path(name).rglob("walled*"))
        assert list(Path(name).rglob("pip/__main__.py"))


def test_jobs_do_not_see_each_other_s_folders(toy):
    toy.start("here", "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done")
    toy.until(lambda: toy("GET", "jobs/here")[1]["log"] == ["up"])
    toy.start("looks", f"find {toy.emulator._folder} -name here; echo looked")
    assert toy.wait("looks")["log"] == ["looked"]
    toy("DELETE", "jobs/here")


def test_two_jobs_serve_at_the_same_port_of_all_addresses_at_once(toy, tmp_path):
    if "a network of its own" not in toy.emulator.isolation:
        pytest.skip(f"jobs have no network of their own here: {toy.emulator.isolation}")
    program = f"""
        import http.server, os, pathlib, threading, time, urllib.request
        server = http.server.ThreadingHTTPServer(
            ("0.0.0.0", 8080), http.server.SimpleHTTPRequestHandler
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        meeting = pathlib.Path("{tmp_path}")
        (meeting / os.environ["NAME"]).touch()
        while len(list(meeting.iterdir())) < 2:
            time.sleep(0.02)
        for host in ("localhost", "host-0", os.uname().nodename):
            print(urllib.request.urlopen(f"http://{{host}}:8080/mark").read().decode())
        server.shutdown()
    """
    for name in ("one", "two"):
        command = f"printf {name} > mark; exec 2>/dev/null; {shell(program)}"
        toy.start(f"serves-{name}", command, environment={"NAME": name})
    for name in ("one", "two"):
        assert toy.wait(f"serves-{name}")["log"] == [name] * 3


def test_instances_of_a_job_serve_at_one_port_and_find_each_other_by_name(toy):
    if "DEGRADED: jobs" in toy.emulator.isolation:
        pytest.skip(toy.emulator.isolation)
    program = """
        import os, socket, time
        own = os.uname().nodename
        other = {"host-0": "host-1", "host-1": "host-0"}[own]
        server = socket.create_server(("0.0.0.0", 8080))
        while True:
            try:
                connection = socket.create_connection((other, 8080), 5)
                break
            except OSError:
                time.sleep(0.05)
        mine, _ = server.accept()
        mine.sendall(own.encode())
        print(own, "hears", connection.recv(100).decode())
        connection.sendall(b"done")
        mine.recv(100)
    """
    toy.start("both", shell(program), hosts=2)
    job = toy.wait("both")
    assert job["state"] == "completed", job
    assert sorted(job["log"]) == ["host-0 hears host-1", "host-1 hears host-0"]


def test_a_job_reaches_of_this_machine_what_it_names(toy, server):
    """A service of this machine stands for a tracking server."""
    if "a network of its own" not in toy.emulator.isolation:
        pytest.skip(toy.emulator.isolation)
    port = server("of the machine")
    program = reaches(port)
    for number, name in enumerate(("http://127.0.0.1:{}", "http://localhost:{}/x", "{}", "")):
        toy.start(f"names-{number}", program, environment={"NAME": name.format(port)})
    logs = [toy.wait(f"names-{number}")["log"] for number in range(4)]
    there, nothing = ["all of it, of the machine"], ["nothing is there"]
    assert logs == [there, there, nothing, nothing]


def test_a_port_that_is_allowed_is_reached_unnamed(client, server):
    from toycloud import Emulator

    port = server("of the machine")
    with Emulator(allowed=[f"localhost:{port}"]) as emulator:
        cloud = client(emulator)
        cloud.start("unnamed", reaches(port))
        assert cloud.wait("unnamed")["log"] == ["all of it, of the machine"]


NAMED = {
    "an-argument": (["--uri=http://127.0.0.1:{}/path"], {}, True),
    "of-ipv6": (["http://[::1]:{}"], {}, True),
    "settings": ([], {"a/b/settings.json": '{{"uri": "http://localhost:{}"}}'}, True),
    "settings-in-yaml": ([], {"conf.yml": "uri: http://localhost:{}"}, True),
    "data": ([], {"data.csv": "http://localhost:{}"}, False),
    "large": ([], {"large.json": "http://localhost:{}" + " " * 70_000}, False),
    "another-host": (
        ["http://elsewhere.example:{}", "10.127.0.0.1:{}", "mylocalhost:{}"],
        {},
        False,
    ),
}


@pytest.mark.parametrize(("texts", "files", "reached"), NAMED.values(), ids=NAMED)
def test_the_ports_that_a_job_reaches(tmp_path, server, texts, files, reached):
    port, own = server("of the machine"), 1
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.format(port))
    reach = Reach({own: socket.socket.close}, [2])
    ports = reach.ports([text.format(port) for text in texts], [tmp_path])
    assert ports == ((own, 2, port) if reached else (own, 2))
    assert reach.ports(["http://localhost:9"], []) == (own, 2)  # nothing listens there


def test_a_fork_bomb_ends_in_itself(toy):
    """It counts how many processes it gets; they all wait, so that none makes room for another."""
    program = """
        import os, signal
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    signal.pause()
                count += 1
        except BlockingIOError:
            print(f"at most {count}", flush=True)
        if count:
            os._exit(0)
    """
    if "nothing bounds" in toy.emulator.isolation:
        pytest.skip(toy.emulator.isolation)
    toy.start("bomb", shell(program))
    job = toy.wait("bomb")
    assert job["state"] == "completed", job
    count = int(job["log"][0].removeprefix("at most "))
    assert 100 < count < 20_000
    toy.start("after", "echo unharmed")
    assert toy.wait("after")["log"] == ["unharmed"]


def test_the_machine_s_settings_are_closed(toy):
    toy.start("sysctl", "echo 1 > /proc/sys/vm/drop_caches || echo refused")
    assert toy.wait("sysctl")["log"][-1] == "refused"


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_a_shared_folder_is_changed(client, tmp_path_factory, monkeypatch, by):
    from toycloud import Emulator

    folder = tmp_path_factory.mktemp("shared")
    monkeypatch.setenv(SHARED, str(folder) if by == "variable" else "")
    with Emulator(shared=[folder] if by == "argument" else ()) as emulator:
        cloud = client(emulator)
        cloud.start("one", f"echo kept > {folder}/note")
        assert cloud.wait("one")["state"] == "completed"
    assert (folder / "note").read_text() == "kept\n"


def test_a_shared_folder_that_is_not_there_is_one_clear_message(tmp_path):
    from toycloud import Emulator

    with pytest.raises(ConfigurationError, match=r"--share .*nowhere: there is no such folder"):
        Emulator(shared=[tmp_path / "nowhere"])


# --- what less can do -----------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [Writes.DISK, Writes.MEMORY, Writes.READ_ONLY])
@pytest.mark.parametrize("level", [Level.NAMESPACES, Level.MOUNTS])
def test_every_kind_of_wall_keeps_what_is_behind_it(tmp_path, level, writes):
    """The walls that this machine need not fall back to are tried as well."""
    best = probe(("/opt/wf",), level)
    if best.level is not level:
        pytest.skip(best.reason)
    isolation = Isolation(
        level=level, paths=best.paths, processes=best.processes, writes=writes, bound=Bound.NONE
    )
    mark = Path(sys.prefix, _FILE)
    script = (
        f"echo x > own; cat /opt/wf/mark; (echo y > {mark}) 2>/dev/null && cat {mark} || echo no"
    )
    lines, code = run(isolation, tmp_path / "job", ("/opt/wf",), script)
    assert code == 0, lines
    assert lines == ["mark of /opt/wf", "no" if writes is Writes.READ_ONLY else "y"]
    assert not mark.exists()
    assert (tmp_path / "job" / "home" / "own").exists()


LESS = {
    "no-overlay": (
        lambda one: one.writes in (Writes.DISK, Writes.MEMORY),
        "DEGRADED: elsewhere it can write nothing, as there is no overlay",
        {"writes": Writes.READ_ONLY, "network": True, "joined": True},
        "disk: it is not there; memory: it is not there",
    ),
    "no-network": (
        lambda one: one.network,
        "DEGRADED: jobs share this machine's network and its ports",
        {"writes": Writes.DISK, "network": False, "joined": False},
        "network: it is not there",
    ),
    "nothing-joins-networks": (
        lambda one: one.joined,
        "DEGRADED: jobs of several instances share this machine's network",
        {"writes": Writes.DISK, "network": True, "joined": False},
        "joined networks: it is not there",
    ),
}


@pytest.mark.parametrize(("lacks", "said", "fields", "reason"), LESS.values(), ids=LESS)
def test_what_a_kernel_lacks_is_said_and_the_rest_is_there(lacks, said, fields, reason):
    best = probe(("/opt/wf",))
    if "DEGRADED" in best.describe():
        pytest.skip(best.reason)
    less = probe(("/opt/wf",), trial=lambda one: "it is not there" if lacks(one) else failure(one))
    assert {name: getattr(less, name) for name in fields} == fields
    assert said in less.describe()
    assert less.reason == reason


# --- images ---------------------------------------------------------------------------------------


def test_an_image_has_a_command_for_jobs_that_give_none(tmp_path):
    from waterflow.emulation.images import Images, check

    (tmp_path / "bin").mkdir()
    images = Images(
        check({"one": Image(tmp_path, ("serve", "--all")), "two": tmp_path}), tmp_path / "shims"
    )
    assert images.command("registry.example/one:3") == ("serve", "--all")
    assert images.command("two") == images.command("three") == ()
    assert json.dumps(images.path("one")).startswith(f'"{tmp_path}/bin:')
