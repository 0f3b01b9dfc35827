"""`pulumi up` here makes Waterflow's landing zone on Google Cloud."""

import sys
from pathlib import Path

# pip's hash mode takes no folder among requirements, so what all clouds share comes in by its path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))

from landing_zone.zone import build

build()
