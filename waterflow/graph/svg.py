"""The picture of a pipeline as one self-contained SVG file; the same spec gives the same bytes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from waterflow.graph.condense import condense
from waterflow.graph.layout import Cell, Layout, place
from waterflow.graph.marks import marked
from waterflow.graph.picture import Box, Edge, Mark, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from waterflow import spec

_MARGIN: Final = 28.0
_FRAME: Final = 11.0
_HEAD: Final = 46.0
_TITLE, _SMALL, _LABEL = 14.0, 11.0, 11.0
_CHIP_HEIGHT: Final = 18.0
_WIDEST: Final = 300.0
_LINE: Final = 26
_CROOKED: Final = 9.0
_NARROW, _WIDE = frozenset("fijlrt.,:;'|!()[]I "), frozenset("mwMW@%—…")

# Colours of the day, and of the night for who prefers it. The panel carries its own background,
# so the picture is readable on any page.
_STYLE: Final = """
svg{--panel:#ffffff;--rim:#e3e7ee;--card:#ffffff;--ink:#1d2433;--quiet:#5d687c;--line:#8c97aa;
--chip:#eef1f6;--function:#3566d6;--map:#3566d6;--container:#0f8a8a;--register:#7a3fd1;
--group:#3566d6;--gate:#b26a00;--gatefill:#fff6e5;--data:#2b8a4b;--datafill:#edf8f0;
--then:#2b8a4b;--otherwise:#c2473d}
@media (prefers-color-scheme:dark){svg{--panel:#12161f;--rim:#2b3342;--card:#1b2130;--ink:#e9edf5;
--quiet:#a2adc0;--line:#76829a;--chip:#2a3244;--function:#7ba2ff;--map:#7ba2ff;--container:#4cc9c9;
--register:#b48cff;--group:#7ba2ff;--gate:#f0b145;--gatefill:#2c2413;--data:#6fd08c;
--datafill:#16281c;--then:#6fd08c;--otherwise:#ff8d83}}
text{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Helvetica,Arial,"DejaVu Sans",
sans-serif;fill:var(--ink)}
.t{font-size:14px;font-weight:600}.d{font-size:11px;fill:var(--quiet)}
.c{font-size:11px;fill:var(--quiet)}.h{font-size:16px;font-weight:700}
.g{font-size:12px;font-weight:600;fill:var(--gate)}
.l{font-size:11px;fill:var(--quiet);paint-order:stroke;stroke:var(--panel);stroke-width:4px;
stroke-linejoin:round}
.l.then{fill:var(--then);font-weight:600}.l.otherwise{fill:var(--otherwise);font-weight:600}
.e{fill:none;stroke:var(--line);stroke-width:1.5}.e.order{stroke-dasharray:2 4}
.e.condition{stroke:var(--gate)}.e.then{stroke:var(--then)}.e.otherwise{stroke:var(--otherwise)}
.a{fill:var(--line)}.a.condition{fill:var(--gate)}.a.then{fill:var(--then)}
.a.otherwise{fill:var(--otherwise)}
.card{fill:var(--card);stroke:var(--rim);stroke-width:1.2}
.chip{fill:var(--chip)}.gate{fill:var(--gatefill);stroke:var(--gate);stroke-width:1.3}
.store{fill:var(--datafill);stroke:var(--data);stroke-width:1.2}
"""

_STATES: Final = """\
.m{font-size:11px;font-weight:600;fill:var(--state)}.s .card{stroke:var(--state)}
.s{--state:#5d687c}.s.succeeded{--state:#1a7f4b}.s.cached{--state:#0b7285}.s.failed{--state:#c2332b}
.s.running{--state:#96600a}.s.cancelled{--state:#8e3fae}
@media (prefers-color-scheme:dark){.s{--state:#a2adc0}.s.succeeded{--state:#6fd08c}
.s.cached{--state:#5cc9da}.s.failed{--state:#ff8d83}.s.running{--state:#f0b145}
.s.cancelled{--state:#d79bef}}
"""
"""What colours the steps of a run."""

_SIGNS: Final = {
    "succeeded": "\u2713", "cached": "\u21ba", "failed": "\u2715", "running": "\u25b8",
    "skipped": "\u2013", "cancelled": "\u25a0", "pending": "\u00b7", "not-run": "\u00b7",
}  # fmt: skip
"""What stands before a state, so that colour alone tells nothing."""


def to_svg(
    pipeline: spec.Pipeline,
    marks: Mapping[str, Mark] | None = None,
    *,
    within_page: bool = False,
) -> str:
    """Return the picture of a pipeline as SVG.

    Steps are cards with the parameters they take, gates are diamonds, outside data stands above
    the step that reads it. Colours follow the reader's light or dark preference. Beyond 150 boxes
    the picture is condensed, so its cost stays in proportion to the pipeline.

    Args:
        pipeline: The spec.
        marks: Step -> what a run made of it: colours the picture.
        within_page: For a page of HTML that brings its own style: without a panel and a heading.
    """
    picture = condense(draw(pipeline))
    if marks is not None:
        picture = marked(picture, marks)
    touching = _touching(picture.edges)
    sizes = {name: _size(box, touching[name]) for name, box in picture.boxes.items()}
    labels = [
        (_width(e.label, _LABEL) + 10, 16.0) if e.label else (0.0, 0.0) for e in picture.edges
    ]
    pairs = [(edge.tail, edge.head) for edge in picture.edges]
    body: list[str] = []
    wide, high = 0.0, 0.0
    if sizes:
        bundles = [(edge.label, edge.line) for edge in picture.edges]
        layout = place(sizes, pairs, bundles, labels)
        body += _frames(picture, layout)
        body += _edges(list(picture.boxes.values()), list(picture.edges), layout)
        for box, cell in zip(picture.boxes.values(), layout.cells, strict=False):
            body.append(_box(box, cell, _middle(layout, cell)))
        wide, high = layout.width, layout.height
    if within_page:
        return (
            f'<svg viewBox="-16 -16 {_n(wide + 32)} {_n(high + 32)}" width="{_n(wide + 32)}" '
            f'height="{_n(high + 32)}" role="group" '
            f'aria-label="{_attribute(f"Graph of pipeline {pipeline.name}")}">\n'
            + "\n".join(body)
            + "\n</svg>"
        )
    about = _about(pipeline)
    heading = max(_width(pipeline.name, 17), _width(about, _SMALL + 1))
    inner = max(wide, heading)
    total_width, total_height = _n(inner + 2 * _MARGIN), _n(high + 2 * _MARGIN + _HEAD)
    shift = _MARGIN + (inner - wide) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" '
        f'width="{total_width}" height="{total_height}" role="img" '
        f'aria-label="{_attribute(f"Pipeline {pipeline.name}")}">\n'
        f"<style>{_STYLE}{_STATES if marks is not None else ''}</style>\n"
        f'<rect x="0.5" y="0.5" width="{_n(inner + 2 * _MARGIN - 1)}" '
        f'height="{_n(high + 2 * _MARGIN + _HEAD - 1)}" rx="14" '
        'style="fill:var(--panel);stroke:var(--rim)"/>\n'
        f'<text class="h" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 10)}">{escape(pipeline.name)}</text>\n'
        f'<text class="d" x="{_n(_MARGIN)}" y="{_n(_MARGIN + 28)}">{escape(about)}</text>\n'
        f'<g transform="translate({_n(shift)} {_n(_MARGIN + _HEAD)})">\n'
        + "\n".join(body)
        + "\n</g>\n</svg>\n"
    )


def _about(pipeline: spec.Pipeline) -> str:
    steps = len(pipeline.steps)
    parts = [f"{steps} step{'s' if steps != 1 else ''}"]
    if pipeline.schedule:
        parts.append(f"schedule {pipeline.schedule} UTC")
    if pipeline.description:
        parts.append(_cut(pipeline.description, 78))
    return " · ".join(parts)


# --- sizes ---------------------------------------------------------------------------------------


def _width(text: str, size: float) -> float:
    """Return about how many pixels a text takes; rather too many than too few."""
    units = 0.0
    for char in text:
        if char in _NARROW:
            units += 0.36
        elif char in _WIDE or ord(char) > 0x2E80:  # from here, full-width scripts
            units += 0.98
        elif char.isupper():
            units += 0.72
        else:
            units += 0.6
    return units * size


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _touching(edges: Sequence[Edge]) -> Counter[str]:
    """Return for each box how many edges its busier side bears."""
    below = Counter(tail for tail, _, _ in {(e.tail, e.label, e.line) for e in edges})
    return below | Counter(edge.head for edge in edges)


def _size(box: Box, touching: int) -> tuple[float, float]:
    if box.kind == "gate":
        lines = _gate_lines(box.title)
        text = max(_width(line, 12) for line in lines)
        height = 46.0 + 15 * (len(lines) - 1)
        # A diamond is narrower where its outer lines stand: widen it until they fit.
        return (text + 14) / (1 - (7.5 * len(lines)) / (height * 0.62 + 6)), height + 10
    if box.kind == "first":
        return 52.0, 24.0
    lines = _lines(box)
    text = max(
        _width(_cut(box.title, 44), _TITLE) * 1.15,
        *(_width(_cut(line, 48), _SMALL) * (1.15 if kind == "m" else 1) for kind, line in lines),
        0.0,
    )
    rows = _chip_rows(box)
    widest = max((sum(w for _, w in row) + 6 * (len(row) - 1) for row in rows), default=0.0)
    height = 36.0 + 17 * len(lines) + ((_CHIP_HEIGHT + 5) * len(rows) + 2 if rows else 0)
    extra = 12.0 if box.kind == "data" else 0.0
    return max(text + 34 + extra, widest + 34, min(touching * 20.0, 420.0), 96.0), height


def _lines(box: Box) -> list[tuple[str, str]]:
    """Return the lines of a card below its title, each with its class."""
    lines = [("d", box.detail)] if box.detail else []
    if box.mark is not None and box.mark.text:
        lines.append(("m", f"{_SIGNS.get(box.mark.status, '')} {box.mark.text}".strip()))
    return lines


def _chip_rows(box: Box) -> list[list[tuple[str, float]]]:
    """Return the chips of a card in rows, each with its width."""
    rows: list[list[tuple[str, float]]] = []
    room = 0.0
    most = min(_WIDEST, max(_width(box.title, _TITLE), _width(box.detail, _SMALL), 170.0))
    for chip in box.chips:
        text = _cut(chip, 30)
        width = _width(text, _SMALL) + 14
        if not rows or room + width > most:
            rows.append([])
            room = 0.0
        rows[-1].append((text, width))
        room += width + 6
    return rows


def _gate_lines(text: str) -> list[str]:
    """Return a condition in lines of a diamond, broken before its operators."""
    lines: list[str] = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}".strip()
        starts = word in ("and", "or", ">=", "<=", "==", "!=", ">", "<")
        if lines[-1] and (len(joined) > _LINE or (starts and len(lines[-1]) > _LINE - 10)):
            lines.append(word)
        else:
            lines[-1] = joined
    if len(lines) > 4:  # the whole is in the tooltip
        lines = [*lines[:3], "…"]
    return [_cut(line, 40) for line in lines]


# --- drawing -------------------------------------------------------------------------------------


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;", "\n": "&#10;"})


def _middle(layout: Layout, cell: Cell) -> float:
    return layout.tops[cell.rank] + layout.heights[cell.rank] / 2


def _frames(picture: Picture, layout: Layout) -> list[str]:
    """Draw a frame around each group, where no other box would come to stand in it."""
    places = {
        name: (
            cell.x - cell.width / 2,
            _middle(layout, cell) - cell.height / 2,
            cell.x + cell.width / 2,
            _middle(layout, cell) + cell.height / 2,
        )
        for name, cell in zip(picture.boxes, layout.cells, strict=False)
    }
    depth = {"": 0}
    frames: list[str] = []
    for group in picture.groups:
        depth[group.name] = depth.get(group.within, 0) + 1
        inside = picture.inside(group.name)
        if not inside:
            continue  # drawn small, boxes of several groups are one
        room = max(_FRAME - 4.0 * (depth[group.name] - 1), 3.0)
        left, top = (min(places[name][at] for name in inside) - room for at in (0, 1))
        right, low = (max(places[name][at] for name in inside) + room for at in (2, 3))
        others = (place for name, place in places.items() if name not in inside)
        if any(x < right and left < X and y < low and top < Y for x, y, X, Y in others):
            continue
        frames.append(
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" '
            f'height="{_n(low - top)}" rx="12" '
            'style="fill:none;stroke:var(--quiet);stroke-dasharray:5 4"/>'
            f'<text class="l" x="{_n(left + 8)}" y="{_n(top + 4)}">{escape(group.title)}</text>'
        )
    return frames


def _box(box: Box, cell: Cell, middle: float) -> str:
    x, y = cell.x - cell.width / 2, middle - cell.height / 2
    hint = f"<title>{escape(box.hint)}</title>" if box.hint else ""
    if box.kind == "gate":
        body = _diamond(box, cell, middle)
    elif box.kind == "first":
        body = (
            f'<rect class="card" x="{_n(x)}" y="{_n(y)}" width="{_n(cell.width)}" '
            f'height="{_n(cell.height)}" rx="12"/>'
            f'<text class="d" text-anchor="middle" x="{_n(cell.x)}" y="{_n(middle + 4)}">'
            "first</text>"
        )
    else:
        body = _card(box, cell, x, y)
    mark = box.mark
    if mark is None:
        return f"<g>{hint}{body}</g>"
    title = f"<title>{escape(f'{box.title}: {mark.text}')}</title>" if mark.text else hint
    if not mark.href:
        return f'<g class="s {mark.status}">{title}{body}</g>'
    href, label = _attribute(mark.href), _attribute(f"{box.title}: {mark.text}")
    return f'<a class="s {mark.status}" href="{href}" aria-label="{label}">{title}{body}</a>'


def _diamond(box: Box, cell: Cell, middle: float) -> str:
    half_width, half_height = cell.width / 2, cell.height / 2
    points = (
        (cell.x, middle - half_height),
        (cell.x + half_width, middle),
        (cell.x, middle + half_height),
        (cell.x - half_width, middle),
    )
    drawn = " ".join(f"{_n(px)},{_n(py)}" for px, py in points)
    lines = _gate_lines(box.title)
    top = middle + 4 - 7.5 * (len(lines) - 1)
    texts = "".join(
        f'<text class="g" text-anchor="middle" x="{_n(cell.x)}" y="{_n(top + 15 * number)}">'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return f'<polygon class="gate" stroke-linejoin="round" points="{drawn}"/>{texts}'


def _card(box: Box, cell: Cell, x: float, y: float) -> str:
    parts: list[str] = []
    wide, high = cell.width, cell.height
    if box.kind in ("map", "group"):
        # A second card behind it: this stands for many.
        parts.append(
            f'<rect class="card" x="{_n(x + 5)}" y="{_n(y + 5)}" width="{_n(wide)}" '
            f'height="{_n(high)}" rx="9"/>'
        )
    if box.kind == "data":
        radius = min(high / 2, 18.0)
        parts.append(
            f'<rect class="store" x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}" '
            f'rx="{_n(radius)}"/>'
        )
        parts.append(_cylinder(x + 14, y + 11))
        left = x + 32
    else:
        parts.append(
            f'<rect class="card" x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}" '
            'rx="9"/>'
            f'<rect x="{_n(x + 7)}" y="{_n(y + 9)}" width="3.5" height="{_n(high - 18)}" rx="1.7" '
            f'style="fill:var(--{box.kind})"/>'
        )
        left = x + 19
    below = y + 23
    parts.append(
        f'<text class="t" x="{_n(left)}" y="{_n(below)}">{escape(_cut(box.title, 44))}</text>'
    )
    for style, line in _lines(box):
        below += 17
        parts.append(
            f'<text class="{style}" x="{_n(left)}" y="{_n(below)}">{escape(_cut(line, 48))}</text>'
        )
    below += 8
    for row in _chip_rows(box):
        at = left
        for text, width in row:
            parts.append(
                f'<rect class="chip" x="{_n(at)}" y="{_n(below)}" width="{_n(width)}" '
                f'height="{_n(_CHIP_HEIGHT)}" rx="9"/>'
                f'<text class="c" text-anchor="middle" x="{_n(at + width / 2)}" '
                f'y="{_n(below + 12.8)}">{escape(text)}</text>'
            )
            at += width + 6
        below += _CHIP_HEIGHT + 5
    return "".join(parts)


def _cylinder(x: float, y: float) -> str:
    return (
        f'<path d="M{_n(x)} {_n(y + 2.5)}v9a5.5 2.5 0 0 0 11 0v-9a5.5 2.5 0 0 0 -11 0'
        'a5.5 2.5 0 0 0 11 0" style="fill:none;stroke:var(--data);stroke-width:1.3"/>'
    )


# --- edges ---------------------------------------------------------------------------------------


def _edges(boxes: list[Box], edges: list[Edge], layout: Layout) -> list[str]:
    leaves = _ports(boxes, edges, layout, lower=True)
    enters = _ports(boxes, edges, layout, lower=False)
    # Edges of a bundle share their first stretches: each is drawn once.
    lines: dict[str, None] = {}
    labels: dict[str, None] = {}
    for number, edge in enumerate(edges):
        route = layout.routes[number]
        stretches, x = _path(layout, route, leaves[number], enters[number], bool(edge.label))
        for line in stretches:
            lines[f'<path class="e {edge.line}" d="{line}"/>'] = None
        y = enters[number][1]
        lines[f'<path class="a {edge.line}" d="M{_n(x)} {_n(y)}l-4 -7.5h8z"/>'] = None
        if edge.label:
            cell = layout.cells[route[1]]
            at = layout.tops[cell.rank] + layout.heights[cell.rank] / 2 + 4
            label = escape(edge.label)
            labels[
                f'<text class="l {edge.line}" text-anchor="middle" x="{_n(cell.x)}" y="{_n(at)}">'
                f"{label}</text>"
            ] = None
    return [*lines, *labels]


def _path(
    layout: Layout,
    route: list[int],
    start: tuple[float, float],
    end: tuple[float, float],
    labelled: bool,
) -> tuple[list[str], float]:
    """Return an edge's path, from each crossing of a rank to the next, and the x of its end."""
    stretches: list[str] = []
    x, y = start
    path = f"M{_n(x)} {_n(y)}"
    tail, head = layout.cells[route[0]], layout.cells[route[-1]]
    floor = layout.tops[tail.rank] + layout.heights[tail.rank]
    if floor > y:
        path += f"V{_n(floor)}"
        y = floor
    for crossing in route[1:-1]:
        cell = layout.cells[crossing]
        if cell.rank % 2 and not (labelled and crossing == route[1]):
            continue  # No boxes stand on odd ranks: nothing to keep clear of.
        top = layout.tops[cell.rank]
        # A small step aside would only look crooked; lanes are wide enough to leave it out.
        to_x = x if abs(cell.x - x) < _CROOKED else cell.x
        stretches.append(path + _curve(x, y, to_x, top))
        x, y = to_x, top + layout.heights[cell.rank]
        path = f"M{_n(to_x)} {_n(top)}V{_n(y)}"
    end_x, end_y = end
    end_x = x if abs(end_x - x) < _CROOKED else end_x
    last = _curve(x, y, end_x, min(layout.tops[head.rank], end_y - 7))
    stretches.append(f"{path}{last}V{_n(end_y - 6)}")
    return stretches, end_x


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    if abs(x - to_x) < 0.05:  # straight down
        return f"V{_n(to_y)}"
    half = (y + to_y) / 2
    return f"C{_n(x)} {_n(half)} {_n(to_x)} {_n(half)} {_n(to_x)} {_n(to_y)}"


def _ports(
    boxes: list[Box], edges: list[Edge], layout: Layout, *, lower: bool
) -> dict[int, tuple[float, float]]:
    """Return where each edge touches its tail (`lower`) or its head: side by side along the rim."""
    at: dict[int, dict[Hashable, list[int]]] = {}
    for number, (route, edge) in enumerate(zip(layout.routes, edges, strict=True)):
        own = route[0] if lower else route[-1]
        bundle = (edge.label, edge.line) if lower else number
        at.setdefault(own, {}).setdefault(bundle, []).append(number)
    ports: dict[int, tuple[float, float]] = {}
    for own, bundles in at.items():
        cell, gate = layout.cells[own], boxes[own].kind == "gate"
        middle = _middle(layout, cell)
        wished = sorted(
            (_beside(layout, numbers, lower=lower), numbers) for numbers in bundles.values()
        )
        share = 0.34 if gate else 0.66
        room = min(cell.width * share, 30.0 * (len(wished) - 1))
        for turn, (_, numbers) in enumerate(wished):
            offset = (turn / (len(wished) - 1) - 0.5) * room if len(wished) > 1 else 0.0
            down = cell.height / 2
            if gate:
                down *= 1 - abs(offset) / (cell.width / 2)
            for number in numbers:
                ports[number] = (cell.x + offset, middle + down if lower else middle - down)
    return ports


def _beside(layout: Layout, numbers: list[int], *, lower: bool) -> float:
    """Return the x towards which edges leave (`lower`), or from which they come."""
    route = layout.routes[numbers[0]]
    if not lower:
        route = route[::-1]
    if len(numbers) == 1 and len(route) == 3:  # the next rank
        return layout.cells[route[2]].x
    return layout.cells[route[1]].x
