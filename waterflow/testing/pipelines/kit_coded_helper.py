"""The part of `kit_coded`'s code that a test edits."""

SUFFIX = "!"


def unused() -> str:
    """Return what no step asks for, so that an edit of it reruns none."""
    return "one"
