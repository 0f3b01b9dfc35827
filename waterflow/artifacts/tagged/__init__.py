"""Python values as JSON and back: bare where JSON can say what a value is, tagged where it cannot.

A tag is an object with one key that begins with `$`: `{"$tuple": [1, 2]}`. A dict with a key like
that is written as pairs, so that no value of a user's is ever taken for a tag.
"""

from waterflow.artifacts.tagged.reading import loads
from waterflow.artifacts.tagged.writing import as_text, dumps, encode

__all__ = ["as_text", "dumps", "encode", "loads"]
