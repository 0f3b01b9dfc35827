"""Where steps stand among the condition steps: each into every branch in which it can run.

On SageMaker a step cannot wait for one of two branches, as all its dependencies must have run. So
what uses `wf.first`, and all that depends on it, is compiled into each branch, where it is known
which option exists. In a branch where an input was never made, a step is not compiled.

How it is done: every step has a set of gates that must be decided before it is known whether and
with which inputs it runs. All gates have one order. A step's place is reached by deciding the
gates of its set in that order. A step sees another only if the other's decisions are the first of
its own; the sets are therefore widened until that holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from waterflow import spec
from waterflow.cloud.naming import Names
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.references import operands
from waterflow_sagemaker import limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Decisions = tuple[tuple[str, bool], ...]
"""Decisions, outermost first: a gate and the side that it took."""

MOST: Final = 2_000
"""Copies of steps that one pipeline may have beyond its own steps."""


@dataclass(frozen=True)
class PlacedStep:
    """A step at one of its places.

    Attributes:
        step: The step; of `wf.first` only the option is left that exists here.
        native: Its name in SageMaker.
        path: The decisions that lead to it.
        sources: Step -> native name of the copy that is seen from here, for all steps whose
            outputs it uses.
        after: Native names of what must end first although nothing comes from it.
    """

    step: spec.Step
    native: str
    path: Decisions
    sources: dict[str, str]
    after: tuple[str, ...]


@dataclass(frozen=True)
class PlacedGate:
    """A gate at one of its places.

    Attributes:
        gate: The gate.
        native: Its name in SageMaker.
        path: The decisions that lead to it.
        sources: Step -> native name, for all steps whose values it compares.
    """

    gate: spec.Gate
    native: str
    path: Decisions
    sources: dict[str, str]


@dataclass
class Layout:
    """All places, by the decisions that lead to them; each level in an order that can run."""

    levels: dict[Decisions, list[PlacedStep | PlacedGate]] = field(
        default_factory=dict[Decisions, "list[PlacedStep | PlacedGate]"]
    )

    def steps(self) -> Iterator[PlacedStep]:
        """Yield all copies of all steps."""
        for level in self.levels.values():
            yield from (placed for placed in level if isinstance(placed, PlacedStep))

    def gates(self) -> Iterator[PlacedGate]:
        """Yield all copies of all gates."""
        for level in self.levels.values():
            yield from (placed for placed in level if isinstance(placed, PlacedGate))


def place(pipeline: spec.Pipeline) -> Layout:
    """Find the places of all steps and gates.

    Args:
        pipeline: A spec whose graph is sound.

    Raises:
        UnsupportedFeatureError: There would be too many copies.
    """
    return _Placer(pipeline).place()


@dataclass(frozen=True)
class _Needs:
    """What a step uses: surely, one of several, or only to wait for."""

    certain: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    after: tuple[str, ...]
    chain: tuple[spec.Branch, ...]

    def all(self) -> Iterator[str]:
        yield from self.certain
        for choice in self.choices:
            yield from choice
        yield from self.after


class _Unknown(Exception):  # noqa: N818 - no error
    """Another gate must be decided first."""


class _Absent(Exception):  # noqa: N818 - no error
    """The step does not run here."""


class _Placer:
    """The state of one placing."""

    def __init__(self, pipeline: spec.Pipeline) -> None:
        self.pipeline = pipeline
        self.gates = {gate.name: gate for gate in pipeline.gates}
        self.reads = {
            gate.name: tuple(
                dict.fromkeys(
                    o.step for o in operands(gate.condition) if isinstance(o, spec.FromStep)
                )
            )
            for gate in pipeline.gates
        }
        self.needs = {step.name: self._needs(step) for step in pipeline.steps}
        self.decided: dict[str, set[str]] = {}
        self._first_sets()
        self.rank = self._ranks()
        self._widen()
        self.copies: dict[str, dict[Decisions, str]] = {}
        self.layout = Layout({(): []})
        self.placed_gates: dict[tuple[Decisions, str], PlacedGate] = {}
        names = Names(limits.STEP_NAME.most)
        self.own = {step.name: names.take(step.name) for step in pipeline.steps}
        self.names = names
        self.count = 0

    # --- which gates must be decided ------------------------------------------------------------

    def _needs(self, step: spec.Step) -> _Needs:
        certain: list[str] = []
        choices: list[tuple[str, ...]] = []
        for input_ in step.inputs.values():
            source = input_.source
            if isinstance(source, spec.FromStep):
                certain.append(source.step)
            elif isinstance(source, spec.FromList):
                certain += [i.step for i in source.items if isinstance(i, spec.FromStep)]
            elif isinstance(source, spec.FromFirst):
                choices.append(tuple(option.step for option in source.options))
        return _Needs(
            tuple(dict.fromkeys(certain)), tuple(choices), step.after, self._chain(step.branch)
        )

    def _chain(self, branch: spec.Branch | None) -> tuple[spec.Branch, ...]:
        chain: list[spec.Branch] = []
        while branch is not None:
            chain.append(branch)
            branch = self.gates[branch.gate].within
        return tuple(reversed(chain))

    def _of_gate(self, name: str) -> set[str]:
        """Return the gates that must be decided before this one."""
        gates: set[str] = set()
        for branch in self._chain(self.gates[name].within):
            gates.add(branch.gate)
            gates |= self._read_by(branch.gate)
        return gates | self._read_by(name)

    def _read_by(self, gate: str) -> set[str]:
        return set[str]().union(*(self.decided.get(step, ()) for step in self.reads[gate]))

    def _first_sets(self) -> None:
        for step in self.pipeline.steps:
            needs = self.needs[step.name]
            gates: set[str] = set()
            for branch in needs.chain:
                gates.add(branch.gate)
                gates |= self._of_gate(branch.gate)
            for before in needs.all():
                gates |= self.decided.get(before, set())
            self.decided[step.name] = gates

    def _ranks(self) -> dict[str, int]:
        """Return each gate's number in an order in which all that one waits for comes before it."""
        before = {name: self._of_gate(name) for name in self.gates}
        ranks: dict[str, int] = {}
        while len(ranks) < len(before):
            ready = next(n for n in before if n not in ranks and before[n] <= ranks.keys())
            ranks[ready] = len(ranks)
        return ranks

    def _widen(self) -> None:
        """Widen the sets until a step's decisions begin with those of all that it sees."""
        waiting = [step.name for step in reversed(self.pipeline.steps) if self.decided[step.name]]
        changed = bool(waiting)
        while changed:
            changed = False
            for name in [s.name for s in reversed(self.pipeline.steps) if self.decided[s.name]]:
                changed |= self._widen_one(name)

    def _widen_one(self, name: str) -> bool:
        own = self.decided[name]
        size = len(own)
        changed = False
        for gate in tuple(own):
            own |= self._of_gate(gate)
        seen = set(self.needs[name].all())
        for gate in own:
            seen.update(self.reads[gate])
        for before in seen:
            theirs = self.decided[before]
            if not theirs:
                continue
            own |= theirs
            last = max(self.rank[gate] for gate in theirs)
            wider = {gate for gate in own if self.rank[gate] < last}
            if not wider <= theirs:
                theirs |= wider
                changed = True
        return changed or len(own) > size

    # --- placing --------------------------------------------------------------------------------

    def place(self) -> Layout:
        for step in self.pipeline.steps:
            self.copies[step.name] = {}
            gates = sorted(self.decided[step.name], key=self.rank.__getitem__)
            for path, chosen in list(self._walk(step.name, (), gates)):
                self._put(step, path, chosen)
        for level in self.layout.levels.values():
            # Steps never see what is behind a gate of their own level; it may see them.
            level.sort(key=lambda placed: isinstance(placed, PlacedGate))
        return self.layout

    def _walk(
        self, step: str, path: Decisions, gates: list[str]
    ) -> Iterator[tuple[Decisions, list[str]]]:
        """Yield the paths at which a step runs, and which option each of its choices takes."""
        try:
            yield path, self._choose(step, path)
        except _Absent:
            pass
        except _Unknown:
            for index, gate in enumerate(gates):
                if self._can_decide(gate, path):
                    for side in (True, False):
                        yield from self._walk(step, (*path, (gate, side)), gates[index + 1 :])
                    return

    def _choose(self, step: str, path: Decisions) -> list[str]:
        """Return the step that each choice takes.

        Raises:
            _Absent: The step does not run at this path.
            _Unknown: It is not known yet.
        """
        needs = self.needs[step]
        sides = dict(path)
        known = True
        for branch in needs.chain:
            if sides.get(branch.gate, branch.then) != branch.then:
                raise _Absent
            known &= branch.gate in sides
        for before in needs.certain:
            known &= self._see(before, path) is not None
        chosen: list[str] = []
        for choice in needs.choices:
            one = self._first_of(choice, path)
            known &= one is not None
            chosen.append(one or "")
        if not known:
            raise _Unknown
        for before in needs.after:
            try:
                if self._see(before, path) is None:
                    raise _Unknown
            except _Absent:
                continue
        return chosen

    def _first_of(self, options: tuple[str, ...], path: Decisions) -> str | None:
        """Return the first option that exists at a path; None where that is not known yet."""
        for option in options:
            try:
                return option if self._see(option, path) is not None else None
            except _Absent:
                continue
        raise _Absent

    def _see(self, step: str, path: Decisions) -> str | None:
        """Return the copy of a step that is seen from a path; None where that is not known yet.

        Raises:
            _Absent: It does not run at this path.
        """
        copies = self.copies[step]
        for length in range(len(path) + 1):
            if path[:length] in copies:
                return copies[path[:length]]
        if any(place[: len(path)] == path for place in copies):
            return None
        raise _Absent

    def _can_decide(self, gate: str, path: Decisions) -> bool:
        within = self.gates[gate].within
        if within is not None and (within.gate, within.then) not in path:
            return False
        try:
            return all(self._see(step, path) is not None for step in self.reads[gate])
        except _Absent:
            return False

    def _put(self, step: spec.Step, path: Decisions, chosen: list[str]) -> None:
        self._make_way(path)
        copies = self.copies[step.name]
        native = self.own[step.name] if not copies else self.names.take(step.name)
        if copies:
            self.count += 1
            if self.count > MOST:
                raise UnsupportedFeatureError(
                    step.name,
                    f"wf.first over so many gates (more than {MOST:,} copies of steps)",
                    "sagemaker",
                    "Decide inside one step instead: give it the inputs of both sides, and let it "
                    "return one result.",
                )
        copies[path] = native
        needs = self.needs[step.name]
        placed = PlacedStep(
            _with_choices(step, chosen),
            native,
            path,
            self._seen([*needs.certain, *chosen], path),
            tuple(self._seen(needs.after, path).values()),
        )
        self.layout.levels[path].append(placed)

    def _seen(self, steps: Iterable[str], path: Decisions) -> dict[str, str]:
        natives: dict[str, str] = {}
        for step in steps:
            try:
                native = self._see(step, path)
            except _Absent:
                continue
            if native is not None:
                natives[step] = native
        return natives

    def _make_way(self, path: Decisions) -> None:
        """Put the gates that lead to a path where they are not yet."""
        for length, (gate, _) in enumerate(path):
            outer = path[:length]
            if (outer, gate) in self.placed_gates:
                continue
            native = self.names.take(gate)
            placed = PlacedGate(
                self.gates[gate], native, outer, self._seen(self.reads[gate], outer)
            )
            self.placed_gates[outer, gate] = placed
            self.layout.levels[outer].append(placed)
            for side in (True, False):
                self.layout.levels.setdefault((*outer, (gate, side)), [])


def _with_choices(step: spec.Step, chosen: list[str]) -> spec.Step:
    """Return a step whose `wf.first` inputs come from the options that exist."""
    if not chosen:
        return step
    left = iter(chosen)
    inputs: dict[str, spec.Input] = {}
    for name, input_ in step.inputs.items():
        inputs[name] = input_
        if isinstance(input_.source, spec.FromFirst):
            taken = next(left)
            source = next(option for option in input_.source.options if option.step == taken)
            inputs[name] = msgspec.structs.replace(input_, source=source)
    return msgspec.structs.replace(step, inputs=inputs)


def copies(layout: Layout) -> Mapping[str, list[str]]:
    """Return the native names of each step's copies."""
    natives: dict[str, list[str]] = {}
    for placed in layout.steps():
        natives.setdefault(placed.step.name, []).append(placed.native)
    return natives
