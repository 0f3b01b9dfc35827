"""Pictures of pipelines: what they show, that nothing overlaps, and what they cost."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow import spec
from waterflow.graph import condition_text, to_mermaid, to_svg, to_terminal
from waterflow.graph.condense import MOST_BOXES, condense
from waterflow.graph.layout import place
from waterflow.graph.picture import draw

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion


@wf.pipeline(schedule="0 3 * * 1")
def small(
    source: wf.Data = wf.Data("data/transactions.csv"),
    trees: int = 200,
    min_auc: float = 0.9,
) -> None:
    """Find fraud."""
    sets = steps.split(steps.ingest(source))
    model = steps.train(sets.train, trees)
    metrics = steps.evaluate(model, sets.test)
    with wf.when(metrics["auc"] >= min_auc) as gate:
        wf.register(model, name="fraud", example=sets.test, metrics=metrics, alias="challenger")
    with gate.otherwise():
        steps.notify(metrics)


@wf.pipeline
def rich(flag: bool = False, name: str = "a < b & c") -> None:
    """Everything that a picture can show."""
    sets = steps.split(steps.ingest(wf.Data("s3://b/a&b<c>.csv")))
    with wf.when(flag) as gate:
        one = steps.train(sets.train, trees=1)
        with wf.when(~((name == 'x "y"') | flag)) as inner:
            steps.greet(name)
        with inner.otherwise():
            steps.greet("other")
    with gate.otherwise():
        two = steps.train(sets.train, trees=2)
    best = wf.first(one, two)
    scores = [steps.score(best, sets.test) for _ in range(8)]
    steps.pick([best_of(sets), best_of(sets)], scores[:2])
    sums = wf.map(steps.add, steps.numbers(3))
    program = wf.container(
        name="pack",
        image="ghcr.io/acme/pack:1",
        command=["pack"],
        inputs={"m": best},
        outputs=["out"],
    )
    steps.read.options(after=[sums, *scores])(program.out)


def best_of(sets: Any) -> Any:
    return steps.train(sets.train)


@wf.pipeline
def chain(length: wf.Static[int] = 1000) -> None:
    value = steps.add(1)
    for _ in range(length - 1):
        value = steps.add(value)


@wf.pipeline
def wide(width: wf.Static[int] = 1000) -> None:
    steps.total([steps.add(number) for number in range(width)])


@wf.pipeline
def dense(layers: wf.Static[int] = 12, width: wf.Static[int] = 12) -> None:
    row = [steps.add(number) for number in range(width)]
    for _ in range(layers - 1):
        row = [steps.total(row) for _ in range(width)]


@wf.pipeline
def gated(count: wf.Static[int] = 300) -> None:
    value = steps.add(1)
    for number in range(count):
        with wf.when(value > number):
            steps.add(value)


ALL = [small, rich, chain, wide, dense, gated]


class SvgSnapshot(SingleFileSnapshotExtension):
    file_extension = "svg"
    _write_mode = WriteMode.TEXT


# --- snapshots: look at them when they change -----------------------------------------------------


def test_mermaid_of_a_small_pipeline(snapshot: SnapshotAssertion) -> None:
    assert to_mermaid(small().spec) == snapshot


def test_terminal_of_a_small_pipeline(snapshot: SnapshotAssertion) -> None:
    assert to_terminal(small().spec) == snapshot


def test_terminal_of_a_rich_pipeline(snapshot: SnapshotAssertion) -> None:
    assert to_terminal(rich().spec) == snapshot


def test_svg_of_a_small_pipeline(snapshot: SnapshotAssertion) -> None:
    assert to_svg(small().spec) == snapshot(extension_class=SvgSnapshot)


# --- what they show -------------------------------------------------------------------------------


def test_the_pictures_name_every_step_edge_and_condition() -> None:
    pipeline = small().spec
    for text in (to_mermaid(pipeline), to_terminal(pipeline), to_svg(pipeline)):
        for step in pipeline.steps:
            assert step.name in text
        assert "then" in text
        assert "otherwise" in text
        assert "min_auc" in text
        assert "trees" in text
    mermaid = to_mermaid(pipeline)
    assert '{"evaluate[#quot;auc#quot;] #gt;= min_auc"}' in mermaid
    assert '-->|"train"|' in mermaid
    assert mermaid.startswith("flowchart TD\n")
    svg = to_svg(pipeline)
    assert 'evaluate["auc"] &gt;= min_auc' in svg
    assert ">validation<" not in svg
    assert svg.count(">train<") == 2, "the step, and the output of split"


@pytest.mark.parametrize("pipeline", ALL, ids=lambda p: p.name)
def test_svg_is_well_formed_self_contained_and_the_same_each_time(pipeline: Any) -> None:
    document = pipeline().spec
    svg = to_svg(document)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.findall(r"(?:href|src|url\()", svg), "nothing is fetched from elsewhere"
    assert "prefers-color-scheme:dark" in svg
    assert to_svg(spec.decode(spec.encode(document))) == svg
    assert "nan" not in svg
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.attrib["width"]) <= width
        assert float(rect.attrib["height"]) <= height


def test_text_is_escaped() -> None:
    svg = to_svg(rich().spec)
    assert "s3://b/a&amp;b&lt;c&gt;.csv" in svg
    assert "s3://b/a&b#lt;c#gt;.csv" in to_mermaid(rich().spec)
    assert 'not (name == "x \\"y\\""' in svg


def test_a_spec_read_from_json_has_the_same_pictures() -> None:
    pipeline = rich().spec
    again = spec.decode(spec.encode(pipeline))
    for picture in (to_svg, to_mermaid, to_terminal):
        assert picture(again) == picture(pipeline)


@pytest.mark.parametrize("pipeline", ALL, ids=lambda p: p.name)
def test_boxes_and_labels_never_overlap(pipeline: Any) -> None:
    picture = condense(draw(pipeline().spec))
    assert len(picture.boxes) <= MOST_BOXES
    sizes = {name: (40.0 + 7 * (at % 5), 30.0 + at % 3) for at, name in enumerate(picture.boxes)}
    pairs = [(edge.tail, edge.head) for edge in picture.edges]
    bundles = [(edge.label, edge.line) for edge in picture.edges]
    layout = place(sizes, pairs, bundles, [(50.0, 14.0)] * len(pairs))
    by_rank: dict[int, list[Any]] = {}
    for cell in layout.cells:
        by_rank.setdefault(cell.rank, []).append(cell)
    for cells in by_rank.values():
        for one, other in combinations(cells, 2):
            assert abs(one.x - other.x) >= (one.width + other.width) / 2 - 1e-6
    for (tail, head), route in zip(pairs, layout.routes, strict=True):
        ranks = [layout.cells[cell].rank for cell in route]
        assert ranks == list(range(ranks[0], ranks[-1] + 1)), f"{tail} is above {head}"
        assert len(ranks) > 2
    assert layout.tops == sorted(layout.tops)
    assert min(c.x - c.width / 2 for c in layout.cells) == pytest.approx(0)


def test_an_alternative_joins_in_one_place() -> None:
    picture = draw(rich().spec)
    joined = [box for box in picture.boxes.values() if box.kind == "first"]
    assert len(joined) == 1
    assert [edge.tail for edge in picture.edges if edge.head == joined[0].id] == [
        "step:train",
        "step:train-2",
    ]


def test_gates_lead_to_where_their_sides_begin() -> None:
    edges = {(edge.tail, edge.head, edge.line) for edge in draw(rich().spec).edges}
    assert ("gate:when", "step:train", "then") in edges
    assert ("gate:when", "gate:when-2", "then") in edges
    assert ("gate:when", "step:train-2", "otherwise") in edges
    assert ("gate:when-2", "step:greet", "then") in edges
    assert ("gate:when-2", "step:greet-2", "otherwise") in edges


# --- conditions -----------------------------------------------------------------------------------

AUC = spec.FromStep("evaluate", "metrics", "auc")
ABOVE = spec.Compare(AUC, ">=", spec.FromParameter("min_auc"))
FLAG = spec.Compare(spec.FromParameter("flag"), "==", spec.FromValue(True))


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (ABOVE, 'evaluate.metrics["auc"] >= min_auc'),
        (FLAG, "flag"),
        (spec.Compare(spec.FromStep("good", "output"), "==", spec.FromValue(False)), "not good"),
        (spec.Compare(spec.FromParameter("n"), "!=", spec.FromValue("é")), 'n != "é"'),
        (spec.Not(FLAG), "not flag"),
        (spec.Not(ABOVE), 'not (evaluate.metrics["auc"] >= min_auc)'),
        (
            spec.All((FLAG, spec.Any_((FLAG, ABOVE)))),
            'flag and (flag or evaluate.metrics["auc"] >= min_auc)',
        ),
        (spec.Not(spec.Any_((FLAG, FLAG))), "not (flag or flag)"),
    ],
)
def test_conditions_read_as_written(condition: spec.Condition, text: str) -> None:
    assert condition_text(condition) == text


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pipeline", [chain, wide], ids=lambda p: p.name)
def test_a_thousand_steps_can_still_be_looked_at(pipeline: Any) -> None:
    document = pipeline().spec
    svg = to_svg(document)
    text = to_terminal(document)
    assert len(svg) < 200_000
    assert len(text.splitlines()) < 450
    assert max(map(len, text.splitlines())) <= 100


def test_the_cost_grows_with_the_pipeline() -> None:
    """Four times the steps take far less than the sixteen times of a square."""

    def cost(length: int) -> float:
        pipeline = chain(length=length).spec
        times: list[float] = []
        for _ in range(5):
            start = time.perf_counter()
            to_svg(pipeline)
            times.append(time.perf_counter() - start)
        return min(times)

    assert cost(4000) < 8 * cost(1000)


def test_alike_steps_are_counted() -> None:
    assert "add … add-1000 (1000 steps)" in to_terminal(wide().spec)
    assert "add \u00d7 1000" in to_svg(wide().spec)


def test_an_empty_spec_has_a_picture() -> None:
    empty = spec.Pipeline("empty")
    ET.fromstring(to_svg(empty))
    assert to_terminal(empty) == "empty: 0 steps\n\n"
    assert to_mermaid(empty) == "flowchart TD\n"
