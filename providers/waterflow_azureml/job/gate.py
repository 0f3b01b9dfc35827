"""Decides a gate: a job of its own, as Azure ML's public pipelines have no conditions.

Started as `python3 gate.py --out=PATH --gate=SIDE=PATH ... --step=NAME=PATH ... --param=NAME=JSON
... --text=NAME=TEXT ...`, beside launch.json, whose `condition` it evaluates. Writes decision.json:
true, false, or null where the gate itself is behind another that is closed, or reads of a step that
was skipped.
"""

from __future__ import annotations

import json
import operator
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
DECISION = "decision.json"
VALUES = "values.json"


class Absent(Exception):  # noqa: N818 - no error
    """A value was never made."""


def main(arguments: list[str]) -> int:
    """Write the decision, and return the exit code."""
    named = [argument.split("=", 2) for argument in arguments]
    out = next(parts[1] for parts in named if parts[0] == "--out")
    sides = [(parts[1] == "true", parts[2]) for parts in named if parts[0] == "--gate"]
    steps = {parts[1]: parts[2] for parts in named if parts[0] == "--step"}
    parameters: dict[str, Any] = {parts[1]: parts[2] for parts in named if parts[0] == "--text"}
    parameters |= {parts[1]: json.loads(parts[2]) for parts in named if parts[0] == "--param"}
    condition = json.loads((Path(__file__).parent / "launch.json").read_bytes())["condition"]
    answer = None
    if passes(sides):
        answer = decide(condition, lambda operand: scalar(operand, steps, parameters))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DECISION).write_text(json.dumps({"decision": answer}))
    print(f"waterflow: the decision is {json.dumps(answer)}")
    return 0


def passes(sides: list[tuple[bool, str]]) -> bool:
    """Say whether all gates are open on the sides that something stands on.

    Args:
        sides: The side, and the folder of the gate's decision.
    """
    return all(
        json.loads((Path(folder) / DECISION).read_bytes())["decision"] is side
        for side, folder in sides
    )


def scalar(operand: dict[str, Any], steps: dict[str, str], parameters: dict[str, Any]) -> Any:
    """Return an operand's value.

    Raises:
        Absent: The step was skipped.
    """
    if "value" in operand:
        return operand["value"]
    if "parameter" in operand:
        return parameters[operand["parameter"]]
    values = json.loads((Path(steps[operand["step"]]) / VALUES).read_bytes())
    if operand["key"] not in values:
        raise Absent
    return number_or_text(values[operand["key"]])


def number_or_text(entry: dict[str, Any]) -> Any:
    """Return a scalar from its entry in values.json."""
    # The text of a number is that of a float; a boolean is a number too.
    if "number" in entry and entry["text"] not in ("true", "false"):
        return entry["number"]
    return json.loads(entry["text"])


def decide(condition: dict[str, Any], value: Callable[[dict[str, Any]], Any]) -> bool | None:
    """Say whether a condition holds; None where a value is absent.

    Args:
        condition: `all` or `any` of several, `not` of one, or `left`, `operator` and `right`.
        value: Gives an operand's value.
    """
    try:
        values = {json.dumps(operand): value(operand) for operand in operands(condition)}
    except Absent:
        return None
    return _holds(condition, lambda operand: values[json.dumps(operand)])


def operands(condition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all that a condition reads."""
    if "operator" in condition:
        return [condition["left"], condition["right"]]
    parts = [condition["not"]] if "not" in condition else [*condition.get("all", ())]
    parts += condition.get("any", ())
    return [operand for part in parts for operand in operands(part)]


def _holds(condition: dict[str, Any], value: Callable[[dict[str, Any]], Any]) -> bool:
    if "all" in condition:
        return all(_holds(part, value) for part in condition["all"])
    if "any" in condition:
        return any(_holds(part, value) for part in condition["any"])
    if "not" in condition:
        return not _holds(condition["not"], value)
    left, right = value(condition["left"]), value(condition["right"])
    kind = condition["operator"]
    if kind not in ("==", "!=") and (
        left is None or right is None or isinstance(left, str) != isinstance(right, str)
    ):
        return False
    return COMPARISONS[kind](left, right)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
