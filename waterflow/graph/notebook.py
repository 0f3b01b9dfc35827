"""The picture of a pipeline where a notebook shows it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from waterflow.graph.svg import to_svg

if TYPE_CHECKING:
    from waterflow import spec


def to_html(pipeline: spec.Pipeline) -> str:
    """Return the picture of a pipeline as one element of HTML.

    An image of its own: the style of an SVG within a page would hold for all of the page.

    Args:
        pipeline: The spec.
    """
    picture = base64.b64encode(to_svg(pipeline).encode()).decode()
    label = quoteattr(f"Graph of pipeline {pipeline.name}")
    return f'<img alt={label} style="max-width:100%" src="data:image/svg+xml;base64,{picture}">'
