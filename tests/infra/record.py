"""What the suites call of a cloud, as its emulator records it: distinct actions, by who asks.

`python -m tests.infra.record CLOUD CALLS` distils an emulator's record into the file that
`test_CLOUD_calls.py` holds the landing zone's roles against (`make record-calls`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Record:
    """A cloud's recorded calls.

    Attributes:
        file: Where they are kept.
        columns: What tells a call from others.
        own: Actions that the suites ask in the submitter's name, to have what a landing zone has
            -> why.
    """

    file: Path
    columns: tuple[str, ...]
    own: Mapping[str, str]

    def read(self) -> list[dict[str, Any]]:
        """Return the calls."""
        return json.loads(self.file.read_text())

    def distil(self, calls: Path) -> None:
        """Write the file anew.

        Args:
            calls: What an emulator has recorded.
        """
        lines = [json.loads(line) for line in calls.read_text().splitlines()]
        kinds = {tuple(one[name] for name in self.columns) for one in lines}
        rows = [dict(zip(self.columns, kind, strict=True)) for kind in sorted(kinds)]
        kept = [json.dumps(row) for row in rows if row["action"] not in self.own]
        self.file.write_text("[\n" + ",\n".join(kept) + "\n]\n")


_HERE: Final = Path(__file__).parent
RECORDS: Final = {
    "azure": Record(
        file=_HERE / "recorded_azure_calls.json",
        columns=("principal", "action", "data"),
        own={
            "Microsoft.KeyVault/vaults/write": "the suite makes a vault",
            "Microsoft.KeyVault/vaults/secrets/setSecret/action": "the suite sets a secret",
            "Microsoft.MachineLearningServices/workspaces/datastores/write": "the suite's bucket",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write": "the suite's bucket",
        },
    ),
    "gcp": Record(
        file=_HERE / "recorded_gcp_calls.json",
        columns=("principal", "action"),
        own={
            "secretmanager.secrets.create": "the suite makes a secret",
            "secretmanager.versions.add": "the suite gives it a value",
            "storage.buckets.create": "the suite's bucket",
        },
    ),
}
"""Cloud -> its recorded calls."""


if __name__ == "__main__":
    RECORDS[sys.argv[1]].distil(Path(sys.argv[2]))
