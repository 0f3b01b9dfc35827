"""A run where a notebook shows it: a table that follows it, and in the end its page."""

from __future__ import annotations

import sys
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow.provider import Provider
    from waterflow.provider.state import RunState

_PAUSE: Final = 1.0
_MOST: Final = 40
"""Steps that the table shows; the others are counted."""
_FRAME: Final = (
    '<iframe title="{title}" sandbox="allow-scripts allow-popups" loading="lazy" '
    'style="width:100%;height:min(46rem,80vh);border:1px solid #8884;border-radius:8px" '
    'srcdoc="{page}"></iframe>'
)


class ShownRun(Protocol):
    """What of a run is needed to show it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def provider(self) -> Provider:
        """The provider that runs it."""
        ...

    @property
    def state(self) -> RunState:
        """The run and its steps, as the provider tells them now."""
        ...

    def explain(self, state: RunState) -> None:
        """Note in a state of the run why its steps ran."""
        ...


def frame(run: ShownRun, state: RunState) -> str:
    """Return a run's page as one element of HTML, walled off from the notebook.

    Args:
        run: The run.
        state: Its state.
    """
    from waterflow.report import Gathering, page

    run.explain(state)
    html = page(Gathering(run.provider, run.id).report(state))
    return _FRAME.format(title=escape(f"Run {run.id}", quote=True), page=escape(html, quote=True))


def table(state: RunState) -> str:
    """Return the steps of a run that goes on as a table: those that have something to tell first.

    Args:
        state: Its state.
    """
    from waterflow.report import marks
    from waterflow.report.words import sign

    known = marks(state.steps.values(), int(time.time() * 1000))
    order = {"running": 0, "failed": 1}
    steps = sorted(state.steps.values(), key=lambda one: order.get(str(one.status), 2))
    rows = "".join(
        f'<tr><td style="text-align:left">{escape(step.label or step.name)}</td>'
        f'<td style="text-align:left">{sign(step.status)} {escape(known[step.name].text)}</td></tr>'
        for step in steps[:_MOST]
    )
    more = f"<p>and {len(steps) - _MOST} more steps</p>" if len(steps) > _MOST else ""
    head = '<tr><th scope="col">step</th><th scope="col">state</th></tr>'
    return (
        f"<p><b>{escape(state.pipeline)}</b> {escape(state.run)}: {escape(str(state.status))}</p>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"
    )


def display(run: ShownRun) -> None:
    """Show a run in the notebook's output, and keep that as the run is.

    Args:
        run: The run. Outside a notebook it is one line.
    """
    if "ipykernel" not in sys.modules:
        print(repr(run))
        return
    from IPython.display import HTML
    from IPython.display import display as show

    state = run.state
    run.explain(state)
    content = frame(run, state) if state.status.final else table(state)
    handle: Any = show(HTML(content), display_id=True)
    if state.status.final or handle is None:
        return

    def update(html: str) -> None:
        handle.update(HTML(html))

    threading.Thread(target=follow, args=(run, update), daemon=True).start()


def follow(run: ShownRun, update: Callable[[str], None]) -> None:
    """Show what becomes of a run until it has ended.

    Args:
        run: The run.
        update: Takes the HTML to show.
    """
    while True:
        time.sleep(_PAUSE)
        try:
            state = run.state
            run.explain(state)
            if state.status.final:
                update(frame(run, state))
                return
            update(table(state))
        except ProviderError:
            continue  # a service that does not answer now may do so at the next look
