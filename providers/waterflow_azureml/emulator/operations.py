"""Long-running operations: what takes the cloud a while takes one here, and is polled as there."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_azureml.emulator.routes import MANAGEMENT

if TYPE_CHECKING:
    from waterflow_azureml.emulator.resources import Resources

TAKES: Final = 0.3
"""Seconds that an operation takes; the cloud's take minutes."""
AGAIN: Final = "150"
"""Milliseconds after which to ask again, in the header that Azure's SDKs read beside Retry-After,
which has whole seconds."""
PLACE: Final = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
)


@dataclass
class Operation:
    """One operation.

    Attributes:
        identity: The resource that it is about.
        state: What the resource's provisioning state is meanwhile: `Creating`.
        end: When it is done, in seconds since the epoch.
        begin: When it began.
        created: When the resource was made, by the emulator's clock; None where it was not there.
    """

    identity: str
    state: str
    end: float
    begin: float
    created: float | None

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return time.time() >= self.end


class Operations:
    """The part that knows what is under way.

    Args:
        resources: What operations are about.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._operations: dict[str, Operation] = {}

    def begin(self, identity: str, state: str, subscription: str, location: str) -> dict[str, str]:
        """Begin an operation, and return the headers that say where to ask for it.

        Args:
            identity: The resource's id.
            state: `Creating`, `Updating` or `Deleting`.
            subscription: The subscription.
            location: The region.
        """
        name, moment = str(uuid.uuid4()), time.time()
        record = self._resources.get(identity)
        created = None if record is None else record.created
        self._operations[name] = Operation(identity, state, moment + TAKES, moment, created)
        place = PLACE.format(subscription=subscription, location=location)
        base = f"https://{MANAGEMENT}{place}"
        query = "api-version=2023-04-01"
        headers = {
            "Azure-AsyncOperation": f"{base}/computeOperationsStatus/{name}?{query}",
            "x-ms-async-operation-timeout": "PT1H",
            "x-ms-retry-after-ms": AGAIN,
        }
        if state == "Deleting":
            headers["Location"] = f"{base}/computeOperationResults/{name}?{query}"
        return headers

    def state(self, identity: str) -> str:
        """Return the provisioning state of a resource."""
        self.settle()
        return next(
            (
                one.state
                for one in reversed(list(self._operations.values()))
                if one.identity.lower() == identity.lower() and not one.done
            ),
            "Succeeded",
        )

    def get(self, name: str) -> Operation | None:
        """Return an operation; None when there is none."""
        return self._operations.get(name)

    def settle(self) -> None:
        """Remove what deletions that are over have removed."""
        for one in list(self._operations.values()):
            if one.state == "Deleting" and one.done:
                record = self._resources.get(one.identity)
                if record is not None and record.created == one.created:
                    self._resources.delete(one.identity)

    def snapshot(self) -> dict[str, Any]:
        """Return all operations as JSON."""
        return {name: asdict(one) for name, one in self._operations.items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take the operations of a snapshot."""
        self._operations = {name: Operation(**one) for name, one in saved.items()}
