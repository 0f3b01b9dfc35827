"""Where steps stand: a layout runs the same steps on the same inputs as the spec itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waterflow_sagemaker.translation import branching
from waterflow_sagemaker.translation.branching import PlacedStep, place

from tests.providers.sagemaker.builds import compiled, function, native_steps, pipeline
from waterflow import spec
from waterflow.errors import UnsupportedFeatureError
from waterflow.spec.references import branches, operands, sources


def reads(*steps):
    """Return a condition that reads steps."""
    if not steps:
        return spec.Compare(spec.FromParameter("p"), "==", spec.FromValue(1))
    parts = [spec.Compare(spec.FromStep(s, "output"), "==", spec.FromValue(1)) for s in steps]
    return spec.All(tuple(parts)) if len(parts) > 1 else parts[0]


def first(*steps):
    return spec.FromFirst(tuple(spec.FromStep(step, "output") for step in steps))


def run_spec(pipeline_spec, answers):
    """Return what each step that runs was made of, by the rules of the language."""
    results, gates = {}, {gate.name: gate for gate in pipeline_spec.gates}

    def open_(gate):
        names = [o.step for o in operands(gate.condition) if isinstance(o, spec.FromStep)]
        chain = branches(pipeline_spec, gate.within)
        there = all(side(branch) for branch in chain)
        return there and all(name in results for name in names)

    def side(branch):
        return open_(gates[branch.gate]) and answers[branch.gate] == branch.then

    for step in pipeline_spec.steps:
        if not all(side(branch) for branch in branches(pipeline_spec, step.branch)):
            continue
        values = {}
        for name, taken in step.inputs.items():
            if isinstance(taken.source, spec.FromFirst):
                values[name] = next(
                    (results[o.step] for o in taken.source.options if o.step in results), None
                )
            else:
                steps = [s.step for s in sources(taken.source) if isinstance(s, spec.FromStep)]
                values[name] = (
                    tuple(results[s] for s in steps) if all(s in results for s in steps) else None
                )
                if isinstance(taken.source, spec.FromStep) and values[name] is not None:
                    values[name] = values[name][0]
        if None not in values.values():
            results[step.name] = (step.name, tuple(sorted(values.items())))
    return results


def run_layout(layout, answers):
    """Return the same for a layout, run as SageMaker would."""
    results, ran = {}, {}

    def level(path):
        for placed in layout.levels[path]:
            for name, native in placed.sources.items():
                assert native in ran, f"{placed.native} sees {native}, which has not run"
                assert ran[native][0] == name
            if isinstance(placed, PlacedStep):
                assert set(placed.after) <= ran.keys()
                assert placed.step.name not in results, "a step ran twice"
                values = {}
                for name, taken in placed.step.inputs.items():
                    steps = [s.step for s in sources(taken.source) if isinstance(s, spec.FromStep)]
                    got = tuple(ran[placed.sources[s]] for s in steps)
                    values[name] = got[0] if isinstance(taken.source, spec.FromStep) else got
                results[placed.step.name] = (placed.step.name, tuple(sorted(values.items())))
                ran[placed.native] = results[placed.step.name]
            else:
                level((*path, (placed.gate.name, answers[placed.gate.name])))

    level(())
    return results


def both_ways(graph):
    """Compare spec and layout for all answers of the gates; return the layout."""
    layout = place(graph)
    natives = [p.native for p in (*layout.steps(), *layout.gates())]
    assert len(set(natives)) == len(natives)
    names = [gate.name for gate in graph.gates]
    for number in range(2 ** len(names)):
        answers = {name: bool(number >> bit & 1) for bit, name in enumerate(names)}
        assert run_layout(layout, answers) == run_spec(graph, answers)
    return layout


def test_a_chain_has_one_level():
    layout = both_ways(pipeline(function("a"), function("b", {"x": "a"}), function("c")))
    assert [placed.native for placed in layout.levels[()]] == ["a", "b", "c"]


def test_what_follows_a_choice_stands_in_both_branches():
    graph = pipeline(
        function("score"),
        function("then", branch=("gate", True)),
        function("other", branch=("gate", False)),
        function("use", {"x": first("then", "other")}),
        function("last", {"x": "use"}),
        function("apart"),
        gates=[spec.Gate("gate", reads("score"))],
    )
    layout = both_ways(graph)
    assert branching.copies(layout) == {
        "score": ["score"], "then": ["then"], "other": ["other"], "use": ["use", "use-2"],
        "last": ["last", "last-2"], "apart": ["apart"],
    }  # fmt: skip
    sunk = {placed.native: placed for placed in layout.steps()}
    assert sunk["use"].step.inputs["x"].source == spec.FromStep("then", "output")
    assert sunk["use-2"].step.inputs["x"].source == spec.FromStep("other", "output")


def test_a_step_without_any_input_left_is_not_compiled():
    graph = pipeline(
        function("then", branch=("one", True)),
        function("deeper", branch=("two", True)),
        function("use", {"x": first("then", "deeper")}),
        gates=[
            spec.Gate("one", reads()),
            spec.Gate("two", reads(), within=spec.Branch("one", then=False)),
        ],
    )
    layout = both_ways(graph)
    assert {placed.path for placed in layout.steps() if placed.step.name == "use"} == {
        (("one", True),),
        (("one", False), ("two", True)),
    }


def test_a_choice_between_gates_of_their_own():
    graph = pipeline(
        function("left", branch=("one", True)),
        function("right", branch=("two", True)),
        function("use", {"x": first("left", "right")}),
        gates=[spec.Gate("one", reads()), spec.Gate("two", reads())],
    )
    both_ways(graph)


def test_a_gate_that_needs_what_is_behind_another():
    graph = pipeline(
        function("a", branch=("one", True)),
        function("b", branch=("one", False)),
        function("c", {"x": first("a", "b")}),
        function("d", branch=("two", True)),
        function("e", {"x": "c"}, branch=("two", False)),
        function("f", {"x": first("d", "e")}),
        gates=[spec.Gate("one", reads()), spec.Gate("two", reads("c"))],
    )
    assert len(branching.copies(both_ways(graph))["f"]) == 4


def test_gates_that_need_each_others_steps():
    graph = pipeline(
        function("a", branch=("one", True)),
        function("p", branch=("two", True)),
        function("q", {"x": first("a", "p")}, branch=("two", True)),
        function("w", {"x": first("p", "a")}, branch=("one", False)),
        gates=[spec.Gate("one", reads()), spec.Gate("two", reads())],
    )
    both_ways(graph)


def test_waiting_for_a_gated_step_without_needing_it():
    graph = pipeline(
        function("a", branch=("one", True)),
        function("b", after=("a",)),
        gates=[spec.Gate("one", reads())],
    )
    layout = both_ways(graph)
    assert {p.native: p.after for p in layout.steps() if p.step.name == "b"} == {
        "b": ("a",),
        "b-2": (),
    }


def test_an_undecided_gate_has_no_steps():
    graph = pipeline(
        function("a", branch=("one", True)),
        function("b", branch=("two", True)),
        function("c", branch=("two", False)),
        gates=[spec.Gate("one", reads()), spec.Gate("two", reads("a"))],
    )
    both_ways(graph)


def test_too_many_copies_are_refused(monkeypatch):
    monkeypatch.setattr(branching, "MOST", 10)
    steps, gates = [function("v0")], []
    for number in range(6):
        gates.append(spec.Gate(f"g{number}", reads(f"v{number}")))
        steps += [
            function(f"a{number}", branch=(f"g{number}", True)),
            function(f"b{number}", branch=(f"g{number}", False)),
            function(f"v{number + 1}", {"x": first(f"a{number}", f"b{number}")}),
        ]
    with pytest.raises(UnsupportedFeatureError, match=r"wf\.first over so many gates.*one step"):
        place(pipeline(*steps, gates=gates))


def test_the_definition_nests_and_names_the_copies():
    graph = pipeline(
        function("score", outputs="number"),
        function("then_it", branch=("gate", True)),
        function("other", branch=("gate", False)),
        function("use", {"x": first("then_it", "other")}),
        gates=[spec.Gate("gate", reads("score"))],
    )
    document = compiled(graph)
    steps = native_steps(document)
    assert list(steps) == ["score", "gate", "then-it", "use", "other", "use-2"]
    uri = steps["use"]["Arguments"]["ProcessingInputs"][1]["S3Input"]["S3Uri"]
    assert "Steps.then-it." in str(uri)
    ours = document.definition["Metadata"]["waterflow"]
    assert ours["steps"]["use-2"] == "use"
    assert ours["gates"] == {"gate": "gate"}
    notes = {job.step: job.notes for job in document.jobs}
    assert notes["use"] == ("compiled 2 times, into each branch in which it can run",)


# --- any pipeline -------------------------------------------------------------------------------


@st.composite
def pipelines(draw):
    """Return a pipeline with up to four gates, choices over them, and order without data."""
    steps, gates, chains = [], [], {}

    def chain_of(branch):
        chain = []
        while branch is not None:
            chain.insert(0, (branch.gate, branch.then))
            branch = next(g.within for g in gates if g.name == branch.gate)
        return tuple(chain)

    def visible(chain):
        return [name for name, theirs in chains.items() if chain[: len(theirs)] == theirs]

    for number in range(draw(st.integers(2, 9))):
        if len(gates) < 4 and draw(st.booleans()):
            sides = [spec.Branch(g.name, then) for g in gates for then in (True, False)]
            within = draw(st.sampled_from([None, *sides]))
            names = visible(chain_of(within))
            read = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
            gates.append(spec.Gate(f"g{len(gates)}", reads(*read), within))
        sides = [spec.Branch(g.name, then) for g in gates for then in (True, False)]
        branch = draw(st.sampled_from([None, *sides]))
        chain, name = chain_of(branch), f"s{number}"
        inputs = {}
        seen = visible(chain)
        if seen and draw(st.booleans()):
            inputs["certain"] = draw(st.sampled_from(seen))
        if len(chains) >= 2 and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(sorted(chains)), min_size=2, max_size=3))
            inputs["choice"] = first(*chosen)
        if len(seen) >= 2 and draw(st.integers(0, 3)) == 0:
            inputs["both"] = spec.FromList(tuple(spec.FromStep(s, "output") for s in seen[:2]))
        after = (draw(st.sampled_from(sorted(chains))),) if chains and draw(st.booleans()) else ()
        steps.append(
            function(name, inputs, branch=branch and (branch.gate, branch.then), after=after)
        )
        chains[name] = chain
    return pipeline(*steps, gates=gates)


@settings(max_examples=400)
@given(pipelines())
def test_any_layout_runs_as_its_spec(graph):
    both_ways(graph)
