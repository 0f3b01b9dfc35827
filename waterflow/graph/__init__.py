"""Pictures of a pipeline: SVG for people, Mermaid for documents, text for the terminal."""

from waterflow.graph.conditions import closing_text, condition_text
from waterflow.graph.marks import together
from waterflow.graph.mermaid import to_mermaid
from waterflow.graph.notebook import to_html
from waterflow.graph.picture import Mark
from waterflow.graph.svg import to_svg
from waterflow.graph.terminal import to_terminal

__all__ = [
    "Mark",
    "closing_text",
    "condition_text",
    "to_html",
    "to_mermaid",
    "to_svg",
    "to_terminal",
    "together",
]
