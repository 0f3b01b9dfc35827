"""What holds of the landing zone of every cloud, from the stack's own files: a class to derive."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from standin import PolicyPack, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standin.result import Result

INFRA = Path(__file__).parents[2]
WATERFLOW = INFRA.parent / ".venv" / "bin" / "waterflow"


def kinds(result: Result, change: str) -> list[str]:
    """Return the types that a change happens to, without their modules; components left out."""
    urns = (urn for urn, one in result.changes.items() if one == change)
    tokens = (urn.split("::")[2].rpartition("$")[2] for urn in urns)
    return sorted(
        token.rpartition(":")[2] for token in tokens if not token.startswith("waterflow:")
    )


@pytest.fixture(scope="class", name="dev")
def made_dev(
    request: pytest.FixtureRequest, policies: PolicyPack
) -> Iterator[tuple[Stack, Result]]:
    """The stack `dev`, which at last is destroyed and leaves nothing."""
    with Stack(INFRA / request.cls.CLOUD, {}, stack="dev", policies=policies) as stack:
        yield stack, stack.up().require()
        stack.destroy().require()
        assert not stack.kept


@pytest.fixture(scope="class", name="prod")
def made_prod(
    request: pytest.FixtureRequest, policies: PolicyPack
) -> Iterator[tuple[Stack, Result, Result]]:
    """The stack `prod`: what is foreseen, and what is made."""
    with Stack(INFRA / request.cls.CLOUD, {}, stack="prod", policies=policies) as stack:
        yield stack, stack.preview().require(), stack.up().require()


class ZoneSuite:
    """The life of the stacks `dev` and `prod` of a cloud.

    Attributes:
        CLOUD: The folder in infra/.
        LEAST: How many resources `prod` has at least.
        PROTECTED: Types of `prod` that no one command destroys.
        DRIFT: A type, how the name of the one that is meant ends, and what somebody changes of it.
        BEARING: Types that bear tags.
        TAGS: What the cloud calls tags.
        JOINT: What stands between project and stack in the tag `stack`.
    """

    CLOUD: ClassVar[str]
    LEAST: ClassVar[int]
    PROTECTED: ClassVar[set[str]]
    DRIFT: ClassVar[tuple[str, str, dict[str, Any]]]
    BEARING: ClassVar[set[str]]
    TAGS: ClassVar[tuple[str, ...]] = ("tags",)
    JOINT: ClassVar[str] = "/"

    def test_what_is_foreseen_is_made(self, prod: tuple[Stack, Result, Result]) -> None:
        _, foreseen, made = prod
        assert foreseen.changes == made.changes
        assert set(made.counts) == {"create"}
        assert made.counts["create"] > self.LEAST

    def test_a_second_time_nothing_changes(self, prod: tuple[Stack, Result, Result]) -> None:
        stack, _, made = prod
        again = stack.up().require()
        assert again.counts == {"same": made.counts["create"]}

    def test_what_is_protected_is_not_destroyed(self, prod: tuple[Stack, Result, Result]) -> None:
        stack, _, made = prod
        refused = stack.destroy()
        assert not refused.ok
        assert not refused.changed
        protected = {one.type.rpartition(":")[2] for one in made.resources if one.protect}
        assert protected == self.PROTECTED

    def test_drift_is_healed(self, dev: tuple[Stack, Result]) -> None:
        stack, made = dev
        kind, end, changes = self.DRIFT
        drifted = next(one for one in made.of(kind) if one.urn.endswith(end))
        stack.drift(drifted.urn, changes)
        refreshed = stack.refresh()
        assert [urn for urn, one in refreshed.changes.items() if one != "same"] == [drifted.urn]
        healed = stack.up().require()
        assert [urn for urn, one in healed.changes.items() if one != "same"] == [drifted.urn]
        assert healed.changes[drifted.urn] == "update"

    def test_everything_that_bears_tags_has_them(self, prod: tuple[Stack, Result, Result]) -> None:
        _, _, made = prod
        pairs = [
            (one, next((n for n in self.TAGS if n in one.inputs), "")) for one in made.resources
        ]
        bearing = {one.urn: (one, one.inputs[name]) for one, name in pairs if name}
        tags = {
            "environment": "prod",
            "waterflow": "waterflow",
            "managed-by": "pulumi",
            "stack": f"waterflow-{self.CLOUD}{self.JOINT}prod",
            "team": "shop",
            "cost-center": "ml",
        }
        assert not [urn for urn, (_, own) in bearing.items() if not own.items() >= tags.items()]
        assert {one.type.rpartition(":")[2] for one, _ in bearing.values()} >= self.BEARING

    @pytest.mark.parametrize("stack", ["dev", "prod"])
    def test_the_application_takes_the_profile(
        self, stack: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        made: Result = request.getfixturevalue(stack)[-1]
        assert made.outputs["profile"]["version"] == 1
        assert "[secret]" not in json.dumps(made.outputs)
        done = subprocess.run(
            [WATERFLOW, "profile", "import", "-", "--json"],
            input=json.dumps(made.outputs["profile"]),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["written"]
