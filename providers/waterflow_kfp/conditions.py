"""Conditions in CEL, which Vertex AI and Kubeflow Pipelines decide whether a DAG runs by.

What a comparison means is `waterflow.spec.conditions`: texts and numbers are never equal, nor in
any order; a truth is a number. CEL refuses to compare values of two types, so that what is only
known when a run is under way is compared behind a test of what it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from waterflow import spec
from waterflow.spec.references import operands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Terms = Callable[[spec.Operand], "Term"]

Family = Literal["number", "text", "null", "other"]

TRUE: Final = "true"
FALSE: Final = "false"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\']")
_SHORT: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LARGEST: Final = 2**63


class Uncomparable(Exception):  # noqa: N818 - told as a feature that a provider has not
    """What cannot be compared natively."""


@dataclass(frozen=True)
class Value:
    """A value as CEL has it, where it is of one family.

    Attributes:
        expression: The expression.
        guard: What must hold for the expression to be of the family; "" for nothing.
        kind: For numbers what CEL has: "double", "int" or "bool"; for texts "raw", or "json" where
            the expression is the text's JSON.
        constant: The text, where it is known.
    """

    expression: str
    guard: str = ""
    kind: str = ""
    constant: str | None = None


@dataclass(frozen=True)
class Term:
    """One side of a comparison: what it is in each family of values that it may be of.

    Attributes:
        families: Family -> the value.
        decided: What must hold for the value to be there at all; "" for nothing.
    """

    families: dict[Family, Value]
    decided: str = ""


# --- terms --------------------------------------------------------------------------------------


def reference(name: str) -> str:
    """Return the expression for an input parameter of the DAG."""
    return f"inputs.parameter_values['{name}']"


def literal(text: str) -> str:
    """Return a text as CEL writes it."""
    escaped = _CONTROL.sub(lambda sign: _SHORT.get(sign[0], f"\\u{ord(sign[0]):04x}"), text)
    return f"'{escaped}'"


def constant(value: object) -> Term:
    """Return a value that the definition fixes."""
    if value is None:
        return Term({"null": Value("null")})
    if isinstance(value, bool):
        return Term({"number": Value(TRUE if value else FALSE, kind="bool")})
    if isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        return Term({"number": Value(str(value), kind="int")})
    if isinstance(value, (int, float)):
        text = repr(float(value))
        if not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text):
            raise Uncomparable(f"the number {text}")
        return Term({"number": Value(text if "." in text or "e" in text else f"{text}.0",
                                     kind="double")})  # fmt: skip
    if isinstance(value, str):
        return Term({"text": Value(literal(value), kind="raw", constant=value)})
    return Term({"other": Value(literal(json.dumps(value, sort_keys=True, ensure_ascii=False)))})


def scalar(name: str, kind: str) -> Term:
    """Return an input parameter of a known type.

    Args:
        name: The parameter.
        kind: Its type in Waterflow: "integer", "number", "boolean" or "string".
    """
    expression = reference(name)
    if kind == "string":
        return Term({"text": Value(expression, kind="raw")})
    kinds = {"integer": "int", "number": "double", "boolean": "bool"}
    if kind == "integer":  # the services hand it over as a double
        expression = f"int({expression})"
    return Term({"number": Value(expression, kind=kinds[kind])})


def optional(name: str, kind: str) -> Term:
    """Return an input parameter that may be None, and so travels as JSON text."""
    expression = reference(name)
    there = f"{expression} != 'null'"
    families: dict[Family, Value] = {"null": Value("null", f"{expression} == 'null'")}
    if kind == "string":
        families["text"] = Value(expression, there, "json")
    elif kind == "boolean":
        families["number"] = Value(f"({expression} == 'true' ? 1.0 : 0.0)", there, "double")
    else:
        families["number"] = Value(f"double({expression})", there, "double")
    return Term(families)


def unknown(text: str, kind: str, number: str, *, may_be_skipped: bool) -> Term:
    """Return a value whose type only the run knows, and that three parameters tell.

    Args:
        text: The parameter with its text, or its JSON where it is no text.
        kind: The parameter that says what it is.
        number: The parameter with its number.
        may_be_skipped: Whether it may be "skipped": never made.
    """
    what = reference(kind)
    return Term(
        {
            "number": Value(reference(number), f"{what} == 'number'", "double"),
            "text": Value(reference(text), f"{what} == 'text'", "raw"),
            "null": Value("null", f"{what} == 'null'"),
            "other": Value(reference(text), f"{what} == 'other'"),
        },
        f"{what} != 'skipped'" if may_be_skipped else "",
    )


# --- conditions ---------------------------------------------------------------------------------


def trigger(condition: spec.Condition, terms: Terms, *, then: bool) -> str:
    """Return what must hold for one side of a gate to run.

    Args:
        condition: The gate's condition.
        terms: Gives what CEL has for an operand.
        then: Whether it is the side on which the condition holds.

    Raises:
        Uncomparable: Two values cannot be compared natively.
    """
    text = _condition(condition, terms)
    text = text if then else _not(text)
    decided = dict.fromkeys(
        term.decided for operand in operands(condition) if (term := terms(operand)).decided
    )
    return _joined([*decided, text], "&&") if decided else text


def _condition(condition: spec.Condition, terms: Terms) -> str:
    if isinstance(condition, spec.Compare):
        return compare(terms(condition.left), condition.operator, terms(condition.right))
    if isinstance(condition, spec.Not):
        return _not(_condition(condition.part, terms))
    parts = [_condition(part, terms) for part in condition.parts]
    if not parts:
        return TRUE if isinstance(condition, spec.All) else FALSE
    return _joined(parts, "&&" if isinstance(condition, spec.All) else "||")


def compare(left: Term, operator: str, right: Term) -> str:
    """Return a comparison of two terms.

    Raises:
        Uncomparable: CEL cannot compare them.
    """
    if operator == "!=":
        both: list[Family] = [family for family in left.families if family in right.families]
        if len(both) == 1 and len(left.families) == len(right.families) == 1:
            return _pair(both[0], left, operator, right)
        return _not(compare(left, "==", right))
    ordered = operator != "=="
    pairs = [
        _pair(family, left, operator, right)
        for family in left.families
        if family in right.families and not (ordered and family in ("null", "other"))
    ]
    return _joined(pairs, "||") if pairs else FALSE


def _pair(family: Family, left: Term, operator: str, right: Term) -> str:
    """Return a comparison of two terms of one family, behind what says that they are."""
    one, other = left.families[family], right.families[family]
    guards = list(dict.fromkeys(guard for guard in (one.guard, other.guard) if guard))
    if family == "null":
        same = [*guards] or [TRUE]
        return _joined(same, "&&") if operator == "==" else _not(_joined(same, "&&"))
    if family == "number":
        first, second = _numbers(one, operator, other)
    elif family == "text":
        first, second = _texts(one, operator, other)
    else:
        first, second = one.expression, other.expression
    return _joined([*guards, f"{first} {operator} {second}"], "&&")


def _numbers(one: Value, operator: str, other: Value) -> tuple[str, str]:
    kinds = {one.kind, other.kind}
    if len(kinds) == 1 and (kinds != {"bool"} or operator in ("==", "!=")):
        return one.expression, other.expression
    return _double(one), _double(other)


def _double(value: Value) -> str:
    if value.kind == "double":
        return value.expression
    if value.kind == "bool":
        constants = {TRUE: "1.0", FALSE: "0.0"}
        return constants.get(value.expression, f"({value.expression} ? 1.0 : 0.0)")
    if value.expression.startswith("int("):
        return value.expression.removeprefix("int(").removesuffix(")")
    return f"{value.expression}.0"


def _texts(one: Value, operator: str, other: Value) -> tuple[str, str]:
    if one.kind == other.kind == "raw":
        return one.expression, other.expression
    if operator not in ("==", "!="):
        raise Uncomparable("the order of a text that may be None")
    if one.kind == other.kind:
        return one.expression, other.expression
    return _as_json(one), _as_json(other)


def _as_json(value: Value) -> str:
    if value.kind == "json":
        return value.expression
    if value.constant is None:
        raise Uncomparable("a text that may be None and one that a step makes")
    return literal(json.dumps(value.constant, ensure_ascii=False))


def _not(text: str) -> str:
    return {TRUE: FALSE, FALSE: TRUE}.get(text, f"!({text})")


def _joined(parts: Iterable[str], sign: str) -> str:
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    return f" {sign} ".join(_bracketed(part) for part in listed)


def _bracketed(part: str) -> str:
    """Return a part in brackets, where it is not a single comparison or a negation."""
    return f"({part})" if " && " in part or " || " in part else part
