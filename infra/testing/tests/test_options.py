"""What each of a resource's options means to the stand-in engine, and what it refuses."""

from pathlib import Path

import pytest
from standin import Result, Stack

STACK = Path(__file__).parent / "stacks" / "options"


@pytest.fixture(scope="module")
def story() -> dict[str, Result]:
    stack = Stack(STACK)
    results = {"before": stack.up(), "foreseen": stack.preview({"after": True})}
    results["after"] = stack.up({"after": True})
    results["fewer"] = stack.up({"kept": False})
    results["left"] = Result("left", resources=list(stack.state))
    kept = {identifier for _, identifier in stack.provider("aws").kept}
    for name in ("retained", "whole"):
        identifiers = {results["before"].resource(name).id} & kept
        results["left"].details[name] = tuple(identifiers)
    return results


def test_only_what_an_option_says_is_done(story: dict[str, Result]) -> None:
    foreseen = story["foreseen"].require()
    assert foreseen.changed == {
        "plain": "update",
        "replacing": "replace",
        "fixed": "replace",
        "new-name": "update",
        "secret": "update",
        "elsewhere": "update",
        "first": "replace",
        "policy": "update",
        "retained": "update",
        "looked-up": "read",
    }
    # The queue has the address of before, which only the making of it could tell.
    expected = {name: one for name, one in foreseen.changed.items() if name != "policy"}
    assert story["after"].require().changed == expected


def test_a_replacement_by_option_has_a_new_automatic_name(story: dict[str, Result]) -> None:
    before, after = story["before"], story["after"]
    assert before.resource("replacing")["name"] != after.resource("replacing")["name"]
    assert before.resource("plain")["name"] == after.resource("plain")["name"]


def test_an_alias_keeps_the_resource(story: dict[str, Result]) -> None:
    assert story["before"].resource("old-name").id == story["after"].resource("new-name").id
    assert "old-name" not in {one.name for one in story["after"]}


def test_outputs_can_be_made_secret(story: dict[str, Result]) -> None:
    assert story["before"].resource("secret")["arn"] == "[secret]"


def test_a_provider_of_its_own_has_its_own_region(story: dict[str, Result]) -> None:
    outputs = story["before"].outputs
    assert outputs["elsewhere"].startswith("arn:aws:logs:us-east-1:")
    assert outputs["there"] == "us-east-1"


def test_a_resource_can_be_looked_up(story: dict[str, Result]) -> None:
    assert story["before"].outputs["looked-up"] == story["before"].outputs["address"]


def test_what_is_retained_stays_in_the_cloud_alone(story: dict[str, Result]) -> None:
    assert story["fewer"].require().changed == {
        "retained": "delete",
        "whole": "delete",
        "part": "delete",
        "looked-up": "read",
    }
    before = story["before"]
    assert {one.name for one in story["left"]}.isdisjoint({"retained", "whole", "part"})
    assert story["left"].details["retained"] == (before.resource("retained").id,)
    assert not story["left"].details["whole"]


@pytest.mark.parametrize(
    ("strange", "layer", "words"),
    [
        ("import", "provider", "'nowhere' does not exist: nothing to import"),
        ("function", "sdk", "cannot answer aws:ec2/getVpc:getVpc: add it to standin/clouds/aws.py"),
        ("transform", "sdk", "a transform raised"),
    ],
)
def test_what_cannot_be_is_refused(strange: str, layer: str, words: str) -> None:
    result = Stack(STACK).preview({"strange": strange})
    assert [one.layer for one in result.errors] == [layer]
    assert words in result.errors[0].message
