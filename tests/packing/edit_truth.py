"""Says what each step of projects comes to, in a process of its own: what "run everything" is.

Reads projects, one a line, and writes one line for each: step -> what came of it.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from json import dumps, loads  # the functions: an edit puts others in their place
from typing import TYPE_CHECKING

import packaging.version  # noqa: F401 - before the forks, once

import waterflow  # noqa: F401 - as above

if TYPE_CHECKING:
    from collections.abc import Callable

sys.dont_write_bytecode = True


def forked(work: Callable[[], object]) -> str:
    """Do something in a process of its own, and return what it prints as text."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read) as stream:
            text = stream.read()
        os.waitpid(child, 0)
        return text
    os.close(read)
    with os.fdopen(write, "w") as stream:
        try:
            stream.write(str(work()))
        except BaseException as error:  # noqa: BLE001 - a failure is an outcome too
            stream.write(f"{type(error).__name__}: {error}")
        stream.flush()
        os._exit(0)


def outcomes(root: str, steps: dict[str, list[object]]) -> str:
    """Import a project's steps and return, as JSON, what each comes to in a process of its own."""
    os.chdir(root)
    sys.path.insert(0, root)
    try:
        module = importlib.import_module("steps")
    except BaseException as error:  # noqa: BLE001 - a failure is an outcome too
        return dumps({"": f"{type(error).__name__}: {error}"})

    def result(step: str, arguments: list[object]) -> str:
        value = getattr(module, step)(*arguments)
        return f"{type(value).__name__} {value!r}".replace(root, "ROOT")

    return dumps({one: forked(partial(result, one, steps[one])) for one in steps})


def main() -> None:
    """Answer until there is nothing more to read."""
    steps = loads(sys.argv[1])
    for line in sys.stdin:
        root = line.rstrip("\n")
        print(forked(partial(outcomes, root, steps)), flush=True)


if __name__ == "__main__":
    main()
