"""What a node of a pipeline job is given and gives, while it is put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from waterflow_azureml.translation.naming import Keys


@dataclass
class NodeParts:
    """What a node is given and gives, while it is put together.

    Attributes:
        keys: Gives out the names of its inputs.
        types: Input -> what its component declares.
        bound: Input -> what the node binds to it.
        outputs: Output -> (its mode, where it goes).
        words: The words of its command, as a shell reads them.
        paths: Name on the runtime's command line -> the input that holds it.
    """

    keys: Keys = field(default_factory=lambda: Keys(start="input"))
    types: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    bound: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    words: list[str] = field(default_factory=list[str])
    paths: dict[str, str] = field(default_factory=dict[str, str])

    def folder(self, name: str, bound: Any, mode: str = "ro_mount") -> str:
        """Add an input that is a folder, and return its name.

        Args:
            name: What it is called.
            bound: An address, or an expression that binds it.
            mode: How it is brought to the job.
        """
        key = self.keys.take(name)
        self.types[key] = {"type": "uri_folder", "mode": mode}
        is_address = not bound.startswith("${{")
        self.bound[key] = {"type": "uri_folder", "path": bound} if is_address else bound
        return key

    def text(self, name: str, bound: str) -> str:
        """Add an input that is a text, and return its name."""
        key = self.keys.take(name)
        self.types[key] = {"type": "string"}
        self.bound[key] = bound
        return key
