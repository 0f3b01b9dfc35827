"""Finds secrets in the plain: in properties, in the stack's outputs, in messages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from standin.result import Diagnostic
from standin.state import STACK_TYPE, State
from standin.values import Secret, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standin.registration import Run

SHORTEST = 6  # a shorter text is found everywhere by chance


class Plaintexts:
    """The plain texts that a run knows as secret, and where each of them comes from."""

    def __init__(self, run: Run, secret_keys: tuple[str, ...]) -> None:
        self.sources: dict[str, str] = {}
        for key in secret_keys:
            self._note(run.config[key], f"config {key}")
        for resource in run.after:
            for values in (resource.inputs, resource.outputs):
                for path, value in leaves(values):
                    if isinstance(value, Secret):
                        self._note(value.value, f"{resource.name}.{path}")

    def _note(self, value: Any, source: str) -> None:
        for _, text in leaves(value):
            if isinstance(text, str) and len(text) >= SHORTEST:
                self.sources.setdefault(text, source)

    def leaks(self, state: State) -> list[Diagnostic]:
        """Return an error for each place that shows a secret."""
        errors: list[Diagnostic] = []
        for resource in state:
            places = dict(leaves(resource.inputs)) | dict(leaves(resource.outputs))
            for path, value in places.items():
                for source in self._in(value):
                    place = f"the stack's output {path}" if resource.type == STACK_TYPE else path
                    message = f"{place} shows the plain text of a secret: {source}"
                    errors.append(Diagnostic("error", "engine", message, resource.urn))
        return errors

    def _in(self, value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield from (source for text, source in self.sources.items() if text in value)

    def masked(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a message in which secrets are only named."""
        message = diagnostic.message
        for text in sorted(self.sources, key=len, reverse=True):
            message = message.replace(text, "[secret]")
        return replace(diagnostic, message=message)
