import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterflow.errors import ConfigurationError
from waterflow.project import importing, leaks, profile

TOML = """\
# our clouds
default_profile = "aws"

[tracking]
uri = "https://mlflow.example.org"

[profiles.aws]
provider = "sagemaker"
region = "eu-west-1"  # close to us
instances = 2

[profiles.dev]
provider = "local"
slots = 4
tracking = { uri = "sqlite:///dev.db", experiment = "mine" }
"""


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    region: str
    instances: int = 1
    spot: bool = False
    subnets: list[str] = []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "waterflow.toml").write_text(TOML)
    return tmp_path


def load(root: Path, name: str | None = None, **environ: str) -> profile.Profile:
    return profile.load(root, name, environ)


def test_local_is_always_there(tmp_path: Path) -> None:
    profile = load(tmp_path)
    assert (profile.name, profile.provider, profile.settings) == ("local", "local", {})
    assert (profile.tracking_uri, profile.experiment, profile.source) == (None, None, "built in")


def test_the_default_the_environment_and_the_argument_choose(root: Path) -> None:
    assert load(root).name == "aws"
    assert load(root, WATERFLOW_PROFILE="dev").name == "dev"
    assert load(root, "local", WATERFLOW_PROFILE="dev").name == "local"


def test_a_profile_carries_provider_settings_and_tracking(root: Path) -> None:
    profile = load(root, "aws")
    assert profile.provider == "sagemaker"
    assert profile.settings == {"region": "eu-west-1", "instances": 2}
    assert profile.tracking_uri == "https://mlflow.example.org"
    assert profile.source == "waterflow.toml"
    dev = load(root, "dev")
    assert (dev.tracking_uri, dev.experiment) == ("sqlite:///dev.db", "mine")


def test_environment_variables_override_what_is_written(root: Path) -> None:
    profile = load(
        root,
        "aws",
        WATERFLOW_REGION="us-east-1",
        WATERFLOW_INSTANCES="5",
        WATERFLOW_SPOT="true",
        WATERFLOW_SUBNETS='["a", "b"]',
        WATERFLOW_TRACKING_URI="http://other",
        WATERFLOW_EXPERIMENT="try",
    )
    assert profile.settings == {"region": "us-east-1", "instances": 5}
    assert (profile.tracking_uri, profile.experiment) == ("http://other", "try")
    assert profile.convert(Settings) == Settings("us-east-1", 5, True, ["a", "b"])


def test_an_environment_variable_that_does_not_fit_is_named(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="WATERFLOW_INSTANCES='many' does not fit"):
        load(root, "aws", WATERFLOW_INSTANCES="many")


def test_a_refused_value_names_the_variables_that_stood_for_settings(root: Path) -> None:
    class Some(msgspec.Struct):
        region: str
        instances: int = 1

        def __post_init__(self) -> None:
            if self.instances < 1:
                raise ValueError("instances is below 1")

    with pytest.raises(ConfigurationError) as caught:
        load(root, "aws", WATERFLOW_INSTANCES="0", WATERFLOW_OTHER="1").convert(Some)
    assert str(caught.value).startswith(
        "waterflow.toml, profile 'aws', with WATERFLOW_INSTANCES of the environment: "
        "instances is below 1. Correct it"
    )


def test_the_same_content_in_pyproject(tmp_path: Path) -> None:
    text = "[tool.other]\na = 1\n[tool.waterflow]\ndefault_profile = 'x'\n"
    (tmp_path / "pyproject.toml").write_text(
        text + "[tool.waterflow.profiles.x]\nprovider = 'vertex'\n"
    )
    chosen = load(tmp_path)
    assert (chosen.provider, chosen.source) == ("vertex", "pyproject.toml [tool.waterflow]")
    assert [one.name for one in profile.list_profiles(tmp_path)] == ["local", "x"]
    (tmp_path / "waterflow.toml").write_text("")
    with pytest.raises(ConfigurationError, match="Keep one of them"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default_profil = 'a'", r"unknown key 'default_profil'\. Did you mean 'default_profile'"),
        ("default_profile = 3", "default_profile must be a text, not a number"),
        ("default_profile = 'gone'", r"no profile 'gone' \(default_profile\)"),
        ("tracking = 'x'", "tracking must be a table, not a text"),
        (
            "[tracking]\nurl = 'x'",
            r"unknown key 'tracking\.url'\. Did you mean 'tracking\.?uri|'uri'",
        ),
        ("[tracking]\nuri = true", r"tracking\.uri must be a text, not true or false"),
        ("[profiles]\na = 1", r"profiles\.a must be a table, not a number"),
        ("[profiles.a]\nregion = 'x'", r"\[profiles\.a\] names no provider"),
        ("[profiles.a]\nprovider = ''", r"profiles\.a\.provider must be a text, not an empty text"),
        ("[profiles.a\n", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "waterflow.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(tmp_path)
    assert str(tmp_path / "waterflow.toml") in str(caught.value)


def test_an_unknown_profile_lists_those_that_exist(root: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Did you mean 'aws'\? There are: aws, dev, local"
    ):
        load(root, "awz")
    with pytest.raises(ConfigurationError, match=r"\(from WATERFLOW_PROFILE\)"):
        load(root, WATERFLOW_PROFILE="nope")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("regoin = 'x'", r"has no setting 'regoin'\. Did you mean 'region'"),
        ("region = 3", r"Expected `str`, got `int`.*`region`"),
        ("spot = true", r"provider 'p' needs region\. Write under \[profiles\.a\]: region = "),
    ],
)
def test_settings_are_checked_by_the_provider_s_type(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "waterflow.toml").write_text(f"[profiles.a]\nprovider = 'p'\n{line}\n")
    with pytest.raises(ConfigurationError, match=said) as caught:
        load(tmp_path, "a").convert(Settings)
    assert "waterflow.toml, profile 'a'" in str(caught.value)
    assert "$" not in str(caught.value)


class Machine(msgspec.Struct, forbid_unknown_fields=True):
    size: str
    nodes: int = 1


class Nested(msgspec.Struct, forbid_unknown_fields=True):
    clusters: dict[str, Machine] = {}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{}", "it lacks the setting `size` - at `clusters.b`"),
        ("{size = 'x', vm = 1}", "there is no setting `vm` - at `clusters.b`"),
        ("{size = 'x', nodes = 'y'}", "Expected `int`, got `str` - at `clusters.b.nodes`"),
    ],
)
def test_what_is_wrong_in_a_table_of_tables_is_named(tmp_path: Path, entry: str, said: str) -> None:
    text = f"[profiles.p]\nprovider = 'p'\nclusters.a = {{size = 'x'}}\nclusters.b = {entry}\n"
    (tmp_path / "waterflow.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load(tmp_path, "p").convert(Nested)


# --- import ---------------------------------------------------------------------------------------


def exported(**changes: Any) -> str:
    document = {
        "version": 1,
        "name": "aws",
        "provider": "sagemaker",
        "settings": {"region": "eu-north-1", "role": "arn:aws:iam::1:role/x", "kms": None},
        "tracking": {"uri": "https://tracking"},
    }
    return json.dumps(document | changes)


def imported(root: Path, text: str, name: str | None = None) -> Path:
    change = importing.import_profile(root, text, name)
    change.write()
    return change.path


def test_an_imported_profile_replaces_the_old_and_keeps_comments(root: Path) -> None:
    path = imported(root, exported())
    text = path.read_text()
    assert "# our clouds" in text
    assert "# close to us" in text
    assert tomllib.loads(text)["profiles"]["dev"]["slots"] == 4
    chosen = load(root, "aws")
    assert chosen.settings == {"region": "eu-north-1", "role": "arn:aws:iam::1:role/x"}
    assert chosen.tracking_uri == "https://tracking"
    imported(root, exported())
    assert path.read_text() == text


OBJECT = json.loads(exported())
TERRAFORM = {"sensitive": False, "type": ["object", {"version": "number"}], "value": OBJECT}


@pytest.mark.parametrize(
    "outputs",
    [
        OBJECT,
        {"profile": OBJECT, "bucket": "shop"},
        {"profile": TERRAFORM, "bucket": {"sensitive": False, "type": "string", "value": "shop"}},
        exported(),
        {"profile": exported()},
        {"profile": {**TERRAFORM, "type": "string", "value": exported()}},
    ],
    ids=["one", "pulumi-all", "terraform-all", "text", "pulumi-text", "terraform-text"],
)
def test_a_profile_is_taken_from_what_stacks_print(tmp_path: Path, outputs: Any) -> None:
    imported(tmp_path, json.dumps(outputs))
    assert load(tmp_path, "aws").settings["region"] == "eu-north-1"


def test_an_import_shows_what_changes_and_then_nothing(root: Path) -> None:
    first = importing.import_profile(root, exported())
    assert first.changed
    assert '\n+region = "eu-north-1"' in first.diff
    assert (root / "waterflow.toml").read_text() == TOML
    first.write()
    again = importing.import_profile(root, exported())
    assert not again.changed
    assert again.diff == ""


def test_settings_of_steps_are_the_project_s_own(root: Path) -> None:
    imported(root, exported())
    file = root / "waterflow.toml"
    file.write_text(file.read_text() + "[profiles.aws.steps.train] # ours\nmachine = 'big'\n")
    imported(root, exported(settings={"region": "eu-west-1"}))
    assert "# ours" in file.read_text()
    assert load(root, "aws").settings == {
        "region": "eu-west-1",
        "steps": {"train": {"machine": "big"}},
    }


def test_the_published_schema_is_what_imports_take() -> None:
    import jsonschema

    judge = jsonschema.Draft202012Validator(importing.schema())
    assert judge.is_valid(OBJECT)
    for wrong in (
        {"version": 2},
        {"name": "a b"},
        {"provider": ""},
        {"settings": []},
        {"setings": {}},
        {"tracking": {"url": "x"}},
    ):
        assert not judge.is_valid(OBJECT | wrong), wrong


def test_a_profile_is_imported_into_a_project_without_a_file(tmp_path: Path) -> None:
    path = imported(tmp_path, exported(), "prod")
    assert path == tmp_path / "waterflow.toml"
    assert [one.name for one in profile.list_profiles(tmp_path)] == ["local", "prod"]
    assert [file.name for file in tmp_path.iterdir()] == ["waterflow.toml"]


def test_a_profile_is_imported_into_pyproject_where_the_project_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x' # mine\n[tool.waterflow]\n")
    path = imported(tmp_path, exported())
    assert path.name == "pyproject.toml"
    assert "# mine" in path.read_text()
    assert load(tmp_path, "aws").provider == "sagemaker"


@pytest.mark.parametrize(
    "setting",
    [
        {"client_secret": "abc"},
        {"db_password": "abc"},
        {"api_token": "abc"},
        {"storage_key": "abc"},
        {"nested": {"access_key": "abc"}},
        {"list": [{"token": "abc"}]},
        {"pem": "-----BEGIN RSA PRIVATE KEY-----\nabc"},
        {"id": "AKIA" + "ABCDEFGHIJKLMNOP"},
        {"database": "postgresql://me:pw@host/db"},
        {"storage": "DefaultEndpointsProtocol=https;AccountKey=abc=="},
    ],
)
def test_what_looks_like_a_secret_is_not_imported(root: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"looks like a secret.*wf\.secret"):
        imported(root, exported(settings=setting))
    assert (root / "waterflow.toml").read_text() == TOML


@pytest.mark.parametrize("key", ["arn:aws:kms:eu-west-1:1:key/2", "alias/shop", "mrk-12ab"])
def test_references_to_secrets_are_none(root: Path, key: str) -> None:
    given_settings = {"kms_key": key, "kms": {"key": "projects/p/k"}}
    imported(root, exported(settings=given_settings))
    assert load(root, "aws").settings == given_settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("", "is empty"),
        ("[]", "is a list, not an object"),
        ("{}", "no 'profile': none at all"),
        ('{"bucket": "x"}', "no 'profile': bucket"),
        ('"[secret]"', "marks its output 'profile' as secret"),
        ('{"profile": "[secret]"}', "marks its output 'profile' as secret"),
        (json.dumps({"profile": {"sensitive": True, "value": {}}}), "as secret"),
        (exported(version=2), "has version 2"),
        (exported(setings={}), r"unknown key 'setings'\. Did you mean 'settings'"),
        (exported(name="a b"), "'a b' cannot name a profile"),
        (exported(provider=None), "names no provider"),
        (exported(settings=[]), "'settings' is a list"),
        (exported(tracking={"url": "x"}), r"tracking\.url is not known"),
        (exported(settings={"provider": "x"}), "'provider' is no setting"),
    ],
)
def test_a_text_that_is_no_profile_is_refused(root: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        imported(root, text)
    assert (root / "waterflow.toml").read_text() == TOML


def harmless(word: str) -> bool:
    """Say whether a word is none of a secret's: those are refused, by another test."""
    return leaks.in_setting(word, 0) is None and leaks.in_setting("key", word) is None


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8).filter(
    harmless
)
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    first=st.dictionaries(
        words.filter(lambda key: key not in ("provider", "tracking")), values, max_size=3
    ),
    second=st.dictionaries(
        words.filter(lambda key: key not in ("provider", "tracking")), values, max_size=3
    ),
)
def test_what_is_imported_is_what_is_loaded(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    (tmp_path / "waterflow.toml").write_text(TOML)
    for one in (first, second):
        imported(tmp_path, exported(settings=one))
        assert load(tmp_path, "aws").settings == one
        assert load(tmp_path, "dev").settings == {"slots": 4}
