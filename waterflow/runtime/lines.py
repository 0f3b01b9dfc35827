"""Where the lines of a generated module come from, for tracebacks: a script, a notebook's cell."""

from __future__ import annotations

from typing import Final, NamedTuple

MARK: Final = "# waterflow-lines: "
"""How the notes at a generated module's end begin: `# waterflow-lines: LINE ORIGIN NAME`.

From LINE of the module on, its text is that of NAME from line ORIGIN on.
"""


class Origin(NamedTuple):
    """A place in what the author wrote.

    Attributes:
        name: A file, relative to the project's root, or a cell such as "In [3]".
        line: The line in it, from 1.
    """

    name: str
    line: int


def origin(file: str, line: int) -> Origin | None:
    """Return where a line of a generated module comes from; None for any other module.

    Args:
        file: The module's file.
        line: The line in it, from 1.
    """
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - in a failure
            notes = [text[len(MARK) :].rstrip("\n") for text in stream if text.startswith(MARK)]
    except OSError:
        return None
    place: Origin | None = None
    for note in notes:
        start, begin, name = note.split(" ", 2)
        if int(start) <= line:
            place = Origin(name, int(begin) + line - int(start))
    return place
