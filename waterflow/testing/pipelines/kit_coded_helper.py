"""The part of `kit_coded`'s code that a test edits."""

SUFFIX = "!"
