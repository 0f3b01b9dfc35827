r"""Values in a job's command, which Azure ML fills in as text and a shell then reads.

A value stands in single quotes, within `"$(printf %b '...')"`: what a shell, or Azure's own
`${{...}}`, would read in it is written `\0NNN`, which POSIX's `printf %b` turns back. So any value
is safe, and a plain one looks in the studio as it was written.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

NOTHING: Final = r"\c"
"""The empty text: Azure's SDK sends no input that is empty, and `printf %b` prints nothing for
this."""
_SPECIAL: Final = re.compile(r"[\\'$\x00-\x1f\x7f]")
_ESCAPE: Final = re.compile(r"\\0([0-7]{3})")


def escaped(text: str) -> str:
    """Return a value as an input of a job holds it."""
    return _SPECIAL.sub(lambda sign: f"\\0{ord(sign[0]):03o}", text) if text else NOTHING


def plain(text: str) -> str:
    """Return the value that an input of a job holds."""
    return "" if text == NOTHING else _ESCAPE.sub(lambda code: chr(int(code[1], 8)), text)


def value(input_name: str) -> str:
    """Return the shell's text for the value of an input."""
    return f"\"$(printf %b '${{{{inputs.{input_name}}}}}')\""


def path(kind: str, name: str) -> str:
    """Return the shell's text for where an input or an output lies.

    Args:
        kind: "inputs" or "outputs".
        name: Its name.
    """
    return f'"${{{{{kind}.{name}}}}}"'


def word(text: str) -> str:
    """Return the shell's text for a word that is known when it is compiled."""
    if "${{" in text or "$[[" in text:  # Azure would fill it in, quoted or not
        return f"\"$(printf %b '{escaped(text)}')\""
    return shlex.quote(text)
