"""`python -m waterflow.warm`: the helper's process, started by a run."""

import sys

from waterflow.warm.identity import Loaded

if __name__ == "__main__":
    loaded = Loaded()
    from waterflow.warm import server

    server.main(sys.argv[1:], loaded)
