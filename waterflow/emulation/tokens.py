"""Idempotency tokens: the same request sent twice is carried out once, and answered the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TokenConflictError(Exception):
    """A token came with another request before.

    Args:
        token: The token.
        operation: The operation of both requests.
    """

    def __init__(self, token: str, operation: str) -> None:
        self.token, self.operation = token, operation
        super().__init__(f"the token '{token}' was used by another {operation} request")


class Tokens:
    """The answers to requests that came with a token."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any]] = {}

    def once(
        self,
        operation: str,
        token: str | None,
        request: Mapping[str, Any],
        act: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Answer a request, doing it only the first time that its token is seen.

        Args:
            operation: The operation.
            token: The request's token; None to do it whatever came before.
            request: The rest of the request.
            act: Does it. What it raises is not remembered.

        Raises:
            TokenConflictError: The token came with another request before.
        """
        if not token:
            return act()
        text = json.dumps(request, sort_keys=True, default=str)
        earlier = self._answers.get(f"{operation}/{token}")
        if earlier is not None:
            if earlier["request"] != text:
                raise TokenConflictError(token, operation)
            return earlier["answer"]
        answer = act()
        self._answers[f"{operation}/{token}"] = {"request": text, "answer": answer}
        return answer

    def snapshot(self) -> dict[str, Any]:
        """Return all answers as JSON."""
        return dict(self._answers)

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take the answers of a snapshot."""
        self._answers = dict(saved)
