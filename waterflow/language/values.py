"""Symbols: what a step's results and a pipeline's parameters are while a pipeline is traced."""

# Symbols leave every public name to refusals, so what Waterflow itself asks them is private.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from waterflow.errors import DefinitionError
from waterflow.language.places import user_location

if TYPE_CHECKING:
    from collections.abc import Callable

    from waterflow import spec

_KEYED: Final = {"metrics": "number", "json": "any"}


def definition_error(message: str) -> DefinitionError:
    """Return a DefinitionError that names the user's line."""
    return DefinitionError(message, user_location())


class Symbol:
    """A value that exists only when the pipeline runs.

    Attributes are named with a leading underscore: any other name is taken for an attempt to use
    the value itself.
    """

    __array_ufunc__ = None  # numpy scalars leave comparisons to us
    _annotation: object = Any  # what its author says it is, where that is known

    def __init__(self, kind: str, trace: object, described: str) -> None:
        self._type = kind
        self._trace = trace
        self._described = described

    def _refuse(self, doing: str, instead: str) -> NoReturn:
        raise definition_error(
            f"{self._described} is not known while the pipeline is defined, so it cannot be "
            f"{doing}. {instead}"
        )

    def _operand(self) -> spec.Operand:
        """Return what a condition compares."""
        return self._refuse("compared", "Compare a scalar output, a metric or a parameter.")

    def __repr__(self) -> str:
        return f"<{self._described}>"

    def __hash__(self) -> int:
        return id(self)

    # --- comparisons make conditions ---

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return compare(self, "==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return compare(self, "!=", other)

    def __lt__(self, other: object) -> Expression:
        return compare(self, "<", other)

    def __le__(self, other: object) -> Expression:
        return compare(self, "<=", other)

    def __gt__(self, other: object) -> Expression:
        return compare(self, ">", other)

    def __ge__(self, other: object) -> Expression:
        return compare(self, ">=", other)

    def __and__(self, other: object) -> Expression:
        return as_expression(self) & other

    def __or__(self, other: object) -> Expression:
        return as_expression(self) | other

    def __rand__(self, other: object) -> Expression:
        return as_expression(other) & self

    def __ror__(self, other: object) -> Expression:
        return as_expression(other) | self

    def __invert__(self) -> Expression:
        return ~as_expression(self)

    # --- everything else uses the value itself ---

    def __bool__(self) -> bool:
        return self._refuse(
            "used in `if`, `and`, `or`, `not` or a chained comparison",
            "Use `with wf.when(...)`, and `&`, `|`, `~` to combine conditions; "
            "for a parameter, `wf.Static[...]` makes it known here.",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._refuse(f"asked for `.{name}`", "Use it inside a step.")

    def __getitem__(self, key: object) -> Any:
        return self._refuse(f"indexed with {key!r}", "Use it inside a step.")

    def __format__(self, format_spec: str) -> str:
        return self._refuse("put into text", _STATIC)

    def __str__(self) -> str:
        return self._refuse("put into text", _STATIC)

    def __iter__(self) -> Any:
        return self._refuse(
            "iterated over or unpacked", "Use `wf.map` to fan out over a list made at run time."
        )

    def __len__(self) -> int:
        return self._refuse("measured with len()", "Use it inside a step.")

    def __index__(self) -> int:
        return self._refuse("counted with, for example by range()", _STATIC)

    def __int__(self) -> int:
        return self._refuse("turned into an int", _STATIC)

    def __float__(self) -> float:
        return self._refuse("turned into a float", _STATIC)

    def __contains__(self, item: object) -> bool:
        return self._refuse("searched with `in`", "Use it inside a step.")

    def __call__(self, *_args: object, **_named: object) -> Any:
        """Refuse."""
        return self._refuse("called", "Use it inside a step.")

    def __fspath__(self) -> str:
        return self._refuse("used as a path", "Give it to a step that takes a `Path`.")


_STATIC: Final = "Use it inside a step, or declare the parameter as `wf.Static[...]`."


def _no_arithmetic(name: str) -> Callable[..., Any]:
    def refuse(self: Symbol, *_others: object) -> Any:
        return self._refuse("calculated with", _STATIC)

    refuse.__name__ = name
    return refuse


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "lshift",
    "rshift",
    "xor",
):
    setattr(Symbol, f"__{_name}__", _no_arithmetic(f"__{_name}__"))
    setattr(Symbol, f"__r{_name}__", _no_arithmetic(f"__r{_name}__"))
for _name in (
    "neg",
    "pos",
    "abs",
    "round",
    "trunc",
    "floor",
    "ceil",
    "complex",
    "bytes",
    "reversed",
    "next",
    "enter",
    "aiter",
    "await",
    "setitem",
    "delitem",
):
    setattr(Symbol, f"__{_name}__", _no_arithmetic(f"__{_name}__"))


class ParameterSymbol(Symbol):
    """A parameter of the pipeline."""

    def __init__(self, name: str, kind: str, trace: object, annotation: object = Any) -> None:
        super().__init__(kind, trace, f"parameter '{name}'")
        self._name = name
        self._annotation = annotation

    def _operand(self) -> spec.Operand:
        from waterflow import spec

        if self._type not in spec.SCALARS:
            self._refuse(
                f"compared: its type is {self._type}",
                "A condition compares numbers, text and booleans.",
            )
        return spec.FromParameter(self._name)


class ConstantSymbol(ParameterSymbol):
    """A parameter of a pipeline that another calls, and gives a plain value for it.

    In that pipeline it is a parameter like all others; where it reaches a step or a condition it
    is the value.
    """

    def __init__(
        self, name: str, kind: str, trace: object, annotation: object, value: object
    ) -> None:
        super().__init__(name, kind, trace, annotation)
        self._value = value

    def _operand(self) -> spec.Operand:
        from waterflow import spec

        super()._operand()
        return spec.FromValue(self._value)


def unwrapped(value: object) -> Any:
    """Return a value, or that of a parameter which was given one."""
    return value._value if isinstance(value, ConstantSymbol) else value


class OutputSymbol(Symbol):
    """An output of a step, or one scalar of it."""

    def __init__(
        self,
        step: str,
        output: str,
        kind: str,
        trace: object,
        key: str | None = None,
        annotation: object = Any,
    ) -> None:
        where = f"output '{output}' of step '{step}'"
        super().__init__(kind, trace, f"{where}[{key!r}]" if key is not None else where)
        self._step, self._output, self._key = step, output, key
        self._annotation = annotation

    def __getitem__(self, key: object) -> OutputSymbol:
        inner = _KEYED.get(self._type)
        if inner is None or self._key is not None or not isinstance(key, str):
            self._refuse(
                f"indexed with {key!r}: its type is {self._type}",
                'Only metrics and plain dicts are, with one text key: `metrics["auc"]`. '
                "Otherwise use it inside a step.",
            )
        return OutputSymbol(self._step, self._output, inner, self._trace, key)

    def _reference(self) -> spec.FromStep:
        from waterflow import spec

        return spec.FromStep(self._step, self._output, self._key)

    def _operand(self) -> spec.FromStep:
        from waterflow import spec

        if self._type not in spec.SCALARS and not (self._type == "any" and self._key is not None):
            self._refuse(
                f"compared: its type is {self._type}, which is no scalar",
                'Compare one number of it, such as `metrics["auc"]`, or return a bool from a step.',
            )
        return self._reference()


class FirstSymbol(Symbol):
    """The first of several outputs whose step was not skipped."""

    def __init__(self, options: tuple[OutputSymbol, ...], kind: str, trace: object) -> None:
        names = ", ".join(repr(option) for option in options)
        super().__init__(kind, trace, f"wf.first({names})")
        self._options = options


class DoneSymbol(Symbol):
    """What a step that returns nothing gives: something to stand `after`."""

    def __init__(self, step: str, trace: object) -> None:
        super().__init__("nothing", trace, f"step '{step}', which returns nothing,")
        self._step = step


class GroupSymbol(Symbol):
    """What a pipeline that returns nothing gives, called in another: something to stand `after`."""

    def __init__(self, group: str, trace: object) -> None:
        super().__init__("nothing", trace, f"group '{group}', which returns nothing,")
        self._group = group


class Expression:
    """A condition over symbols: what comparing them gives.

    Args:
        condition: Makes the spec's form of it, when a gate asks.
        symbols: The symbols it reads.
    """

    def __init__(
        self, condition: Callable[[], spec.Condition], symbols: tuple[Symbol, ...]
    ) -> None:
        self.condition = condition
        self.symbols = symbols

    def __and__(self, other: object) -> Expression:
        from waterflow import spec

        right = as_expression(other)
        return Expression(
            lambda: spec.All((*_flat(self, spec.All), *_flat(right, spec.All))),
            self.symbols + right.symbols,
        )

    def __or__(self, other: object) -> Expression:
        from waterflow import spec

        right = as_expression(other)
        return Expression(
            lambda: spec.Any_((*_flat(self, spec.Any_), *_flat(right, spec.Any_))),
            self.symbols + right.symbols,
        )

    def __rand__(self, other: object) -> Expression:
        return as_expression(other) & self

    def __ror__(self, other: object) -> Expression:
        return as_expression(other) | self

    def __invert__(self) -> Expression:
        from waterflow import spec

        return Expression(lambda: spec.Not(self.condition()), self.symbols)

    def __bool__(self) -> bool:
        raise definition_error(
            "A condition is not known while the pipeline is defined, so it cannot be used in `if`, "
            "`and`, `or`, `not` or a chained comparison. Use `with wf.when(...)`, and `&`, `|`, "
            "`~` to combine conditions."
        )


def _flat(part: Expression, kind: type[spec.All | spec.Any_]) -> tuple[spec.Condition, ...]:
    condition = part.condition()
    return condition.parts if isinstance(condition, kind) else (condition,)


def as_expression(value: object) -> Expression:
    """Return a boolean symbol or a condition as a condition.

    Raises:
        DefinitionError: It is neither.
    """
    if isinstance(value, Expression):
        return value
    if isinstance(value, Symbol):
        if value._type not in ("boolean", "any"):
            value._refuse(
                f"a condition by itself: its type is {value._type}",
                "Compare it with something, for example `>= 0.9`.",
            )
        return compare(value, "==", True)
    raise definition_error(
        f"{value!r} is no condition. What is known while the pipeline is defined belongs in "
        "Python's own `if`; `wf.when`, `&`, `|`, `~` take comparisons of outputs and parameters."
    )


def compare(left: Symbol, operator: spec.Operator, right: object) -> Expression:
    """Return the comparison of two scalars.

    Raises:
        DefinitionError: One side is no scalar, or the two can never be compared.
    """
    from waterflow import spec

    first = left._operand()
    left_type = left._type
    second: spec.Operand
    if isinstance(right, Symbol):
        second = right._operand()
        right_type = right._type
        symbols: tuple[Symbol, ...] = (left, right)
    else:
        right_type = _scalar_type(right)
        if right_type is None:
            raise definition_error(
                f"{left!r} is compared with {right!r}, which is no scalar. "
                "A condition compares numbers, text and booleans."
            )
        second, symbols = spec.FromValue(right), (left,)
    kinds = {_family(left_type), _family(right_type)} - {"any"}
    if len(kinds) > 1:
        raise definition_error(
            f"{left!r} has type {left_type} and is compared with a {right_type} ({right!r}): "
            "the two never compare."
        )
    if operator not in ("==", "!=") and kinds == {"boolean"}:
        raise definition_error(f"{left!r} is a boolean: compare it with == or !=.")
    if isinstance(first, spec.FromValue):
        if isinstance(second, spec.FromValue):
            raise definition_error(
                f"{left!r} was given the plain value {first.value!r}, so the condition is known "
                "already. Declare the parameter as `wf.Static[...]` and use Python's own `if`, or "
                "give it a parameter of the pipeline that calls."
            )
        first, operator, second = second, _TURNED[operator], first
    compared = first
    return Expression(lambda: spec.Compare(compared, operator, second), symbols)


_TURNED: Final[dict[spec.Operator, spec.Operator]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
"""What says the same of two scalars when they change places."""


def _scalar_type(value: object) -> str | None:
    for kind, name in ((bool, "boolean"), (int, "integer"), (str, "string")):
        if isinstance(value, kind):
            return name
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return "number"
    return None


def _family(kind: str) -> str:
    return "number" if kind == "integer" else kind
