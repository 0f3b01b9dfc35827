"""Finds resources made inside a component and not below it: `parent=self` was forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standin.state import STACK_TYPE, State

if TYPE_CHECKING:
    from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest

Trace = tuple[tuple[str, int], ...]


class Places:
    """Where in the program each resource was made: the calls that led there, the nearest first."""

    def __init__(self) -> None:
        self._traces: dict[str, Trace] = {}
        self._components: dict[str, Trace] = {}

    def note(self, request: RegisterResourceRequest, urn: str) -> None:
        """Keep where a resource was made."""
        trace = tuple((frame.pc.uri, frame.pc.line) for frame in request.stackTrace.frames)
        self._traces[urn] = trace
        if not request.custom and request.type != STACK_TYPE:
            self._components[urn] = trace

    def misplaced(self, state: State) -> list[tuple[str, str]]:
        """Return each resource that is not below the component whose constructor made it.

        A component's own trace begins at the call of its constructor, so what the constructor makes
        has that trace below its own first frames.
        """
        wrong: list[tuple[str, str]] = []
        for urn, trace in self._traces.items():
            if urn not in state.resources:
                continue  # it failed
            makers = [
                component
                for component, base in self._components.items()
                if component != urn
                and base
                and len(trace) > len(base)
                and trace[-len(base) :] == base
            ]
            depth = max((len(self._components[maker]) for maker in makers), default=0)
            nearest = {maker for maker in makers if len(self._components[maker]) == depth}
            if nearest and not self._above(state, urn) & nearest:
                name, parent = min(nearest).rsplit("::", 1)[1], state.resources[urn].parent
                wrong.append(
                    (
                        urn,
                        (
                            f"it is made inside component {name!r}, and its parent is "
                            f"{parent.rsplit('::', 1)[-1]!r}: pass ResourceOptions(parent=self)"
                        ),
                    )
                )
        return wrong

    @staticmethod
    def _above(state: State, urn: str) -> set[str]:
        above: set[str] = set()
        resource = state.get(urn)
        while resource is not None and resource.parent:
            above.add(resource.parent)
            resource = state.get(resource.parent)
        return above
