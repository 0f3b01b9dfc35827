"""Azure Resource Manager's requests about what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow.emulation.clock import written
from waterflow_azureml.emulator.errors import missing
from waterflow_azureml.emulator.operations import AGAIN, PLACE
from waterflow_azureml.emulator.routes import MANAGEMENT, How, Request, Route, json_answer

if TYPE_CHECKING:
    from waterflow.emulation.wire import Reply
    from waterflow_azureml.emulator.world import World


def _status(world: World, request: Request, location: str, name: str) -> Reply:
    operation = world.operations.get(name)
    if operation is None:
        raise missing(f"Operation {name} in {location} was not found.")
    answer = {
        "id": request.path,
        "name": name,
        "startTime": written(operation.begin),
        "status": "Succeeded" if operation.done else "InProgress",
    }
    if operation.done:
        answer["endTime"] = written(operation.end)
        return json_answer(answer)
    return json_answer(answer, headers={"x-ms-retry-after-ms": AGAIN})


def _result(world: World, request: Request, location: str, name: str) -> Reply:
    del request
    operation = world.operations.get(name)
    if operation is None:
        raise missing(f"Operation {name} in {location} was not found.")
    if not operation.done:
        place = {"x-ms-retry-after-ms": AGAIN}
        return json_answer(None, 202, place)
    return json_answer(None, 204)


ROUTES: Final = [
    Route(
        "GET", MANAGEMENT, f"{PLACE}/computeOperationsStatus/{{name}}", "operations.status",
        _status, How.STATE,
    ),
    Route(
        "GET", MANAGEMENT, f"{PLACE}/computeOperationResults/{{name}}", "operations.result",
        _result, How.STATE,
    ),
]  # fmt: skip
