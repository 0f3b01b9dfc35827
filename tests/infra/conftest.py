"""The landing zones' programs, as far as they are plain Python: no Pulumi is installed here."""

import sys
from pathlib import Path

INFRA = Path(__file__).parents[2] / "infra"
sys.path.insert(0, str(INFRA / "aws"))
