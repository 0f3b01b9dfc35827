"""A run where a notebook shows it: a table that follows it, and in the end its page."""

from __future__ import annotations

import base64
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow.errors import WaterflowError
from waterflow.runs.origin import in_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.provider import Provider
    from waterflow.provider.state import RunState

_PAUSE: Final = 1.0
"""Seconds between two looks at a run."""
_LONGEST: Final = 30.0
"""Seconds between two looks where the service does not answer."""
_PATIENCE: Final = 30.0
"""Seconds that a page may take to be gathered before nobody waits for it."""
_MOST: Final = 40
"""Steps that the table shows; the others are counted."""
_LEFT: Final = 'style="text-align:left"'
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
        f"<tr><td {_LEFT}>{escape(step.label or step.name)}</td>"
        f"<td {_LEFT}>{sign(step.status)} {escape(known[step.name].text)}</td></tr>"
        for step in steps[:_MOST]
    )
    more = f"<p>and {len(steps) - _MOST} more steps</p>" if len(steps) > _MOST else ""
    head = f'<tr><th scope="col" {_LEFT}>step</th><th scope="col" {_LEFT}>state</th></tr>'
    return (
        f"<p><b>{escape(state.pipeline)}</b> {escape(state.run)}: {escape(str(state.status))}</p>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"
    )


def pictures(known: Mapping[str, bytes]) -> str:
    """Return pictures as HTML, each below its name.

    Args:
        known: Name -> PNG.
    """
    return "".join(
        f'<p><b>{escape(name)}</b><br><img alt="{escape(name)}" style="max-width:100%" '
        f'src="data:image/png;base64,{base64.b64encode(content).decode()}"></p>'
        for name, content in known.items()
    )


def display(run: ShownRun) -> Follower | None:
    """Show a run in the notebook's output, and keep that as the run is.

    Args:
        run: The run. Outside a notebook it is one line.

    Returns:
        What follows a run that goes on.
    """
    if not in_notebook():
        print(repr(run))
        return None
    from IPython.display import display as show

    def bundle(html: str) -> dict[str, str]:
        return {"text/html": html, "text/plain": repr(run)}

    state = run.state
    run.explain(state)
    content = frame(run, state) if state.status.final else table(state)
    handle: Any = show(bundle(content), raw=True, display_id=True)
    if state.status.final or handle is None:
        return None
    follower = Follower(run, lambda html: handle.update(bundle(html), raw=True))
    follower.start()
    return follower


class Follower(threading.Thread):
    """Shows what becomes of a run until it has ended.

    Args:
        run: The run.
        update: Takes the HTML to show.
    """

    def __init__(self, run: ShownRun, update: Callable[[str], None]) -> None:
        super().__init__(name=f"shows-{run.id}", daemon=True)
        self._run, self._update = run, update
        self._ended = threading.Event()

    def run(self) -> None:
        """Show it, now and then."""
        pause = _PAUSE
        while True:
            self._ended.wait(pause)
            try:
                state = self._run.state
                self._run.explain(state)
                if state.status.final:
                    self._update(frame(self._run, state))
                    return
                self._update(table(state))
                pause = _PAUSE
            except WaterflowError as error:
                if not getattr(error, "retryable", False):
                    self._update(f"<p>{escape(repr(self._run))}: {escape(str(error))}</p>")
                    return
                pause = min(2 * pause, _LONGEST)  # it may be answered at a later look

    def finish(self) -> None:
        """Let it show at once how the run has ended."""
        self._ended.set()
        self.join(_PATIENCE)
