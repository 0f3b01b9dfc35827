"""The emulator's service: `python -m waterflow_kubeflow.emulator`."""

from __future__ import annotations

import sys

from waterflow.emulation.service import main
from waterflow_kubeflow.emulator.cloud import KubeflowCloud

if __name__ == "__main__":
    sys.exit(main(KubeflowCloud))
