"""What became of what takes the cloud a while: the operations that are polled."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator import sdk
from waterflow_vertex.emulator.errors import missing

if TYPE_CHECKING:
    from collections.abc import Mapping

_PB: Final = f"{sdk.LONGRUNNING}.operations_pb2"


class Operations:
    """The part that knows what was done in the cloud's own time."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def done(self, owner: str, moment: float, metadata: Any = None, response: Any = None) -> Any:
        """Return an operation that is over.

        Args:
            owner: What it is about, or the parent where that is gone.
            moment: When it was, in seconds since the epoch.
            metadata: Its message of metadata; None for none.
            response: What came of it; None for nothing.
        """
        operation = sdk.message(_PB, "Operation")(
            name=f"{owner}/operations/{uuid.uuid4().int % 10**19}", done=True
        )
        if metadata is not None:
            if hasattr(metadata, "generic_metadata"):
                sdk.stamp(metadata.generic_metadata.create_time, moment)
                sdk.stamp(metadata.generic_metadata.update_time, moment)
            operation.metadata.Pack(metadata)
        if response is None:
            response = sdk.message("google.protobuf.empty_pb2", "Empty")()
        operation.response.Pack(response)
        self._held[operation.name] = operation
        return operation

    def get(self, name: str) -> Any:
        """Return an operation.

        Raises:
            Refusal: There is none.
        """
        held = self._held.get(name)
        if held is None:
            raise missing(f"Operation '{name}' is not found.")
        return held

    def below(self, parent: str) -> list[Any]:
        """Return the operations below a name."""
        return [one for name, one in self._held.items() if name.startswith(f"{parent}/")]

    def remove(self, name: str) -> None:
        """Forget an operation."""
        self._held.pop(name, None)

    def snapshot(self) -> dict[str, str]:
        """Return all operations."""
        return {name: one.SerializeToString().hex() for name, one in self._held.items()}

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take the operations of a snapshot."""
        kind = sdk.message(_PB, "Operation")
        self._held = {name: kind.FromString(bytes.fromhex(text)) for name, text in saved.items()}
