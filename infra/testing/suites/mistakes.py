"""What a preview tells of mistakes planted on a cloud: a class to derive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from standin import Stack
from standin.stack import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from standin import Diagnostic, PolicyPack


def diagnosed(
    stack: Stack, caught: Mapping[str, tuple[str, str]], missed: Iterable[str]
) -> dict[str, list[Diagnostic]]:
    """Return what is told of each mistake; those that end the program have a preview each.

    Args:
        stack: Its setting `mistakes` says which are made; resources are called as their mistake.
        caught: Mistake -> the layer that tells it, and words of the message.
        missed: Mistakes that nothing tells.
    """
    ending = [name for name, (layer, _) in caught.items() if layer == "sdk"]
    others = [name for name in (*caught, *missed) if name not in ending]
    together = stack.preview({"mistakes": others})
    by_mistake = {
        name: [one for one in together.errors if name in f"{one.urn} {one.message}"]
        for name in others
    }
    attributed = [one for errors in by_mistake.values() for one in errors]
    assert not [one for one in together.errors if one not in attributed]
    assert "correct-horse" not in "".join(map(str, together.diagnostics)), "a secret is shown"
    return by_mistake | {name: stack.preview({"mistakes": [name]}).errors for name in ending}


class MistakesSuite:
    """Mistakes planted on one cloud: each is told by the layer that should, or by none.

    Attributes:
        PROGRAM: The folder of the stack that makes them.
        ZONE: The landing zone in whose environment it runs; None for this one's own.
        CAUGHT: Mistake -> the layer that tells it, and words of the message.
        MISSED: Mistake -> why nothing tells it.
        COUNTED: What the README says after how many of how many are told.
    """

    PROGRAM: ClassVar[Path]
    ZONE: ClassVar[Path | None] = None
    CAUGHT: ClassVar[Mapping[str, tuple[str, str]]]
    MISSED: ClassVar[Mapping[str, str]]
    COUNTED: ClassVar[str]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test for each mistake."""
        for argument, table in (("mistake", self.CAUGHT), ("unseen", self.MISSED)):
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, list(table))

    @pytest.fixture(scope="class")
    @classmethod
    def diagnostics(cls, policies: PolicyPack) -> dict[str, list[Diagnostic]]:
        """What is told of each mistake."""
        python = None if cls.ZONE is None else interpreter(cls.ZONE)
        stack = Stack(cls.PROGRAM, policies=policies, python=python)
        return diagnosed(stack, cls.CAUGHT, cls.MISSED)

    def test_a_mistake_is_told_by_its_layer(
        self, diagnostics: dict[str, list[Diagnostic]], mistake: str
    ) -> None:
        layer, words = self.CAUGHT[mistake]
        assert [one.layer for one in diagnostics[mistake]] == [layer], diagnostics[mistake]
        assert words in diagnostics[mistake][0].message

    def test_what_is_not_told_is_known(
        self, diagnostics: dict[str, list[Diagnostic]], unseen: str
    ) -> None:
        why = self.MISSED[unseen]
        assert not diagnostics[unseen], f"it is told now: move it to the others ({why})"

    def test_the_readme_says_how_many(self) -> None:
        readme = (Path(__file__).parents[1] / "README.md").read_text()
        told, planted = len(self.CAUGHT), len(self.CAUGHT) + len(self.MISSED)
        assert f"{told} of {planted} {self.COUNTED}" in readme
