"""A layered layout: ranks by the longest path, order by barycenters, places by least squares."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

SPACE: Final = 34.0
"""Pixels between boxes of a rank."""
LANE: Final = 18.0
"""Pixels between an edge that passes a rank and its neighbours."""
_GAP: Final = 20.0
_SWEEPS: Final = 10
_TURNS: Final = 24


@dataclass
class Cell:
    """A box, or the place where an edge crosses a rank.

    Attributes:
        width: Pixels.
        height: Pixels.
        rank: Boxes stand on even ranks, the labels of edges on odd ones.
        real: Whether it is a box.
        x: Of its middle.
    """

    width: float
    height: float
    rank: int
    real: bool
    x: float = 0.0
    above: list[int] = field(default_factory=list[int])
    below: list[int] = field(default_factory=list[int])

    @property
    def space(self) -> float:
        """Pixels to keep free beside it."""
        return SPACE if self.real else LANE


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Attributes:
        cells: Boxes first, in the given order; then the crossings of edges.
        routes: For each edge the cells it passes, both ends included.
        tops: The y of each rank's upper end, and behind the last one, the total height.
        heights: Each rank's height.
        width: The total width.
    """

    cells: list[Cell]
    routes: list[list[int]]
    tops: list[float]
    heights: list[float]
    width: float

    @property
    def height(self) -> float:
        """The total height."""
        return self.tops[-1] + self.heights[-1]


def ranks(boxes: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return each box's rank: the length of the longest path that leads to it.

    A box that nothing leads to stands right above the first that needs it. Edges of a cycle,
    which no checked spec has, are left out.
    """
    heads: dict[str, list[str]] = {box: [] for box in boxes}
    waiting = dict.fromkeys(boxes, 0)
    for tail, head in edges:
        heads[tail].append(head)
        waiting[head] += 1
    levels = dict.fromkeys(boxes, 0)
    sources = [box for box in boxes if not waiting[box]]
    ready = list(sources)
    for box in ready:
        for head in heads[box]:
            levels[head] = max(levels[head], levels[box] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    for box in sources:
        if heads[box]:
            levels[box] = min(levels[head] for head in heads[box]) - 1
    return levels


def place(
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    bundles: Sequence[Hashable],
    labels: Sequence[tuple[float, float]],
) -> Layout:
    """Return a place for each box and a route for each edge.

    Args:
        sizes: Box -> width and height, in the order in which they are defined.
        edges: Tail and head.
        bundles: For each edge what it carries: edges from one tail that carry the same run
            together as far as they can, under one label.
        labels: Width and height of each edge's label; zeros for none.
    """
    rank = ranks(list(sizes), edges)
    cells = [Cell(*size, 2 * rank[box], real=True) for box, size in sizes.items()]
    index = {box: number for number, box in enumerate(sizes)}
    routes: list[list[int]] = []
    shared: dict[tuple[str, Hashable, int], int] = {}
    for (tail, head), bundle, (wide, high) in zip(edges, bundles, labels, strict=True):
        route = [index[tail]]
        for between in range(2 * rank[tail] + 1, 2 * rank[head]):
            key = (tail, bundle, between)
            if key not in shared:
                shared[key] = len(cells)
                labelled = len(route) == 1
                cells.append(Cell(wide * labelled, high * labelled, between, real=False))
                _join(cells, route[-1], shared[key])
            route.append(shared[key])
        _join(cells, route[-1], index[head])
        route.append(index[head])
        routes.append(route)
    layers = _order(cells)
    _spread(cells, layers)
    left = min(cell.x - cell.width / 2 for cell in cells)
    for cell in cells:
        cell.x -= left
    heights = [max((cells[c].height for c in layer), default=0.0) for layer in layers]
    tops = [0.0]
    for upper, layer in enumerate(layers[:-1]):
        # Where edges run far to the side they need height, to stay steep enough to follow.
        far = max(
            (abs(cells[c].x - cells[d].x) for c in layer for d in cells[c].below), default=0.0
        )
        tops.append(tops[-1] + heights[upper] + min(_GAP + far / 12, 3 * _GAP))
    width = max(cell.x + cell.width / 2 for cell in cells)
    return Layout(cells, routes, tops, heights, width)


def _join(cells: list[Cell], upper: int, lower: int) -> None:
    cells[upper].below.append(lower)
    cells[lower].above.append(upper)


def _order(cells: list[Cell]) -> list[list[int]]:
    """Return the cells of each rank from left to right, with few crossings."""
    layers: list[list[int]] = [[] for _ in range(1 + max(cell.rank for cell in cells))]
    seen: set[int] = set()
    for start in range(len(cells)):
        if cells[start].above:
            continue
        todo = [start]
        while todo:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                layers[cells[number].rank].append(number)
                todo.extend(reversed(cells[number].below))
    best, fewest = [list(layer) for layer in layers], _crossings(cells, layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        place_of = [0.0] * len(cells)
        for layer in layers if down else reversed(layers):
            for at, number in enumerate(layer):
                place_of[number] = at
            layer.sort(
                key=lambda c: _middle(cells[c].above if down else cells[c].below, place_of, c)
            )
            for at, number in enumerate(layer):
                place_of[number] = at
        crossings = _crossings(cells, layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _middle(beside: list[int], place_of: list[float], own: int) -> float:
    return sum(place_of[c] for c in beside) / len(beside) if beside else place_of[own]


def _crossings(cells: list[Cell], layers: list[list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        at = {cell: position for position, cell in enumerate(lower)}
        passed: list[int] = []
        for cell in upper:
            ends = sorted(at[c] for c in cells[cell].below)
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _spread(cells: list[Cell], layers: list[list[int]]) -> None:
    """Give every cell its x: near its neighbours, and never over another."""
    for layer in layers:
        _settle(cells, layer, [0.0] * len(layer), [1.0] * len(layer))
    for turn in range(_TURNS):
        down = turn % 2 == 0
        for layer in layers if down else reversed(layers):
            wished, weights = list[float](), list[float]()
            for number in layer:
                cell = cells[number]
                beside = cell.above if down else cell.below
                if turn >= _TURNS // 2:
                    beside = cell.above + cell.below
                pull = [(1.0 if cell.real or cells[c].real else 6.0, cells[c].x) for c in beside]
                weight = sum(w for w, _ in pull)
                wished.append(sum(w * x for w, x in pull) / weight if weight else cell.x)
                weights.append(weight or 0.1)
            _settle(cells, layer, wished, weights)


def _settle(cells: list[Cell], layer: list[int], wished: list[float], weights: list[float]) -> None:
    """Put a rank's cells as near to their wishes as they can be without touching.

    The least squares under "each to the right of the one before" are found by pooling neighbours
    that would collide: isotonic regression.
    """
    offsets = [0.0]
    for left, right in pairwise(layer):
        a, b = cells[left], cells[right]
        offsets.append(offsets[-1] + (a.width + b.width) / 2 + min(a.space, b.space))
    pools: list[tuple[float, float, int]] = []
    for offset, wish, weight in zip(offsets, wished, weights, strict=False):
        mean, heavy, count = wish - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other, more, size = pools.pop()
            mean = (mean * heavy + other * more) / (heavy + more)
            heavy, count = heavy + more, count + size
        pools.append((mean, heavy, count))
    at = 0
    for mean, _, count in pools:
        for _ in range(count):
            cells[layer[at]].x = mean + offsets[at]
            at += 1
