"""What the suites call of Azure, as their emulators record it: distinct actions, by who asks.

`python -m tests.infra.azure_record CALLS` distils an emulator's record into the file that
`test_azure_calls.py` holds the landing zone's roles against (`make record-calls`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FILE = Path(__file__).parent / "recorded_azure_calls.json"
OWN = {
    "Microsoft.KeyVault/vaults/write": "the suite makes a vault",
    "Microsoft.KeyVault/vaults/secrets/setSecret/action": "the suite sets a secret",
    "Microsoft.MachineLearningServices/workspaces/datastores/write": "the suite's bucket",
    "Microsoft.Storage/storageAccounts/blobServices/containers/write": "the suite's bucket",
}
"""Actions that the suites ask in the submitter's name, to have what a landing zone has -> why."""


def main(calls: Path) -> None:
    """Write the file anew."""
    lines = [json.loads(line) for line in calls.read_text().splitlines()]
    kinds = sorted({(one["principal"], one["action"], one["data"]) for one in lines})
    rows = [
        json.dumps({"principal": principal, "action": action, "data": data})
        for principal, action, data in kinds
        if action not in OWN
    ]
    FILE.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
