import io
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterflow.errors import ConfigurationError, DefinitionError
from waterflow.packing import bundle, shipping


def put(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def own(packed: bundle.Bundle) -> set[str]:
    """The bundle's files that are the project's."""
    return {path for path in packed.files if not path.startswith(("waterflow/", "waterflow-"))}


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


# --- the import closure ---------------------------------------------------------------------------


def test_the_closure_follows_every_form_of_import(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "steps.py": (
                "import os, json as j\n"
                "import whole.deep.module\n"
                "from package import submodule, attribute\n"
                "from starred import *\n"
                "try:\n    import optional_one\nexcept ImportError:\n    optional_one = None\n"
                "def step():\n    from inner.late import thing\n    import pandas as pd\n"
                "class C:\n    import in_class\n"
            ),
            "whole/__init__.py": "",
            "whole/deep/__init__.py": "from . import sibling\n",
            "whole/deep/sibling.py": "from ..up import x\nfrom ...beyond import y\n",
            "whole/up.py": "x = 1\n",
            "whole/deep/module.py": "",
            "package/__init__.py": "attribute = 1\n",
            "package/submodule.py": "",
            "package/unused.py": "",
            "starred/__init__.py": "__all__ = ['part', 'name']\nname = 1\n",
            "starred/part.py": "",
            "inner/late.py": "thing = 1\n",
            "optional_one.py": "",
            "in_class.py": "",
            "unrelated.py": "",
        },
    )
    packed = bundle.build("steps", tmp_path)
    assert own(packed) == {
        "steps.py",
        "whole/__init__.py",
        "whole/deep/__init__.py",
        "whole/deep/sibling.py",
        "whole/deep/module.py",
        "whole/up.py",
        "package/__init__.py",
        "package/submodule.py",
        "starred/__init__.py",
        "starred/part.py",
        "inner/late.py",
        "optional_one.py",
        "in_class.py",
    }
    assert packed.third_party == ("pandas",)


def test_imports_for_type_checkers_alone_are_left_out(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "steps.py": (
                "import typing\nfrom typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    import one\nelse:\n    import two\n"
                "if not typing.TYPE_CHECKING:\n    import three\nelif True:\n    import four\n"
            ),
            **{f"{name}.py": "" for name in ("one", "two", "three", "four")},
        },
    )
    assert own(bundle.build("steps", tmp_path)) == {"steps.py", "two.py", "three.py"}


def test_parents_are_taken_along_and_circles_end(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "pipelines/fraud/steps.py": "from pipelines.fraud import other\n",
            "pipelines/fraud/other.py": "import pipelines.fraud.steps\n",
            "pipelines/fraud/__init__.py": "import shared\n",
            "shared.py": "",
        },
    )
    packed = bundle.build("pipelines.fraud.steps", tmp_path)
    assert own(packed) == {
        "pipelines/fraud/steps.py",
        "pipelines/fraud/other.py",
        "pipelines/fraud/__init__.py",
        "shared.py",
    }
    assert packed.third_party == ()


def test_a_bare_folder_hides_no_library_and_no_standard_module(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "steps.py": "import pandas, email.message, mlflow.pyfunc\n",
            "pandas/notes.txt": "",
            "email/message.py": "",
            "mlflow/data.csv": "",
        },
    )
    packed = bundle.build("steps", tmp_path)
    assert own(packed) == {"steps.py"}
    assert packed.third_party == ("mlflow", "pandas")


def test_a_library_that_is_not_installed_is_no_error(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "import no_such_library_x, numpy\n"})
    assert bundle.build("steps", tmp_path).third_party == ("numpy",)


def test_a_src_layout_and_folders_of_the_import_path_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        tmp_path,
        {
            "src/mine/steps.py": "import helper\n",
            "src/mine/__init__.py": "",
            "src/mine/table.csv": "1",
            "scripts/helper.py": "",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path / "scripts"))
    packed = bundle.build("mine.steps", tmp_path, ("src/mine/*.csv",))
    assert own(packed) == {"mine/steps.py", "mine/__init__.py", "mine/table.csv", "helper.py"}


def test_a_syntax_error_is_located(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "import broken\n", "broken.py": "x = 1\ndef (:\n"})
    with pytest.raises(DefinitionError, match=r"broken\.py:2: Module 'broken' has a syntax error"):
        bundle.build("steps", tmp_path)


def test_a_step_s_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="Module 'no_such_steps' is not in the project"):
        bundle.build("no_such_steps", tmp_path)


def test_generated_modules_are_packed_and_followed(tmp_path: Path) -> None:
    put(tmp_path, {"helper.py": ""})
    text = "import helper\nimport numpy\n"
    packed = bundle.build("exported_1", tmp_path, generated={"exported_1": text})
    assert own(packed) == {"exported_1.py", "helper.py"}
    assert packed.files["exported_1.py"] == text.encode()
    assert packed.third_party == ("numpy",)


# --- the digest -----------------------------------------------------------------------------------


def test_the_digest_depends_on_the_closure_alone(tmp_path: Path) -> None:
    files = {"steps.py": "import used\n", "used.py": "a = 1\n", "other.py": ""}
    one, two = put(tmp_path / "one", files), put(tmp_path / "two", files)
    first = bundle.build("steps", one)
    assert bundle.build("steps", two).digest == first.digest
    put(two, {"other.py": "changed = 1\n"})
    os.utime(two / "steps.py", (0, 0))
    assert bundle.build("steps", two).digest == first.digest
    put(two, {"used.py": "a = 2\n"})
    assert bundle.build("steps", two).digest != first.digest


def test_a_rename_and_an_executable_bit_change_the_digest(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "", "a/run.sh": "exit\n"})
    first = bundle.build("steps", tmp_path, ("a",)).digest
    (tmp_path / "a" / "run.sh").chmod(0o755)
    second = bundle.build("steps", tmp_path, ("a",)).digest
    (tmp_path / "a").rename(tmp_path / "b")
    third = bundle.build("steps", tmp_path, ("b",)).digest
    assert len({first, second, third}) == 3


names = st.sampled_from(["a", "b", "c", "d", "e"])


@settings(max_examples=25)
@given(edges=st.dictionaries(names, st.lists(names, max_size=4), min_size=1), start=names)
def test_the_closure_is_what_can_be_reached(
    tmp_path_factory: pytest.TempPathFactory, edges: dict[str, list[str]], start: str
) -> None:
    root = tmp_path_factory.mktemp("graph")
    for name in ("a", "b", "c", "d", "e"):
        imports = "".join(f"import prefix_{other}\n" for other in edges.get(name, []))
        (root / f"prefix_{name}.py").write_text(imports)
    reached, waiting = set[str](), [start]
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting.extend(edges.get(name, []))
    packed = bundle.build(f"prefix_{start}", root)
    assert own(packed) == {f"prefix_{name}.py" for name in reached}


def test_one_bundler_reads_each_file_once(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "import used\n", "used.py": "", "more.py": "import used\n"})
    bundler = bundle.Bundler(tmp_path)
    first = bundler.build("steps")
    put(tmp_path, {"used.py": "changed = 1\n"})
    assert bundler.build("steps") is first
    assert bundler.build("more").files["used.py"] == b""
    assert bundle.build("more", tmp_path).files["used.py"] == b"changed = 1\n"


# --- include, ignore ------------------------------------------------------------------------------


def test_include_takes_globs_and_folders(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "steps.py": "",
            "conf/a.yaml": "a",
            "conf/deep/b.yaml": "b",
            "top.txt": "",
            "conf/__pycache__/x.pyc": "",
            ".waterflow/state.txt": "",
        },
    )
    assert own(bundle.build("steps", tmp_path, ("conf/",))) == {
        "steps.py",
        "conf/a.yaml",
        "conf/deep/b.yaml",
    }
    assert own(bundle.build("steps", tmp_path, ("**/*.txt", "conf/*.yaml"))) == {
        "steps.py",
        "top.txt",
        "conf/a.yaml",
    }


@pytest.mark.parametrize("pattern", ["/etc/hosts", "../x", ".", "", "nothing/*.txt"])
def test_an_include_that_finds_nothing_or_leaves_the_root_is_refused(
    tmp_path: Path, pattern: str
) -> None:
    put(tmp_path, {"steps.py": ""})
    with pytest.raises(ConfigurationError, match="include="):
        bundle.build("steps", tmp_path, (pattern,))


@pytest.mark.parametrize("repository", [True, False], ids=["git", "no git"])
def test_ignored_files_stay_out(tmp_path: Path, repository: bool) -> None:
    put(
        tmp_path,
        {
            "steps.py": "",
            ".gitignore": "*.tmp\n/data/big/\n!keep.tmp\n",
            "data/.gitignore": "local.csv\n",
            ".waterflowignore": "drafts/\n!data/big/wanted.csv\n",
            "data/a.csv": "",
            "data/local.csv": "",
            "data/x.tmp": "",
            "data/keep.tmp": "",
            "data/big/b.csv": "",
            "data/big/wanted.csv": "",
            "data/drafts/c.csv": "",
        },
    )
    if repository:
        git(tmp_path, "init")
    packed = bundle.build("steps", tmp_path, ("data/**/*",))
    assert own(packed) - {"data/.gitignore"} == {
        "steps.py",
        "data/a.csv",
        "data/keep.tmp",
        "data/big/wanted.csv",
    }
    with pytest.raises(ConfigurationError, match=r"only files left out by .*data/x\.tmp"):
        bundle.build("steps", tmp_path, ("data/*x.tmp",))


def test_what_git_tracks_is_not_ignored(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "", "a.csv": "", ".gitignore": "*.csv\n"})
    git(tmp_path, "init")
    git(tmp_path, "add", "-f", "a.csv")
    assert "a.csv" in bundle.build("steps", tmp_path, ("*.csv",)).files


@pytest.mark.parametrize("repository", [True, False], ids=["git", "no git"])
def test_a_module_that_is_ignored_is_named(tmp_path: Path, repository: bool) -> None:
    put(tmp_path, {"steps.py": "import made\n", "made.py": "", ".gitignore": "made.py\n"})
    if repository:
        git(tmp_path, "init")
    with pytest.raises(DefinitionError, match="Module 'made' is imported by a step but left out"):
        bundle.build("steps", tmp_path)
    put(tmp_path, {".waterflowignore": "!made.py\n"})
    assert own(bundle.build("steps", tmp_path)) == {"steps.py", "made.py"}


def test_a_module_beyond_a_link_is_not_taken_for_ignored(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", {"shared/__init__.py": ""})
    root = put(tmp_path / "root", {"steps.py": "import shared\n"})
    (root / "shared").symlink_to(tmp_path / "elsewhere" / "shared")
    git(root, "init")
    assert own(bundle.build("steps", root)) == {"steps.py", "shared/__init__.py"}


# --- limits and secrets ---------------------------------------------------------------------------


def test_a_bundle_that_is_too_large_lists_its_largest_files(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "", "a.bin": "x" * 3000, "b.bin": "x" * 2000, "c.bin": "x"})
    bundler = bundle.Bundler(tmp_path, size_limit=4096)
    with pytest.raises(
        ConfigurationError, match=r"(?s)limit is .*a\.bin.*b\.bin.*\.waterflowignore"
    ):
        bundler.build("steps", ("*.bin",))
    assert "b.bin" in bundler.build("steps", ("b.bin",)).files


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".env", "A=1"),
        ("conf/.env.production", ""),
        ("server.pem", ""),
        ("id_rsa", ""),
        ("store.p12", ""),
        (".netrc", ""),
        (".aws/credentials", ""),
        ("tls.key", "-----BEGIN EC PRIVATE KEY-----\n"),
        ("credentials.json", '{"private_key": "x"}'),
        ("conf.yaml", "key: -----BEGIN PRIVATE KEY-----"),
        ("notes.txt", "id AKIA" + "ABCDEFGHIJKLMNOP"),
    ],
)
def test_an_obvious_secret_is_refused(tmp_path: Path, path: str, text: str) -> None:
    put(tmp_path, {"steps.py": "", path: text})
    with pytest.raises(ConfigurationError, match=r"wf\.secret") as caught:
        bundle.build("steps", tmp_path, (path,))
    assert path in str(caught.value)


def test_a_secret_in_source_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"steps.py": "KEY = 'AKIA" + "ABCDEFGHIJKLMNOP'\n"})
    with pytest.raises(ConfigurationError, match=r"steps\.py .*AWS access key"):
        bundle.build("steps", tmp_path)


def test_harmless_look_alikes_are_packed(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "steps.py": "# AKIA" + "IOSFODNN7EXAMPLE is the vendor's own example\n",
            "public.key": "ssh-rsa AAAA",
            "environment.txt": "",
            "credentials.json": "{}",
        },
    )
    include = ("public.key", "environment.txt", "credentials.json")
    assert {*include, "steps.py"} == own(bundle.build("steps", tmp_path, include))


# --- writing --------------------------------------------------------------------------------------


def test_a_bundle_is_written_once_and_whole(tmp_path: Path) -> None:
    root = put(tmp_path / "root", {"steps.py": "a = 1\n", "run.sh": "exit\n"})
    (root / "run.sh").chmod(0o755)
    packed = bundle.build("steps", root, ("run.sh",))
    folder = shipping.write(packed, tmp_path / "bundles")
    assert folder == tmp_path / "bundles" / packed.digest
    assert (folder / "steps.py").read_text() == "a = 1\n"
    assert os.access(folder / "run.sh", os.X_OK)
    before = (folder / "steps.py").stat().st_ino
    assert shipping.write(packed, tmp_path / "bundles") == folder
    assert (folder / "steps.py").stat().st_ino == before
    assert [one.name for one in (tmp_path / "bundles").iterdir()] == [packed.digest]


def test_writers_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    root = put(tmp_path / "root", {"steps.py": "a = 1\n"})
    packed = bundle.build("steps", root)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            shipping.write(packed, tmp_path / "bundles")
        except BaseException as error:  # noqa: BLE001 - reported below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [one.name for one in (tmp_path / "bundles").iterdir()] == [packed.digest]


def test_a_file_changed_since_is_noticed(tmp_path: Path) -> None:
    root = put(tmp_path / "root", {"steps.py": "", "a.csv": "1"})
    packed = bundle.build("steps", root, ("a.csv",))
    put(root, {"a.csv": "2"})
    with pytest.raises(ConfigurationError, match=r"a\.csv was changed while it was packed"):
        shipping.write(packed, tmp_path / "bundles")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_the_archive_s_bytes_depend_on_the_content_alone(tmp_path: Path) -> None:
    files = {"steps.py": "a = 1\n", "a.csv": "1", f"long/{'x' * 120}.csv": ""}
    one, two = put(tmp_path / "one", files), put(tmp_path / "two", files)
    os.utime(two / "a.csv", (0, 0))
    packed = shipping.archive(bundle.build("steps", one, ("a.csv", "long")))
    assert shipping.archive(bundle.build("steps", two, ("a.csv", "long"))) == packed
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        entries = tar.getmembers()
        assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
        assert {(entry.mtime, entry.uid, entry.uname) for entry in entries} == {(0, 0, "")}
        stream = tar.extractfile("steps.py")
        assert stream is not None
        assert stream.read() == b"a = 1\n"
