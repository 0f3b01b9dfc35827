"""The emulator as a process of its own: `python -m waterflow_sagemaker.emulator`."""

from __future__ import annotations

import sys

from waterflow.emulation.service import main
from waterflow_sagemaker.emulator.cloud import SageMakerCloud

if __name__ == "__main__":
    sys.exit(main(SageMakerCloud))
