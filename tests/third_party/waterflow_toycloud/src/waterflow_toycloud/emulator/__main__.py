"""The toy cloud's process."""

import sys

from waterflow.emulation.service import main
from waterflow_toycloud.emulator.cloud import ToyCloud

if __name__ == "__main__":
    sys.exit(main(ToyCloud))
