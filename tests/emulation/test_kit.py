"""What the kit gives to any emulator, shown by a toy cloud that is built on nothing else."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from waterflow.emulation.door import RECORD
from waterflow.errors import ConfigurationError, ProviderError


@pytest.fixture
def toy():
    from toycloud import Emulator

    return Emulator


# --- jobs -----------------------------------------------------------------------------------------


def test_a_job_runs_in_its_own_path_and_its_log_and_result_are_there(toy, client):
    with toy() as emulator:
        cloud = client(emulator)
        assert (
            cloud.start(
                "one", "pwd; printf 42 > result; echo $FLAVOUR", environment={"FLAVOUR": "x"}
            )[0]
            == 200
        )
        job = cloud.wait("one")
        assert (job["state"], job["log"], job["result"]) == ("completed", ["/toy", "x"], "42")
        assert "each job has its own /toy" in emulator.isolation
        cloud.start("bad", "exit 7")
        assert cloud.wait("bad")["reason"] == "exit code 7"
        cloud.start("two", "hostname >/dev/null; cat /etc/hosts | grep -c host-", hosts=2)
        assert cloud.wait("two")["log"] == ["2", "2"]


def test_jobs_at_the_same_time_do_not_see_each_other_s_files(toy, client):
    wait = "echo mine > $NAME; until [ -e go ]; do ls; break; done"
    with toy() as emulator:
        cloud = client(emulator)
        for name in ("a", "b"):
            cloud.start(name, wait, environment={"NAME": name})
        assert [cloud.wait(name)["log"] for name in ("a", "b")] == [["a"], ["b"]]


def test_a_job_is_stopped_with_grace(toy, client):
    command = "trap 'echo told; exit 0' TERM; echo up; while true; do sleep 0.05; done"
    with toy(grace=30) as emulator:
        cloud = client(emulator)
        cloud.start("long", command)
        cloud.until(lambda: cloud("GET", "jobs/long")[1]["log"] == ["up"])
        assert cloud("DELETE", "jobs/long")[1] == {"stopped": True}
        job = cloud.wait("long")
        assert (job["state"], job["log"]) == ("stopped", ["up", "told"])
        assert cloud("DELETE", "jobs/long")[1] == {"stopped": False}


def test_a_job_that_does_not_end_is_killed_when_its_grace_is_over(toy, client):
    with toy(grace=0.1) as emulator:
        cloud = client(emulator)
        cloud.start("deaf", "trap '' TERM; echo up; while true; do sleep 0.05; done")
        cloud.until(lambda: cloud("GET", "jobs/deaf")[1]["log"] == ["up"])
        cloud("DELETE", "jobs/deaf")
        assert cloud.wait("deaf")["state"] == "stopped"


def test_a_job_waits_for_a_machine_and_can_be_stopped_while_it_does(toy, client):
    with toy(machines=1, grace=30) as emulator:
        cloud = client(emulator)
        cloud.start("first", "trap 'exit 0' TERM; echo up; while true; do sleep 0.05; done")
        cloud.until(lambda: cloud("GET", "jobs/first")[1]["log"] == ["up"])
        for name in ("second", "third"):
            cloud.start(name, f"echo {name}")
        assert cloud("GET", "jobs/second")[1]["state"] == "queued"
        cloud("DELETE", "jobs/second")
        assert cloud.wait("second") == {
            "name": "second",
            "state": "stopped",
            "reason": None,
            "log": [],
            "result": None,
        }
        assert cloud("GET", "jobs/third")[1]["state"] == "queued"
        cloud("DELETE", "jobs/first")
        assert cloud.wait("third")["log"] == ["third"]


def test_an_image_is_an_environment(toy, client, tmp_path):
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "greet"
    tool.write_text("#!/bin/sh\necho hello from the image\n")
    tool.chmod(0o755)
    with toy(images={"greeter": tmp_path}) as emulator:
        cloud = client(emulator)
        cloud.start("one", "greet", image="registry.example/greeter:1")
        assert cloud.wait("one")["log"] == ["hello from the image"]
        cloud.start("two", "greet", image="another")
        assert cloud.wait("two")["reason"] == "exit code 127"


# --- the API --------------------------------------------------------------------------------------


def test_a_list_comes_in_pages(toy, client):
    with toy() as emulator:
        cloud = client(emulator)
        names = [f"job-{number}" for number in range(5)]
        for name in names:
            cloud.start(name)
        listed, token = [], ""
        while token is not None:
            answer = cloud("GET", f"jobs?size=2&token={token}" if token else "jobs?size=2")[1]
            assert len(answer["jobs"]) <= 2
            listed, token = listed + answer["jobs"], answer["token"]
        assert listed == names
        assert cloud("GET", "jobs?token=made-up")[0] == 400


def test_a_token_makes_a_request_happen_once(toy, client):
    with toy() as emulator:
        cloud = client(emulator)
        for _ in range(2):
            assert cloud.start("once", token="t") == (200, {"name": "once"})
        assert cloud.start("other", token="t") == (409, {"code": "TokenConflictError"})
        assert cloud.start("once") == (409, {"code": "JobExistsError"})
        assert cloud("GET", "jobs")[1]["jobs"] == ["once"]


def test_the_clock_is_advanced_and_a_schedule_fires(toy, client):
    with toy() as emulator:
        cloud = client(emulator)
        cloud("PUT", "schedules/hourly", {"seconds": 3600, "command": "echo by the schedule"})
        emulator.advance(1800)
        assert cloud("GET", "jobs")[1]["jobs"] == []
        emulator.advance(2 * 3600)
        names = cloud("GET", "jobs")[1]["jobs"]
        assert len(names) == 2
        assert cloud.wait(names[0])["log"] == ["by the schedule"]
        with pytest.raises(urllib.error.HTTPError, match="400"):
            emulator.advance(-1)


def test_the_state_is_saved_however_often_it_is_told_to_end(toy, client, tmp_path):
    with toy(state=tmp_path / "state") as emulator:
        cloud = client(emulator)
        cloud.start("one", "true")
        cloud.wait("one")
        deadline = time.monotonic() + 300
        while emulator.ended() is None:
            os.kill(emulator.ready["pid"], signal.SIGTERM)
            assert time.monotonic() < deadline, "it waits for itself"
    with toy(state=tmp_path / "state") as emulator:
        assert client(emulator)("GET", "jobs/one")[0] == 200


def test_the_state_is_saved_and_loaded(toy, client, tmp_path):
    with toy(state=tmp_path / "state") as emulator:
        cloud = client(emulator)
        cloud.start("kept", "echo words", token="t")
        before = cloud.wait("kept")
        cloud("PUT", "schedules/hourly", {"seconds": 3600, "command": "true"})
        emulator.advance(1)
        with pytest.raises(ConfigurationError, match="another emulator uses this folder"):
            toy(state=tmp_path / "state").start()
    with toy(state=tmp_path / "state") as emulator:
        cloud = client(emulator)
        assert cloud("GET", "jobs/kept")[1] == before
        assert cloud.start("kept", "echo words", token="t") == (200, {"name": "kept"})
        emulator.advance(3601)
        assert len(cloud("GET", "jobs")[1]["jobs"]) == 2
    (tmp_path / "state" / "state.json").write_text('{"version": 9}')
    with pytest.raises(ConfigurationError, match="its version is 9, this emulator has 1"):
        toy(state=tmp_path / "state").start()


# --- faults ---------------------------------------------------------------------------------------


def test_requests_are_throttled_refused_lost_and_late(toy, client):
    faults = "throttle:GetJob=1,error503:StopJob=1,lost:CreateJob=1"
    with toy(faults=faults) as emulator:
        cloud = client(emulator)
        assert cloud("GET", "jobs") == (429, {"code": "throttle"})
        assert cloud("DELETE", "jobs/x") == (503, {"code": "error503"})
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            cloud.start("lost")
    with toy(faults="lost:CreateJob=1,slow:GetJob=1,slow-for=0.5") as emulator:
        cloud = client(emulator)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            cloud.start("carried-out")
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            cloud("GET", "jobs", timeout=0.1)
        assert cloud("GET", "jobs")[1]["jobs"] == ["carried-out"]


def test_jobs_fail_find_no_machine_and_meet_quotas(toy, client):
    with toy(faults="fail=bad*,capacity=scarce:1,limit=quota:1") as emulator:
        cloud = client(emulator)
        assert cloud.start("quota") == (409, {"code": "QuotaExceededError"})
        assert cloud.start("quota")[0] == 200
        for name, fault in (("bad-1", "fail"), ("scarce", "capacity")):
            cloud.start(name)
            assert cloud.wait(name)["reason"] == f"the toy cloud has met the fault {fault}"
        assert cloud.wait("quota")["state"] == "completed"


def test_a_spot_job_is_interrupted_when_it_has_written_a_checkpoint(toy, client):
    command = "trap 'echo told; exit 0' TERM; echo up; touch point; while true; do sleep 0.05; done"
    with toy(faults="spot=2,spot-after=600", grace=10) as emulator:
        cloud = client(emulator)
        cloud.start("spot", command, spot=True)
        cloud.until(lambda: cloud("GET", "jobs/spot")[1]["log"].count("up") == 3)
        cloud("DELETE", "jobs/spot")
        assert cloud.wait("spot")["log"] == ["up", "told"] * 3


# --- TLS ------------------------------------------------------------------------------------------


def test_over_https_with_the_file_of_authorities(toy, client):
    with toy(tls=True) as emulator:
        cloud = client(emulator)
        assert emulator.endpoint.startswith("https://127.0.0.1:")
        cloud.start("one", "echo over tls")
        assert cloud.wait("one")["log"] == ["over tls"]
        assert cloud("GET", "address")[1] == emulator.endpoint
        emulator.advance(1)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{emulator.endpoint}/jobs")
        variables = emulator.environment
        assert variables["REQUESTS_CA_BUNDLE"] == emulator.authorities
        program = (
            "import os, requests; print(requests.get(os.environ['TOY_ENDPOINT'] + '/jobs').json())"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], env=variables, capture_output=True, text=True
        )
        assert done.stdout == "{'jobs': ['one'], 'token': None}\n", done.stderr


def test_a_client_that_shakes_no_hands_keeps_nobody_waiting(toy, client):
    import socket

    with toy(tls=True) as emulator:
        port = emulator.ready["port"]
        with socket.create_connection(("127.0.0.1", port)):
            assert client(emulator)("GET", "jobs", timeout=10)[0] == 200


def test_faults_strike_over_tls_too(toy, client):
    with toy(tls=True, faults="lost:CreateJob=1,throttle:GetJob=1") as emulator:
        cloud = client(emulator)
        with pytest.raises(
            (
                http.client.RemoteDisconnected,
                ConnectionResetError,
                ssl.SSLError,
                urllib.error.URLError,
            )
        ):
            cloud.start("lost")
        assert cloud("GET", "jobs")[0] == 429


# --- the door -------------------------------------------------------------------------------------


def test_the_cloud_answers_at_its_own_host_names_and_all_others_are_refused(client, monkeypatch):
    from toycloud import DoorEmulator

    monkeypatch.delenv(RECORD)
    with DoorEmulator() as emulator:
        cloud = client(emulator)
        assert cloud.endpoint == "https://api.toy.example"
        cloud.start("one", "echo through the door")
        assert cloud.wait("one")["log"] == ["through the door"]
        assert cloud("GET", "address")[1] == "https://api.toy.example"
        big = cloud("POST", "jobs", {"name": "big", "command": ": " + "x" * 300_000})
        assert big == (200, {"name": "big"})
        cloud.endpoint = "https://elsewhere.example"
        with pytest.raises(OSError, match="403"):
            cloud("GET", "jobs")
        assert emulator.refused() == {"elsewhere.example": 1}


def test_unmodified_requests_go_through_the_door(monkeypatch):
    from toycloud import DoorEmulator

    program = """
import json, requests
session = requests.Session()
print(session.get("https://api.toy.example/jobs").json()["jobs"])
try:
    requests.get("https://pypi.example/")
except requests.exceptions.ProxyError:
    print("refused")
"""
    # A shell that lets the cloud's hosts go direct would lead round the door.
    monkeypatch.setenv("NO_PROXY", "toy.example")
    monkeypatch.delenv(RECORD)
    with DoorEmulator() as emulator:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=emulator.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.stdout == "[]\nrefused\n", done.stderr


# --- what the owner sees --------------------------------------------------------------------------


def test_the_owner_learns_why_it_did_not_start(toy):
    class Broken(toy):
        MODULE = "no_such_module"

    with pytest.raises(ProviderError, match=r"the toy cloud did not start: .*no_such_module"):
        Broken().start()


def test_an_emulator_that_is_not_started_says_so(toy):
    with pytest.raises(RuntimeError, match="is not started"):
        _ = toy().endpoint


def test_what_was_prepared_is_told(toy):
    with toy() as emulator:
        assert emulator.prepared == ("Made for the toy: {}",)
        assert json.dumps(emulator.ready["isolation"])
