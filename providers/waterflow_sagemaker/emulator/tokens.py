"""Idempotency tokens: the same request asked twice is done once, and answered the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow_sagemaker.emulator.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable


class Tokens:
    """The answers to requests that came with a `ClientRequestToken`."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any]] = {}

    def once(
        self, operation: str, request: dict[str, Any], act: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Answer a request, doing it only the first time that its token is seen.

        Args:
            operation: The operation.
            request: The request.
            act: Does it.

        Raises:
            ServiceError: ConflictException: the token came with another request before; or what
                `act` raises, which is not remembered.
        """
        token = request.get("ClientRequestToken")
        asked = {key: value for key, value in request.items() if key != "ClientRequestToken"}
        text = json.dumps(asked, sort_keys=True, default=str)
        known = self._answers.get(f"{operation}/{token}") if token else None
        if known is not None:
            if known["request"] != text:
                raise ServiceError(
                    "ConflictException",
                    f"The ClientRequestToken '{token}' was already used by a {operation} request "
                    "with other parameters.",
                )
            return known["answer"]
        answer = act()
        if token:
            self._answers[f"{operation}/{token}"] = {"request": text, "answer": answer}
        return answer

    def snapshot(self) -> dict[str, Any]:
        """Return all answers as JSON."""
        return dict(self._answers)

    def restore(self, data: dict[str, Any]) -> None:
        """Take the answers of a snapshot."""
        self._answers = dict(data)
