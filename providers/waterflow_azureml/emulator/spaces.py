"""What sweeps search: hyperparameters, how values are drawn, and what they aim at."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow_azureml.emulator.bodies import BodyError, mapping, number, said, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ARGUMENTS: Final = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "qlognormal": ("mu", "sigma", "q"),
}
"""Distribution -> its arguments.

https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters
"""
_TRIALS: Final = 20
"""How many trials a random sweep has that says no number."""
_MOST: Final = 1000
"""The most trials that the service takes."""


@dataclass(frozen=True)
class Draw:
    """How a hyperparameter's values are drawn.

    Attributes:
        name: The distribution.
        arguments: Its arguments, in their order.
    """

    name: str
    arguments: tuple[Any, ...]

    def value(self, chance: random.Random) -> Any:
        """Return a value."""
        a = self.arguments
        match self.name.removeprefix("q") if self.name.startswith("q") else self.name:
            case "choice":
                return chance.choice(a[0])
            case "randint":
                return chance.randrange(max(1, int(a[0])))
            case "uniform":
                value = chance.uniform(a[0], a[1])
            case "loguniform":
                value = math.exp(chance.uniform(a[0], a[1]))
            case "normal":
                value = chance.gauss(a[0], a[1])
            case _:
                value = math.exp(chance.gauss(a[0], a[1]))
        return round(value / a[2]) * a[2] if self.name.startswith("q") else value


@dataclass(frozen=True)
class Sweep:
    """How a sweep searches.

    Attributes:
        space: Hyperparameter -> how its values are drawn.
        sampling: `random` or `grid`.
        seed: What makes draws repeat; None for chance.
        metric: What is aimed at.
        maximize: Whether more of it is better.
        trials: How many trials there are at most.
        parallel: How many of them run at once.
        timeout: Seconds that all of it may take; None for any time.
        trial_timeout: Seconds that one may take; None for any time.
    """

    space: Mapping[str, Draw]
    sampling: str
    seed: int | None
    metric: str
    maximize: bool
    trials: int
    parallel: int
    timeout: float | None
    trial_timeout: float | None

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield the points that are tried."""
        if self.sampling == "grid":
            axes = [draw.arguments[0] for draw in self.space.values()]
            grid = itertools.product(*axes)
            for values in itertools.islice(grid, self.trials):
                yield dict(zip(self.space, values, strict=True))
            return
        chance = random.Random(self.seed)  # noqa: S311 - nothing secret
        for _ in range(self.trials):
            yield {name: draw.value(chance) for name, draw in self.space.items()}

    def better(self, one: float, other: float) -> bool:
        """Return whether one value of the metric is better than another."""
        return one > other if self.maximize else one < other


def sweep(body: Mapping[str, Any]) -> Sweep:
    """Return how a sweep searches.

    Args:
        body: The properties of a sweep job, or a step of a pipeline.

    Raises:
        BodyError: It searches in a way that is not run.
    """
    if said(body, "early_termination") is not None:
        raise BodyError(
            "Waterflow's emulator ends no trials early: leave out early_termination, or test it "
            "against Azure"
        )
    space = {name: _draw(name, value) for name, value in mapping(body, "search_space").items()}
    if not space:
        raise BodyError("a sweep needs a search space")
    sampling, seed = _sampling(said(body, "sampling_algorithm", "random"))
    if sampling == "grid" and any(draw.name != "choice" for draw in space.values()):
        raise BodyError("grid sampling takes hyperparameters of type choice only")
    objective, limits = mapping(body, "objective"), mapping(body, "limits")
    metric, goal = said(objective, "primary_metric"), str(objective.get("goal", "")).lower()
    if not metric or goal not in ("maximize", "minimize"):
        raise BodyError(
            "a sweep needs an objective: goal (maximize or minimize) and primary_metric"
        )
    every = (
        math.prod(len(draw.arguments[0]) for draw in space.values()) if sampling == "grid" else 0
    )
    trials = int(number("max_total_trials", said(limits, "max_total_trials", every or _TRIALS)))
    parallel = int(number("max_concurrent_trials", said(limits, "max_concurrent_trials", trials)))
    if not 1 <= trials <= _MOST or not 1 <= parallel <= trials:
        raise BodyError(
            f"max_total_trials must be from 1 to {_MOST}, and max_concurrent_trials no more: "
            f"{trials} and {parallel}"
        )
    return Sweep(
        space, sampling, seed, str(metric), goal == "maximize", trials, parallel,
        _duration(said(limits, "timeout")), _duration(said(limits, "trial_timeout")),
    )  # fmt: skip


def _duration(value: Any) -> float | None:
    return None if value is None else seconds(value)


def _sampling(value: Any) -> tuple[str, int | None]:
    if not isinstance(value, dict):
        kind, seed = str(value).lower(), None
    else:
        body = cast("dict[str, Any]", value)
        kind = str(said(body, "sampling_algorithm_type") or body.get("type") or "random").lower()
        seed = None if body.get("seed") is None else int(number("seed", body["seed"]))
    if kind not in ("random", "grid"):
        raise BodyError(f"the emulator draws no values by '{kind}' sampling: use random or grid")
    return kind, seed


def _draw(name: str, value: Any) -> Draw:
    """Return how values are drawn, as a job says it, `["uniform", [0, 1]]`, or as a step does."""
    if isinstance(value, list):
        kind, listed, *_ = [*cast("list[Any]", value), None, None]
        given = cast("list[Any]", listed) if isinstance(listed, list) else []
        held = dict(zip(_ARGUMENTS.get(str(kind), ()), given, strict=False))
    elif isinstance(value, dict):
        held = dict(cast("dict[str, Any]", value))
        kind = held.pop("type", "")
    else:
        raise BodyError(f"hyperparameter '{name}' must say how its values are drawn")
    arguments = _ARGUMENTS.get(str(kind))
    if arguments is None:
        raise BodyError(f"hyperparameter '{name}': there is no distribution '{kind}'")
    lacking = [one for one in arguments if said(held, one) is None]
    if lacking:
        raise BodyError(f"hyperparameter '{name}': {kind} needs {', '.join(lacking)}")
    values = tuple(said(held, one) for one in arguments)
    if kind == "choice" and not (isinstance(values[0], list) and values[0]):
        raise BodyError(f"hyperparameter '{name}': choice needs values")
    if kind != "choice":
        values = tuple(number(f"{name}.{one}", said(held, one)) for one in arguments)
    return Draw(str(kind), values)
