"""GitHub's workflows as a cloud's federations know them: by their tokens' issuer and subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST: Final = "token.actions.githubusercontent.com"
"""Who signs the tokens."""
ISSUER: Final = f"https://{HOST}"


def subjects(repository: str, ends: Sequence[str]) -> list[str]:
    """Return the subjects of a repository's workflows.

    https://docs.github.com/en/actions/security-for-github-actions/security-hardening-your-deployments

    Args:
        repository: OWNER/NAME.
        ends: What the tokens' subjects hold after the repository.
    """
    return [f"repo:{repository}:{end}" for end in ends]
