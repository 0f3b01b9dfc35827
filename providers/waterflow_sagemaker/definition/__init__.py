"""The one reader of pipeline definitions (2020-12-01): typed structs, and every violation.

`rules.read` gives both. The adapter's checks list the violations, the emulator refuses a
definition that has any and runs the structs of one that has none: so their verdicts agree.
"""
