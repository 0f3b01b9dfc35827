import sys
from pathlib import Path

import pytest
from waterflow_local.provider import LocalProvider

from waterflow.errors import ConfigurationError, MissingDependencyError
from waterflow.project.profile import Profile
from waterflow.provider import discovery


def package(folder: Path, name: str, points: str, source: str = "", extra: str = "") -> None:
    """A real installed package: a module and its dist-info on the import path."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    more = f"Provides-Extra: {extra}\n" if extra else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{more}")
    (info / "entry_points.txt").write_text(f"[waterflow.providers]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_local_provider_comes_with_waterflow() -> None:
    assert discovery.providers()["local"].module == "waterflow_local.provider"


def test_a_stranger_s_provider_is_found_and_only_it_is_imported(site: Path) -> None:
    package(site, "good_one", "good = good_one:Good", "class Good:\n    name = 'good'\n")
    package(site, "other_one", "other = other_one:Other", "raise RuntimeError('imported')")
    assert {"good", "other", "local"} <= set(discovery.providers())
    assert discovery.provider("good").name == "good"
    assert "other_one" not in sys.modules


def test_an_unknown_provider_lists_those_installed() -> None:
    with pytest.raises(
        ConfigurationError, match=r"No provider 'moon' is installed; there are: .*local"
    ):
        discovery.provider("moon")


def test_a_missing_library_is_a_missing_dependency(site: Path) -> None:
    package(site, "needs_it", "needy = needs_it:Needy", "import no_such_library_x\n")
    with pytest.raises(MissingDependencyError, match="Provider 'needy' needs no_such_library_x"):
        discovery.provider("needy")


def test_a_missing_library_of_an_extra_comes_with_its_command(site: Path) -> None:
    package(site, "has_extra", "rich = has_extra:Rich", "import no_such_library_y\n", "rich")
    with pytest.raises(MissingDependencyError, match=r'pip install "has_extra\[rich\]"'):
        discovery.provider("rich")


def test_an_entry_point_that_names_nothing_is_refused(site: Path) -> None:
    package(site, "empty_one", "empty = empty_one:Gone\nnumber = empty_one:NUMBER", "NUMBER = 3\n")
    with pytest.raises(ConfigurationError, match=r"Provider 'empty' .*cannot be loaded"):
        discovery.provider("empty")
    with pytest.raises(ConfigurationError, match="is int, not a class"):
        discovery.provider("number")


def test_a_provider_that_does_not_say_what_it_can_do_is_refused(tmp_path: Path) -> None:
    class Wordless(LocalProvider):
        capabilities = "much"  # type: ignore[assignment]

    profile = Profile("here", "local", {}, None, None, "waterflow.toml")
    LocalProvider(tmp_path, profile).check_settings()
    with pytest.raises(
        ConfigurationError, match=r"The capabilities of provider 'local' are str, not waterflow\."
    ):
        Wordless(tmp_path, profile).check_settings()


def test_two_packages_with_one_name_are_refused(site: Path) -> None:
    package(site, "first_one", "twice = first_one:A")
    package(site, "second_one", "twice = second_one:B")
    with pytest.raises(
        ConfigurationError, match=r"Two packages give a provider 'twice'.*first_one"
    ):
        discovery.providers()
