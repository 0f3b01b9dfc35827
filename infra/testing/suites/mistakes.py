"""Mistakes planted on a cloud: what a preview tells of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from standin import Diagnostic, Stack


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


def told_by_its_layer(diagnostics: list[Diagnostic], layer: str, words: str) -> None:
    """Check that one layer tells a mistake, once, in these words."""
    assert [one.layer for one in diagnostics] == [layer], diagnostics
    assert words in diagnostics[0].message
