"""What differs between two runs: their definitions, and what they are made from."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from waterflow import spec
from waterflow.provider.state import Status
from waterflow.runs.why import NO_RESULT, code_reasons, library_reasons, never, shown
from waterflow.spec.job import leaves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from waterflow.provider import Provider
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.state import RunState


class Change(Struct, kw_only=True, frozen=True):
    """How a part of a run differs from the last one's.

    Attributes:
        what: What it is a part of: the definition (a step, a parameter and its default, a gate), or
            what the run is made from (the code of a step, a library, outside data, the value of a
            parameter, the profile).
        name: Its name.
        change: What happened to it.
        fields: What of a changed one differs.
    """

    what: Literal["step", "parameter", "gate", "code", "library", "data", "value", "profile"]
    name: str
    change: Literal["added", "removed", "changed"]
    fields: tuple[str, ...] = ()


def compare_bases(before: RunBasis, after: RunBasis) -> Iterator[Change]:
    """Yield what two runs of a pipeline are made from that differs.

    Args:
        before: Of the earlier run.
        after: Of the run to come.
    """
    for name, step in after.steps.items():
        if name not in before.steps:
            continue  # the step itself is new
        old = before.steps[name]
        reasons = code_reasons(old.code, old.parts, step.code, step.parts)
        if fields := tuple(one.removeprefix("code: ") for one in reasons):
            yield Change(what="code", name=name, change="changed", fields=fields)
    old_libraries, new_libraries = _libraries(before), _libraries(after)
    for library in sorted({*old_libraries, *new_libraries}):
        one = {library: old_libraries[library]} if library in old_libraries else {}
        other = {library: new_libraries[library]} if library in new_libraries else {}
        name = library.removeprefix("module ")
        for reason in library_reasons(one, other):
            change = "changed" if one and other else "added" if other else "removed"
            text = reason.removeprefix(name).strip(": ")
            yield Change(what="library", name=name, change=change, fields=(text,))
    yield from _values("data", before.data, after.data)
    if before.parameters is not None and after.parameters is not None:
        yield from _values("value", before.parameters, after.parameters)
    if before.profile != after.profile:
        fields = (f"{before.profile} -> {after.profile}",)
        yield Change(what="profile", name=after.profile, change="changed", fields=fields)


def step_reasons(
    step: spec.Step,
    before: RunBasis | None,
    after: RunBasis,
    anew: Collection[str],
) -> Iterator[str]:
    """Yield why a step runs, as far as what two runs are made from tells.

    Args:
        step: The step.
        before: Of the earlier run; None where there is none.
        after: Of the run that is meant.
        anew: The steps that run in it too: what they make may be other than before.
    """
    if (reason := never(step)) is not None:
        yield reason
        return
    old = None if before is None else before.steps.get(step.name)
    new = after.steps.get(step.name)
    if before is None or old is None or new is None:
        yield NO_RESULT
        return
    yield from code_reasons(old.code, old.parts, new.code, new.parts)
    yield from library_reasons(old.libraries, new.libraries)
    taken = [source for _, source in leaves(step)]
    values, others = before.parameters, after.parameters
    if values is not None and others is not None:
        for name in sorted({one.name for one in taken if isinstance(one, spec.FromParameter)}):
            if values.get(name) != others.get(name):
                yield f"parameter {name} {shown(values.get(name))} -> {shown(others.get(name))}"
    for uri in sorted({one.uri for one in taken if isinstance(one, spec.FromData)}):
        if before.data.get(uri) != after.data.get(uri):
            yield f"input {uri}: other content"
    ran = {one.step for one in taken if isinstance(one, spec.FromStep)} & {*anew}
    if ran:
        yield f"it takes what {', '.join(sorted(ran))} makes anew"


class Reasons:
    """Why the steps of one run ran, where the provider does not say so itself.

    The run is compared with the one of its pipeline before it; both are read once, when they are
    first needed.

    Args:
        provider: The provider.
        run_id: The run.
    """

    def __init__(self, provider: Provider, run_id: str) -> None:
        self._provider, self._run = provider, run_id

    def note(self, state: RunState) -> None:
        """Note in a state of the run why its steps ran.

        Raises:
            ProviderError: The service cannot be asked.
        """
        ran = {
            name
            for name, step in state.steps.items()
            if step.status in (Status.RUNNING, Status.SUCCEEDED, Status.FAILED)
        }
        if not ran or any(step.why for step in state.steps.values()) or self._basis is None:
            return
        pipeline, before, after = self._basis
        for step in pipeline.steps:
            if step.name in ran:
                state.steps[step.name].why = tuple(step_reasons(step, before, after, ran))

    @cached_property
    def _basis(self) -> tuple[spec.Pipeline, RunBasis | None, RunBasis] | None:
        """The spec, and what the former and this run were made from; None where it is not kept."""
        after, pipeline = self._provider.run_basis(self._run), self._provider.run_spec(self._run)
        if after is None or pipeline is None:
            return None
        former = self._provider.former(self._run)
        before = None if former is None else self._provider.run_basis(former)
        return pipeline, before, after


def _libraries(basis: RunBasis) -> dict[str, str]:
    return {name: pin for step in basis.steps.values() for name, pin in step.libraries.items()}


def _values(
    what: Literal["data", "value"], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old:
            yield Change(what=what, name=name, change="added")
        elif name not in new:
            yield Change(what=what, name=name, change="removed")
        elif old[name] != new[name]:
            text = (
                "other content" if what == "data" else f"{shown(old[name])} -> {shown(new[name])}"
            )
            yield Change(what=what, name=name, change="changed", fields=(text,))


def compare(before: spec.Pipeline, after: spec.Pipeline) -> Iterable[Change]:
    """Yield what differs between two specs of a pipeline: steps, parameters, gates."""
    yield from _compare("step", *({s.name: s for s in one.steps} for one in (before, after)))
    yield from _compare("parameter", before.parameters, after.parameters)
    yield from _compare("gate", *({g.name: g for g in one.gates} for one in (before, after)))


def _compare(
    what: Literal["step", "parameter", "gate"], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterable[Change]:
    for name, one in new.items():
        if name not in old:
            yield Change(what=what, name=name, change="added")
        elif fields := tuple(_different(old[name], one)):
            yield Change(what=what, name=name, change="changed", fields=fields)
    for name in old:
        if name not in new:
            yield Change(what=what, name=name, change="removed")


def _different(old: Struct, new: Struct) -> Iterable[str]:
    for field in old.__struct_fields__:
        one, other = getattr(old, field), getattr(new, field)
        if one != other:
            parts = ", ".join(_parts(one, other))
            yield f"{field}: {parts}" if parts else field


def _parts(one: Any, other: Any) -> Iterable[str]:
    """Yield the keys or fields in which two values of one kind differ."""
    if isinstance(one, Struct) and type(one) is type(other):
        one, other = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])  # pyright: ignore[reportUnknownArgumentType]
        missing = object()
        yield from (k for k in keys if one.get(k, missing) != other.get(k, missing))
