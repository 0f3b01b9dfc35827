"""What a notebook's kernel sets for its own display, which is nothing to a run that it starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGN: Final = "JPY_PARENT_PID"
"""Set by whoever starts a kernel, for it and all that it starts.

https://github.com/jupyter/jupyter_client/blob/main/jupyter_client/launcher.py
"""
_DISPLAY: Final[dict[str, str]] = {
    # https://github.com/ipython/ipykernel/blob/main/ipykernel/zmqshell.py
    "CLICOLOR": "1",
    "CLICOLOR_FORCE": "1",
    "FORCE_COLOR": "1",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
    # https://github.com/ipython/ipykernel/blob/main/ipykernel/kernelapp.py
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
_OWN: Final = re.compile(r"JPY_\w+")


def without_display(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what a kernel has set in it for its notebook.

    A step draws and prints into files, as it does where a script or the command line starts it;
    and a kernel's run is served by the same helper as the next kernel's.

    Args:
        variables: The environment of who starts a run.
    """
    if _SIGN not in variables:
        return dict(variables)
    return {
        name: value
        for name, value in variables.items()
        if _DISPLAY.get(name) != value and not _OWN.fullmatch(name)
    }
