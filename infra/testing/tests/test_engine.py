"""A stack's life in the stand-in engine: foreseen, made, left alone, drifted, healed, removed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from standin import ProjectError, Result, Secret, Stack, StackError

STACK = Path(__file__).parent / "stacks" / "sample"
WORD = "correct-horse-battery"
Story = dict[str, Result]


@pytest.fixture(scope="module")
def stack(open_stack: Callable[..., Stack]) -> Stack:
    return open_stack(STACK, {"word": Secret(WORD)})


@pytest.fixture(scope="module")
def story(stack: Stack) -> Story:
    """One life, each operation once."""
    results = {"foreseen": stack.preview(), "up": stack.up(), "again": stack.up()}
    stack.drift("store-log", {"retentionInDays": 7})
    results["drifted"] = stack.refresh()
    results["healed"] = stack.up()
    results["one setting"] = stack.preview({"retention": 60})
    results["another name"] = stack.preview({"name": "renamed-data"})
    results["renamed"] = stack.up({"name": "renamed-data", "protect": True})
    results["kept"] = stack.destroy()
    results["fewer"] = stack.preview({"extra": False})
    results["refused"] = stack.up({"name": "again-renamed", "extra": True})
    stack.up({"name": "renamed-data", "protect": False}).require()
    results["gone"] = stack.destroy()
    return results


def test_a_preview_foresees_all_and_makes_nothing(story: Story) -> None:
    foreseen = story["foreseen"].require()
    assert foreseen.counts == {"create": 9}
    assert foreseen.changes == story["up"].changes
    assert foreseen.resource("store-key")["arn"] == "[unknown]"
    name = foreseen.resource("store-bucket")["bucket"]
    assert foreseen.outputs["profile"] == {"bucket": name, "kms_key": "[unknown]"}


def test_what_is_made_is_what_the_program_says(story: Story) -> None:
    result = story["up"].require()
    bucket, key = result.resource("store-bucket"), result.resource("store-key")
    assert result.outputs["profile"] == {"bucket": bucket["bucket"], "kms_key": key["arn"]}
    assert bucket["arn"] == f"arn:aws:s3:::{bucket['bucket']}"
    assert key["arn"].startswith("arn:aws:kms:eu-central-1:123456789012:key/")
    assert bucket.parent.endswith("sample:index:Store::store")
    assert [one.name for one in result.of("Store")] == ["store"]


def test_functions_are_answered(story: Story) -> None:
    assert story["up"].outputs["account"] == "123456789012"


def test_the_stacks_transform_reaches_every_resource_and_the_components_its_own(
    story: Story,
) -> None:
    result = story["up"]
    assert result.resource("store-bucket")["tags"] == {"stack": "dev"}
    assert result.resource("store-log")["tags"] == {"stack": "dev", "of": "store"}


def test_secrets_are_nowhere_in_the_plain(story: Story, stack: Stack) -> None:
    result = story["up"]
    assert result.outputs["word"] == "[secret]"
    assert result.reveal("word") == WORD
    assert result.resource("version")["secretString"] == "[secret]"
    shown = [repr(one) for one in (result.resources, result.outputs, result.diagnostics)]
    assert WORD not in "".join(shown)
    assert any("the word is [secret]" in one.message for one in result.diagnostics)


def test_a_second_up_changes_nothing(story: Story) -> None:
    assert story["again"].require().counts == {"same": 9}


def test_drift_is_seen_by_refresh_and_healed_by_up(story: Story) -> None:
    assert story["drifted"].changed == {"store-log": "update"}
    assert story["healed"].require().changed == {"store-log": "update"}
    assert story["healed"].resource("store-log")["retentionInDays"] == 30


def test_one_setting_previews_as_one_update(story: Story) -> None:
    foreseen = story["one setting"].require()
    assert foreseen.changed == {"store-log": "update"}
    assert list(foreseen.details.values()) == [("retentionInDays",)]


def test_a_name_cannot_change_in_place_and_takes_along_what_hangs_on_it(story: Story) -> None:
    foreseen = story["another name"].require()
    assert foreseen.changed == {"store-bucket": "replace", "store-encryption": "replace"}
    assert story["renamed"].require().changed == foreseen.changed
    assert story["renamed"].resource("store-encryption")["bucket"] == "renamed-data"


def test_what_is_protected_is_neither_destroyed_nor_replaced(story: Story) -> None:
    assert [one.layer for one in story["kept"].errors] == ["engine"] * 4
    assert not story["kept"].changes
    assert "it is protected" in story["refused"].errors[0].message
    assert story["refused"].resource("store-bucket")["bucket"] == "renamed-data"


def test_what_the_program_no_longer_names_is_deleted(story: Story) -> None:
    assert story["fewer"].require().changed == {"extra": "delete"}


def test_destroy_leaves_nothing(story: Story, stack: Stack) -> None:
    assert set(story["gone"].require().counts) == {"delete"}
    assert not story["gone"].resources
    assert stack.kept == 0


def test_the_state_is_as_pulumi_exports_it_and_holds_no_secret(
    open_stack: Callable[..., Stack],
) -> None:
    stack = open_stack(STACK, {"word": Secret(WORD)})
    stack.up().require()
    document = stack.export()
    resources = json.loads(document)["deployment"]["resources"]
    assert WORD not in document
    assert resources[0]["type"] == "pulumi:pulumi:Stack"
    version = next(one for one in resources if one["type"].endswith(":SecretVersion"))
    assert "ciphertext" in version["inputs"]["secretString"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"retention": "many"}, "config sample:retention is declared as integer, and is 'many'"),
        ({"protect": 1}, "config sample:protect is declared as boolean, and is 1"),
        ({"word": None}, "config word has no default and no value"),
        ({"aws:region": {"secure": "v1:x"}}, "aws:region is under cipher"),
    ],
)
def test_config_is_as_the_project_declares_it(config: dict[str, object], message: str) -> None:
    with pytest.raises(ProjectError, match=message.replace("(", r"\(")):
        Stack(STACK, {"word": Secret(WORD), **config}).preview()


def test_a_program_that_fails_says_so_and_deletes_nothing(
    open_stack: Callable[..., Stack],
) -> None:
    failing = open_stack(STACK, {"word": Secret(WORD), "retention": 0})
    with pytest.raises(StackError, match=r"(?s)\(sdk\).*a day at least, not 0"):
        failing.preview().require()
