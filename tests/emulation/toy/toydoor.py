"""The toy cloud's process, with a door at its host names."""

import sys

from toycloud import DoorCloud

from waterflow.emulation.service import main

if __name__ == "__main__":
    sys.exit(main(DoorCloud))
