"""`waterflow emulate`, as a user types it, whatever the emulator."""

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.emulate_verb import answers, emulate, entry, exported, started
from tests.servers import wait_for
from waterflow.provider.emulators import PASSING

__all__ = ["started"]


def test_a_signal_and_a_missing_program_have_the_shell_s_codes(tmp_path):
    done = emulate("toy", "--", "sh", "-c", "kill -9 $$", cwd=tmp_path)
    assert done.returncode == 137
    done = emulate("toy", "--", "no-such-program", cwd=tmp_path)
    assert done.returncode == 3
    assert "no-such-program cannot be run" in done.stderr


def test_it_leaves_nothing_in_the_folder_and_says_how_jobs_are_walled_in(tmp_path):
    done = emulate("toy", "--", "sh", "-c", f'test -n "${PASSING}"', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Jobs: " in done.stderr
    assert "Made for the toy: {}" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_command_it_stays_until_it_is_ended(started, number):
    process = started("toy", "--json")
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    document = json.loads(text)
    assert document["environment"]["TOY_ENDPOINT"] == document["endpoint"]
    assert "/toy" in document["isolation"]
    assert document["unset"] == ["TOY_PROFILE"]
    jobs = f"{document['endpoint']}/jobs"
    assert answers(jobs)
    process.send_signal(number)
    assert process.wait(300) == 0
    assert not answers(jobs)


def test_the_export_lines_are_for_a_shell(started):
    lines, (endpoint, profile) = exported(
        started("toy"), "TOY_ENDPOINT", "TOY_PROFILE", TOY_PROFILE="mine"
    )
    assert endpoint.startswith("http://127.0.0.1:")
    assert profile == ""
    assert shlex.split(lines[0], comments=True) == []


def test_it_ends_with_the_verb_even_when_that_is_killed(started):
    process = started("toy", "--json")
    jobs = f"{entry(process, 'endpoint')}/jobs"
    assert answers(jobs)
    process.kill()
    process.wait(300)
    wait_for(lambda: not answers(jobs))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_ends_with_the_verb(started, tmp_path, number, code):
    process = started(
        "toy",
        "--",
        sys.executable,
        "-c",
        "import os, pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)",
    )
    mark = tmp_path / "pid"
    pid = wait_for(lambda: mark.exists() and mark.read_text())
    process.send_signal(number)
    assert process.wait(300) == code
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["elsewhere"], "There is no emulator 'elsewhere'; there are: "),
        (["toy", "--image", "x"], "write the image and a folder: --image NAME=DIR"),
        (["toy", "--image", "x=nowhere"], "is no environment"),
        (["toy", "--state", "file"], "Invalid value for '--state'"),
    ],
)
def test_wrong_options_are_one_clear_message(tmp_path, arguments, said):
    (tmp_path / "file").touch()
    done = emulate(*arguments, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_tells_every_fault(tmp_path):
    from waterflow.provider.emulators import FAULTS

    done = emulate("--help", cwd=tmp_path)
    assert all(name in done.stdout for name in FAULTS)
