"""The page: from a report to one file of HTML, a pure function."""

from __future__ import annotations

import base64
import functools
import hashlib
import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.graph import Mark, to_svg
from waterflow.provider.state import Status
from waterflow.report import timeline
from waterflow.report.marking import marks
from waterflow.report.results import number
from waterflow.report.words import css, length_of_time, moment, sign
from waterflow.spec.quantities import show_money, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Environment, Template

    from waterflow.report.data import Comparison, Metrics, Report, Series, Step

_HERE: Final = Path(__file__).parent / "templates"
_FAILURES: Final = 20
_CARDS: Final = 24
_FIGURES: Final = {"roc": "ROC curve", "output": "Figure"}


def page(report: Report, *, live: bool = False) -> str:
    """Return a report as one page of HTML that loads nothing.

    All that comes from users is escaped; the page's own policy forbids every script but its own.

    Args:
        report: What it tells.
        live: Whether it follows a run: then it takes what is new from beside its address.
    """
    from markupsafe import Markup

    script = _text("page.js")
    running = not report.status.final
    end = report.now if running else report.ended
    failures = [step for step in report.steps if step.status is Status.FAILED]
    graph, width = _graph(report)
    compared = {one.step for group in report.comparisons for one in group.candidates}
    cards = [one for one in report.metrics if one.step not in compared or len(compared) <= 8]
    html = _template().render(
        report=report,
        live=live,
        running=running,
        style=Markup(_text("style.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=_base64(hashlib.sha256(script.encode()).digest()),
        several_images=len({step.image for step in report.steps if step.image}) > 1,
        duration=length_of_time((end - report.started) / 1000)
        if report.started is not None and end is not None
        else "",
        counts=_counts(report.steps),
        counts_text=", ".join(f"{c['count']} {c['status']}" for c in _counts(report.steps)),
        failures=failures[:_FAILURES],
        more_failures=max(0, len(failures) - _FAILURES),
        graph=Markup(graph),  # noqa: S704 - waterflow.graph escapes what it draws
        graph_width=width,
        ticks=timeline.ticks(report),
        rows=timeline.rows(report),
        metric_cards=_cards(cards),
        logged_cards=_cards(report.logged),
        hidden_metrics=max(0, len(report.metrics) - min(len(cards), _CARDS))
        + max(0, len(report.logged) - _CARDS),
        comparisons=[_compared(one) for one in report.comparisons],
        left_out=[one for one in report.figures if one.png is None],
        sections=list(_sections(report, bool(failures), bool(graph), bool(cards or report.logged))),
    )
    # A log may hold what no UTF-8 file can: half a surrogate pair.
    return html.encode("utf-8", "replace").decode()


@functools.cache
def _template() -> Template:
    return _environment().get_template("page.html")


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "base64": _base64,
        "css": css,
        "figure_name": _figure_name,
        "iso": _iso,
        "length_of_time": length_of_time,
        "moment": moment,
        "money": show_money,
        "sign": sign,
        "size": show_size,
        "web": _is_web,
    }
    environment.filters.update(filters)
    return environment


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _figure_name(output: str) -> str:
    return _FIGURES.get(output, output.replace("_", " "))


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _is_web(uri: str | None) -> bool:
    """Say whether an address may be a link: a script's is none."""
    return uri is not None and uri.startswith(("https://", "http://"))


@functools.cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


# --- the graph and the sections -------------------------------------------------------------------


def _graph(report: Report) -> tuple[str, str]:
    if report.pipeline is None or not report.pipeline.steps:
        return "", "0"
    known = marks(report.steps, report.now, links=True)
    for one in report.conditions:
        if one.answer is not None:
            known[f"gate:{one.name}"] = Mark("decided", f"{one.answer}".lower(), "#conditions")
    svg = to_svg(report.pipeline, known, within_page=True)
    width = svg.partition('" width="')[2].partition('"')[0]
    return svg, width


def _sections(
    report: Report, failed: bool, drawn: bool, measured: bool
) -> Iterable[tuple[str, str]]:
    for shown, name, title in (
        (failed, "failures", "Failures"),
        (drawn, "graph", "Graph"),
        (True, "steps", "Steps"),
        (measured, "metrics", "Metrics"),
        (report.comparisons, "candidates", "Side by side"),
        (report.figures, "figures", "Figures"),
        (report.tables, "tables", "Tables"),
        (report.models, "models", "Models"),
        (report.conditions, "conditions", "Conditions"),
        (report.parameters, "parameters", "Parameters"),
        (True, "lineage", "Lineage"),
    ):
        if shown:
            yield name, title


def _counts(steps: Iterable[Step]) -> list[dict[str, Any]]:
    counts = Counter(step.status for step in steps)
    return [
        {"status": status, "css": css(status), "count": counts[status]}
        for status in Status
        if counts[status]
    ]


# --- metrics --------------------------------------------------------------------------------------


def _cards(metrics: Iterable[Metrics]) -> list[dict[str, Any]]:
    return [
        {
            "step": one.step,
            "source": one.source,
            "series": [_series(series) for series in one.series],
        }
        for one in list(metrics)[:_CARDS]
    ]


def _series(series: Series) -> dict[str, Any]:
    points = [(at, value) for at, value in series.points if math.isfinite(value)]
    text = "no number" if series.value is None else number(series.value)
    line, about = "", ""
    if len(points) > 1:
        low, high = min(v for _, v in points), max(v for _, v in points)
        first, last = min(at for at, _ in points), max(at for at, _ in points)
        wide, tall = (last - first) or 1, (high - low) or 1.0
        line = " ".join(
            f"{100 * (at - first) / wide:.1f},{22 - 20 * (value - low) / tall:.1f}"
            for at, value in points
        )
        about = f"{series.key}: {len(points)} values from {number(points[0][1])} to {text}"
    return {"key": series.key, "text": text, "line": line, "about": about}


def _compared(one: Comparison) -> dict[str, Any]:
    ranges: dict[str, tuple[float, float]] = {}
    for name in one.metrics:
        numbers = [
            value
            for row in one.candidates
            if isinstance(value := row.cells.get(name), (int, float)) and math.isfinite(value)
        ]
        ranges[name] = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
    return {
        "title": one.title,
        "settings": one.settings,
        "metrics": one.metrics,
        "rows": [
            {
                "label": row.label,
                "step": row.step,
                "settings": [row.cells.get(name, "") for name in one.settings],
                "metrics": [_cell(row.cells.get(name), ranges[name]) for name in one.metrics],
            }
            for row in one.candidates
        ],
    }


def _cell(value: Any, span: tuple[float, float]) -> dict[str, str]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return {"text": "" if value is None else str(value), "value": "", "share": "0"}
    low, high = span
    finite = math.isfinite(value) and high > low
    share = 100 * (value - low) / (high - low) if finite else 0.0
    return {"text": number(float(value)), "value": repr(float(value)), "share": f"{share:.0f}"}
