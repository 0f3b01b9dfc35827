"""The emulator as a process of its own: `python -m waterflow_vertex.emulator`."""

from __future__ import annotations

import sys

from waterflow.emulation.service import main
from waterflow_vertex.emulator import sdk

if __name__ == "__main__":
    sdk.light()
    from waterflow_vertex.emulator.cloud import VertexCloud

    sys.exit(main(VertexCloud))
