"""The emulator as a process of its own: `python -m waterflow_azureml.emulator`."""

from __future__ import annotations

import sys

from waterflow.emulation.service import main
from waterflow_azureml.emulator.cloud import AzureCloud

if __name__ == "__main__":
    sys.exit(main(AzureCloud))
