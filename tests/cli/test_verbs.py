"""The verbs that start no run, and `init`: targets, checks, documents, profiles, scaffold, UI."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.cli.conftest import TINY, waterflow, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

YAML = """
pipeline: written
steps:
  - call: pipeline:one
    with: {n: 1}
"""

DATA = """
import waterflow as wf


@wf.step
def read(file: wf.Data) -> int:
    return len(file.path.read_text())


@wf.pipeline
def reading(source: wf.Data) -> None:
    read(source)
"""


@pytest.mark.parametrize(
    ("target", "files", "name"),
    [
        (".", {}, "tiny"),
        ("pipeline.py", {}, "tiny"),
        ("pipeline.py:tiny", {}, "tiny"),
        (".:tiny", {}, "tiny"),
        ("pipeline:tiny", {}, "tiny"),
        ("written.yaml", {"written.yaml": YAML}, "written"),
        ("deep/er", {"deep/er/pipeline.py": TINY}, "tiny"),
        ("deep.er.pipeline:tiny", {"deep/er/pipeline.py": TINY}, "tiny"),
        ("src/inner/pipeline.py", {"src/inner/pipeline.py": TINY}, "tiny"),
        ("two.py:b", {"two.py": "from pipeline import tiny as a\nfrom deeper import b\n",
                      "deeper.py": TINY + "\nb = tiny\n"}, "tiny"),
        ("own.py", {"own.py": "from pipeline import tiny\n" + TINY.replace("tiny", "own")}, "own"),
        ("renamed.py:new-name", {"renamed.py": TINY.replace(
            "@wf.pipeline", "@wf.pipeline(name='new-name')")}, "new-name"),
    ],
)  # fmt: skip
def test_a_target_is_found(
    target: str, files: dict[str, str], name: str, project: Path, invoke: Callable[..., Result]
) -> None:
    write(project, files)
    result = invoke("validate", target, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["valid"], report["pipeline"], report["problems"]) == (True, name, [])


def test_modules_are_named_from_the_root(project: Path, invoke: Callable[..., Result]) -> None:
    write(project, {"src/inner/pipeline.py": TINY, "deep/er/pipeline.py": TINY})
    for target, module in (("src/inner", "inner.pipeline"), ("deep/er", "deep.er.pipeline")):
        jobs = json.loads(invoke("compile", target).stdout)["jobs"]
        assert jobs["one"]["step"]["run"]["module"] == module


def test_what_a_module_prints_is_no_part_of_the_answer(
    project: Path, invoke: Callable[..., Result]
) -> None:
    (project / "pipeline.py").write_text("print('hello')\n" + TINY)
    result = invoke("compile", ".")
    assert json.loads(result.stdout)["pipeline"] == "tiny"
    assert result.stderr == "hello\n"


def test_a_relative_path_is_seen_from_the_working_folder(
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    invoke: Callable[..., Result],
) -> None:
    write(project, {"pipeline.py": DATA, "sub/a.txt": "a"})
    outside = tmp_path_factory.mktemp("outside")
    (outside / "b.txt").write_text("b")
    monkeypatch.chdir(project / "sub")
    assert invoke("validate", "..", "-p", "source=a.txt").exit_code == 0
    monkeypatch.chdir(outside)
    assert invoke("validate", str(project), "-p", "source=b.txt").exit_code == 0
    missing = invoke("validate", str(project), "-p", "source=a.txt")
    assert missing.exit_code == 3
    assert str(outside / "a.txt") in missing.stderr


def test_all_problems_are_told_at_once(project: Path, invoke: Callable[..., Result]) -> None:
    text = TINY.replace("@wf.step\ndef one", "@wf.step(instances=2)\ndef one")
    text = text.replace("@wf.step\ndef two", "@wf.step(instances=3)\ndef two")
    text = text.replace("    metrics = two", "    read(wf.Data('none.csv'))\n    metrics = two")
    read = "@wf.step\ndef read(file: wf.Data) -> int:\n    return 1\n\n\n"
    text = text.replace("@wf.pipeline", f"{read}@wf.pipeline")
    (project / "pipeline.py").write_text(text)
    result = invoke("validate", ".")
    assert result.exit_code == 2
    for named in ("'one'", "instances=2", "'two'", "instances=3", "none.csv"):
        assert named in result.stderr
    report = json.loads(invoke("validate", ".", "--json").stdout)
    assert [one["kind"] for one in report["problems"]] == [
        "UnsupportedFeatureError",
        "UnsupportedFeatureError",
        "ConfigurationError",
    ]


def test_the_plan_lists_what_the_provider_cannot_do(
    project: Path, invoke: Callable[..., Result]
) -> None:
    text = TINY.replace("@wf.step\n", "@wf.step(instances=2)\n")
    (project / "pipeline.py").write_text(text)
    result = invoke("plan", ".", "--json")
    assert result.exit_code == 2
    plan = json.loads(result.stdout)
    assert len(plan["problems"]) == 2
    assert [step["name"] for step in plan["steps"]] == ["one", "two", "never"]
    shown = invoke("plan", ".")
    assert "instances=2" in shown.stderr
    assert not (project / ".waterflow" / "runs").exists()


def test_compile_is_stable_and_goes_to_a_file(project: Path, invoke: Callable[..., Result]) -> None:
    text = invoke("compile", ".").stdout
    assert invoke("compile", ".", "-o", "document.json").stdout == ""
    assert (project / "document.json").read_text() == text
    document = json.loads(text)
    assert list(document) == sorted(document)


@pytest.mark.parametrize("form", ["terminal", "mermaid", "svg"])
def test_graphs_name_every_step(form: str, project: Path, invoke: Callable[..., Result]) -> None:
    text = invoke("graph", ".", "--format", form).stdout
    for step in ("one", "two", "never"):
        assert step in text


def test_the_graph_as_json_has_the_edges(project: Path, invoke: Callable[..., Result]) -> None:
    graph = json.loads(invoke("graph", ".", "--json").stdout)
    assert graph["edges"] == [["one", "two"], ["two", "never"]]
    assert graph["groups"] == []


def test_the_graph_as_json_has_the_groups(project: Path, invoke: Callable[..., Result]) -> None:
    call = "{call: pipeline:one, with: {n: 1}}"
    inner = f"pipeline: inner\nsteps:\n  - {call}\nreturns: $one\n"
    middle = f"pipeline: middle\nsteps:\n  - {{pipeline: inner.yaml}}\n  - {call}\n"
    outer = "pipeline: outer\nsteps:\n  - {pipeline: middle.yaml, group: m}\n"
    write(project, {"inner.yaml": inner, "middle.yaml": middle, "outer.yaml": outer})
    graph = json.loads(invoke("graph", "outer.yaml", "--json").stdout)
    assert graph["steps"] == ["m-inner-one", "m-one"]
    assert graph["groups"] == [
        {"name": "m", "pipeline": "middle", "within": None, "steps": ["m-one"]},
        {"name": "m-inner", "pipeline": "inner", "within": "m", "steps": ["m-inner-one"]},
    ]


@pytest.mark.parametrize("document", ["spec", "pipeline", "plan"])
def test_schemas_are_schemas(document: str, invoke: Callable[..., Result]) -> None:
    schema = json.loads(invoke("schema", document).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_plan_fits_its_schema(project: Path, invoke: Callable[..., Result]) -> None:
    schema = json.loads(invoke("schema", "plan").stdout)
    jsonschema.validate(json.loads(invoke("plan", ".", "--json").stdout), schema)


# --- profiles -------------------------------------------------------------------------------------


def test_profiles_are_imported_listed_and_shown(
    project: Path, invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = {"version": 1, "name": "small", "provider": "local", "settings": {"cpu": 1.0}}
    result = invoke("profile", "import", "-", stdin=json.dumps(exported))
    assert result.exit_code == 0, result.output
    assert "[profiles.small]" in (project / "waterflow.toml").read_text()
    profiles = json.loads(invoke("profile", "list", "--json").stdout)
    assert [(one["name"], one["default"]) for one in profiles] == [
        ("local", True),
        ("small", False),
    ]
    monkeypatch.setenv("WATERFLOW_CPU", "2")
    shown = json.loads(invoke("profile", "show", "small", "--json").stdout)
    assert shown["settings"] == {"cpu": 2.0}
    assert "cpu" in invoke("profile", "show", "small").stdout
    assert "1 CPU" not in invoke("plan", ".", "--profile", "small").stdout


def test_an_import_that_changes_nothing_or_is_wrong_writes_nothing(
    project: Path, invoke: Callable[..., Result]
) -> None:
    exported = {"version": 1, "name": "small", "provider": "local", "settings": {"cpu": 1.0}}

    def ask(*words: str, **changes: object) -> Result:
        return invoke("profile", "import", "-", *words, stdin=json.dumps(exported | changes))

    file = project / "waterflow.toml"
    before = file.read_text() if file.exists() else ""
    tried = ask("--dry-run")
    assert "+cpu = 1.0" in tried.stdout.splitlines()
    for settings, said in (({"cpus": 1.0}, "'cpus'"), ({"cpu": "two"}, "cpu")):
        wrong = ask(settings=settings)
        assert wrong.exit_code == 3
        assert said in wrong.stderr
    unknown = ask(provider="nowhere")
    assert unknown.exit_code == 3
    assert "'nowhere'" in unknown.stderr
    assert (file.read_text() if file.exists() else "") == before
    assert json.loads(ask("--json").stdout)["written"]
    assert not json.loads(ask("--json").stdout)["changed"]
    assert "Nothing changes" in ask().stdout


def test_an_unknown_profile_completes_to_the_known_ones(project: Path) -> None:
    words = {"COMP_WORDS": "waterflow plan --profile l", "COMP_CWORD": "3"}
    done = waterflow(cwd=project, env=os.environ | words | {"_WATERFLOW_COMPLETE": "bash_complete"})
    assert done.stdout == "plain,local\n", done.stderr


# --- doctor ---------------------------------------------------------------------------------------


def checks(result: Result) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(result.stdout)["checks"]}


def test_doctor_finds_nothing_broken(project: Path, invoke: Callable[..., Result]) -> None:
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    states = checks(result)
    assert "broken" not in states.values()
    assert {"python", "state", "disk", "processes", "git", "provider local", "mlflow"} <= set(
        states
    )
    assert sorted(path.name for path in (project / ".waterflow").iterdir()) == [".gitignore"]


def test_doctor_finds_what_is_broken(
    project: Path, invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".waterflow").write_text("a file where the folder should be")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result = invoke("doctor", "--json")
    assert result.exit_code == 3
    states = checks(result)
    assert (states["state"], states["mlflow"]) == ("broken", "broken")
    assert "waterflow sync" in invoke("doctor").stdout
    monkeypatch.setenv("WATERFLOW_PROFILE", "nowhere")
    assert checks(invoke("doctor", "--json"))["profile"] == "broken"


def test_doctor_finds_a_store_that_is_none(project: Path, invoke: Callable[..., Result]) -> None:
    (project / ".waterflow").mkdir()
    (project / ".waterflow" / "mlflow.db").write_text("this is no database, far from it")
    result = invoke("doctor", "--json")
    assert (result.exit_code, checks(result)["mlflow"]) == (3, "broken")


# --- init, from nothing to a registered model -----------------------------------------------------


def test_a_new_project_runs_and_tests_itself(tmp_path: Path) -> None:
    done = waterflow("init", "new", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cd new && waterflow run pipelines/hello" in done.stdout
    again = waterflow("init", "new", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (3, "")
    root = tmp_path / "new"
    assert "# new" in (root / "README.md").read_text()
    run = waterflow("run", "pipelines/hello", "--wait-tracking", cwd=root)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "model hello, version 1 (models:/hello/1)" in run.stdout
    assert "tracking events" not in run.stdout, "all was sent"
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in tests.stdout, tests.stdout
    runs = json.loads(waterflow("runs", "--json", cwd=root).stdout)
    assert len(runs) == 1, "those of the tests are none of the project's"
    ui_shows_runs_and_leaves_no_process(root)


def ui_shows_runs_and_leaves_no_process(root: Path) -> None:
    """Called on a project that has runs: making another one takes long."""
    with subprocess.Popen(
        [sys.executable, "-m", "waterflow.cli", "ui", "--no-open"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ui:
        assert ui.stdout is not None
        line = ui.stdout.readline()
        assert line.startswith("MLflow UI on http://127.0.0.1:"), line + ui.communicate()[1]
        url = line.split()[3]
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/experiments/search",
            data=b'{"max_results": 10}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            names = {one["name"] for one in json.load(answer)["experiments"]}
        children = descendants(ui.pid)
        assert children
        ui.send_signal(signal.SIGINT)
        out, err = ui.communicate(timeout=300)
    assert "hello" in names
    assert (ui.returncode, out, err) == (0, "", "")
    deadline = time.monotonic() + 10
    while any(running(pid) for pid in children):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    pids = [pid]
    for ancestor in pids:
        pids += [child for child, parent in parents if parent == ancestor]
    return pids[1:]


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_port_that_is_taken_is_told(project: Path, invoke: Callable[..., Result]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # A store that is ready spares the test the making of one.
        from importlib.metadata import version

        state = project / ".waterflow"
        state.mkdir()
        (state / "mlflow.db").touch()
        (state / "mlflow.db.ready").write_text(version("mlflow"))
        result = invoke("ui", "--no-open", "--port", str(port))
    assert result.exit_code == 3
    assert str(port) in result.stderr


def test_the_address_of_a_server_is_told(
    project: Path, invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    result = invoke("ui", "--no-open")
    assert result.stdout == "The runs are tracked at https://mlflow.example.com\n"
