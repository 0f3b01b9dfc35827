"""The shell program that a step of the sagemaker SDK is started by: links, then the step's own.

A container step has its inputs and outputs at paths of Waterflow's; the program looks for them at
those that it was written for. So links lead from these to those. A job's argument has no line
breaks and at most 256 characters: hence three parts, put together by the shell, in which names have
one letter. How the parts follow each other says `command_line`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Pair = tuple[str, str]
"""Two paths in the container: Waterflow's, and the program's."""

_PAIRS_END: Final = "--"

JOIN: Final = "".join(
    (
        'a="$0$1$2";',  # a: the three parts that follow, one program
        "shift 2;",  # what is left are its arguments
        'eval "$a"',
    )
)

LINK_INPUTS: Final = "".join(
    (
        'while [ "$1" != -- ];do ',  # for each pair: $1 is Waterflow's path, $2 the program's
        "s=$1;",  # s: what the program is to see as a folder
        '[ -f "$s" ]&&s=${s%/*};',  # of a file, the folder that it lies in
        'mkdir -p "${2%/*}";',
        'rmdir "$2" 2>&-;',  # an empty folder of the image makes room
        'if [ -d "$2" ];then ln -s "$s"/* "$2";',  # one with files in it gets the others beside
        'else ln -s "$s" "$2";fi;',
        "shift 2;",
        "done;",
        "shift;",  # the --
    )
)

LINK_OUTPUTS: Final = "".join(
    (
        'while [ "$1" != -- ];do ',  # for each pair: $1 is Waterflow's path, $2 the program's
        'mkdir -p "$1" "${2%/*}";',
        'rmdir "$2" 2>&-;',  # an empty folder of the image makes room
        '[ -e "$2" ]&&echo "$2 is not empty">&2&&exit 66;',  # a link would hide what is there
        'ln -s "$1" "$2";',
        "shift 2;",
        "done;",
        "shift;",  # the --
    )
)

RUN: Final = 'exec "$@"'
"""The program takes the shell's place, and hears signals itself."""

RUN_AND_GATHER: Final = "".join(
    (
        "m=$1;",  # m: the folder that holds Waterflow's outputs, into which the program writes
        "t=$m/$2;",  # t: the output in it that gets all
        "shift 2;",
        '"$@"&p=$!;',  # p: the program, in the background, as a shell hears signals while it waits
        'trap "kill $p" TERM;',  # SageMaker stops a job by TERM, which only the shell gets
        "wait $p;c=$?;",  # c: the exit code
        "[ $c -gt 128 ]&&wait $p;",  # a signal ended the wait, not yet the program
        "mkdir $m/.w;",  # .w: holds all for a while; * does not name it
        'for f in "$m"/*;do ',
        '[ "$f" = "$t" ]||',  # what the program put into the output itself stays
        '[ ! -e "$f" ]||',  # where there is nothing, * stands for itself
        'mv "$f" $m/.w;',
        "done;",
        'mkdir -p "$t";',
        'mv $m/.w/* "$t" 2>&-;',
        "rmdir $m/.w;",
        "exit $c",
    )
)
"""Moves what was written into the folder that holds Waterflow's outputs into one of them."""


def command_line(
    inputs: Iterable[Pair], outputs: Iterable[Pair], gathered: Sequence[str], program: Sequence[str]
) -> list[str]:
    """Return the command line of a container step.

    Args:
        inputs: Where each input is, and where the program looks for it.
        outputs: Where each output is to be, and where the program writes it.
        gathered: Where the program writes into the folder of Waterflow's outputs itself: that
            folder, and the name of the output in it that gets all. Otherwise nothing.
        program: The program and its arguments.
    """
    return [
        *("sh", "-c", JOIN, LINK_INPUTS, LINK_OUTPUTS),
        RUN_AND_GATHER if gathered else RUN,
        *(path for pair in inputs for path in pair),
        _PAIRS_END,
        *(path for pair in outputs for path in pair),
        _PAIRS_END,
        *gathered,
        *program,
    ]
