"""`python -m waterflow.cli`: the same as the command `waterflow`."""

from waterflow.cli import main

main()
