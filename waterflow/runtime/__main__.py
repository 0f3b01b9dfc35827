"""`python -m waterflow.runtime STEP.json ...`: what every job on every provider runs."""

import sys

from waterflow.runtime.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
