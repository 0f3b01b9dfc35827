"""Steps on plain values, and pipelines of them that are made up from a number."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import waterflow as wf

DEPTH = 3
"""Gates within each other."""
PROGRAM = (
    "import pathlib, sys; source, target, times = sys.argv[1:]; "
    "text = pathlib.Path(source, 'value.json').read_text(); "
    "pathlib.Path(target, 'written.txt').write_text(text * int(times))"
)


class Pair(NamedTuple):
    """A number and a text."""

    left: int
    right: str


@wf.step
def number(x: int, plus: int = 1) -> int:
    """Return a small number."""
    return (x * 3 + plus) % 7


@wf.step
def total(items: list[int]) -> int:
    """Return a sum, kept small."""
    return sum(items) % 9


@wf.step
def word(x: int, text: str = "a") -> str:
    """Return a text that goes by a number."""
    return text[:3] + "abc"[x % 3]


@wf.step
def flag(x: int) -> bool:
    """Say whether a number is even."""
    return x % 2 == 0


@wf.step
def rounded(x: float) -> int:
    """Return the nearest whole number."""
    return round(x)


@wf.step
def scores(x: int) -> wf.Metrics:
    """Return two metrics."""
    return wf.Metrics(share=x / 4, whole=x)


@wf.step
def answer(x: int, text: str) -> dict[str, Any]:
    """Return plain data of several types."""
    return {"ok": x > 2, "count": x, "name": text, "deep": [x, {"text": text}]}


@wf.step
def pair(x: int, sure: bool) -> Pair:
    """Return two outputs."""
    return Pair(x + sure, f"ü{x}")


@wf.step
def written(folder: Path) -> str:
    """Return what a program has written."""
    return next(folder.rglob("written.txt")).read_text()


class Builder:
    """Calls steps as chance has it, while a pipeline is being traced.

    Args:
        seed: Decides everything.
        steps: How many steps, or up to two more.
        gates: How many gates at most.
        parameters: The pipeline's: `whole`, `real`, `text` and `sure`.
        spot: Whether some steps ask for spot machines.
        image: The image of programs between some steps; "" for none of them, all else being the
            same.
    """

    def __init__(
        self,
        seed: int,
        steps: int,
        gates: int,
        parameters: dict[str, Any],
        *,
        spot: bool,
        image: str,
    ) -> None:
        self.chance = random.Random(seed)
        self.left, self.gates, self.parameters = steps, gates, parameters
        self.spot, self.image = spot, image
        # What can be seen from here, by its type, and what stands behind gates that are closed.
        kinds = ("int", "text", "bool", "metrics", "json")
        self.seen: dict[str, list[Any]] = {kind: [] for kind in kinds}
        self.hidden: list[Any] = []

    def build(self, depth: int = 0) -> None:
        """Make steps, and gates with steps behind them, until this side has enough."""
        self.step()
        while self.left > 0:
            roll = self.chance.random()
            if roll < 0.22 and depth < DEPTH and self.gates > 0:
                self.gate(depth)
            elif roll > 0.8 and depth > 0:
                return
            else:
                self.step()

    def gate(self, depth: int) -> None:
        self.gates -= 1
        outside = {kind: list(values) for kind, values in self.seen.items()}
        hidden = self.hidden
        behind: list[Any] = []
        both = self.chance.random() < 0.7
        with wf.when(self.condition(2)) as gate:
            behind += self.side(depth, outside, hidden)
        if both and self.left > 0:
            with gate.otherwise():
                behind += self.side(depth, outside, hidden)
        self.seen, self.hidden = outside, hidden + behind

    def side(self, depth: int, outside: dict[str, list[Any]], hidden: list[Any]) -> list[Any]:
        self.seen = {kind: list(values) for kind, values in outside.items()}
        self.hidden = list(hidden)
        self.build(depth + 1)
        new = [one for one in self.seen["int"] if not any(one is old for old in outside["int"])]
        return new + [one for one in self.hidden if not any(one is old for old in hidden)]

    # --- conditions -------------------------------------------------------------------------------

    def condition(self, depth: int) -> Any:
        roll = self.chance.random()
        if depth == 0 or roll < 0.45:
            return self.comparison()
        left, right = self.condition(depth - 1), self.condition(depth - 1)
        if roll < 0.65:
            return left & right
        return left | right if roll < 0.85 else ~left

    def comparison(self) -> Any:
        kinds = [kind for kind, values in self.seen.items() if values]
        kind = self.chance.choice([*kinds, "whole", "real", "text", "sure"])
        if kind == "bool":
            return self.pick("bool")
        if kind == "sure":
            return self.parameters["sure"]
        if kind == "text":
            right = self.chance.choice(["aa", "bc", self.parameters["text"]])
            left = self.pick("text") if self.seen["text"] else self.parameters["text"]
            return left == right if self.chance.random() < 0.5 else left != right
        if kind == "json":
            entry = self.chance.choice(["ok", "name", "count"])
            if entry == "name":
                return self.pick("json")["name"] == self.chance.choice(["aa", "b"])
            return self.pick("json")[entry] == self.chance.choice([True, 1, 3, 4.0])
        if kind == "metrics":
            left = self.pick("metrics")[self.chance.choice(["share", "whole"])]
        else:
            left = self.parameters[kind] if kind in self.parameters else self.pick("int")
        return self.compare(left, self.chance.choice([0, 1, 2.5, 4, "whole", "real", "int"]))

    def compare(self, left: Any, right: Any) -> Any:
        if right == "int" and not self.seen["int"]:
            right = 3
        if isinstance(right, str):
            right = self.parameters[right] if right in self.parameters else self.pick("int")
        sign = self.chance.randrange(6)
        if sign < 2:
            return left == right if sign else left != right
        if sign < 4:
            return left < right if sign == 2 else left <= right
        return left > right if sign == 4 else left >= right

    # --- steps ------------------------------------------------------------------------------------

    def pick(self, kind: str) -> Any:
        """Return something that can be seen from here, what is near more often."""
        values = self.seen[kind]
        return values[-1 - min(int(self.chance.expovariate(0.5)), len(values) - 1)]

    def whole(self) -> Any:
        roll = self.chance.random()
        if not self.seen["int"] or roll < 0.15:
            return self.chance.choice([self.parameters["whole"], 2, 5])
        return self.pick("int")

    def string(self) -> Any:
        return self.pick("text") if self.seen["text"] else self.parameters["text"]

    def step(self) -> None:
        kind = self.chance.choice(
            ["number"] * 5
            + ["total"] * 3
            + ["word", "flag", "rounded", "scores", "answer", "pair"]
            + ["first"] * 3
            + ["after", "map", "spot", "spot", "program"]
        )
        self.left -= {"program": 3, "map": 2}.get(kind, 1)
        getattr(self, f"_{kind}")()

    def keep(self, kind: str, value: Any) -> None:
        self.seen[kind].append(value)

    def _number(self) -> None:
        self.keep("int", number(self.whole(), plus=self.whole()))

    def _total(self) -> None:
        self.keep("int", total([self.whole() for _ in range(self.chance.randint(1, 6))]))

    def _word(self) -> None:
        self.keep("text", word(self.whole(), self.string()))

    def _flag(self) -> None:
        self.keep("bool", flag(self.whole()))

    def _rounded(self) -> None:
        known = self.seen["metrics"]
        self.keep(
            "int", rounded(self.pick("metrics")["share"] if known else self.parameters["real"])
        )

    def _scores(self) -> None:
        self.keep("metrics", scores(self.whole()))

    def _answer(self) -> None:
        self.keep("json", answer(self.whole(), self.string()))

    def _pair(self) -> None:
        sure = self.pick("bool") if self.seen["bool"] else self.parameters["sure"]
        both = pair(self.whole(), sure)
        self.keep("int", both.left)
        self.keep("text", both.right)

    def _first(self) -> None:
        if len(self.hidden) < 2:
            self._number()
            return
        options = self.chance.sample(self.hidden, min(len(self.hidden), self.chance.randint(2, 4)))
        self.keep("int", number(wf.first(*options), plus=self.whole()))

    def _after(self) -> None:
        before = [self.pick("int")] if self.seen["int"] else []
        self.keep("int", number.options(after=before)(self.parameters["whole"]))

    def _map(self) -> None:
        items = [self.chance.randint(0, 9) for _ in range(self.chance.randint(0, 3))]
        self.keep("int", total(wf.map(number, items, plus=self.whole())))

    def _spot(self) -> None:
        chosen = number.options(spot=True) if self.spot else number
        self.keep("int", chosen(self.whole()))

    def _program(self) -> None:
        source = word.options(name=f"source{self.left}")(self.whole())
        times = self.chance.randint(1, 3)
        if self.image:
            program = wf.container(
                name=f"program{self.left}",
                image=self.image,
                inputs={"text": source},
                outputs=["folder"],
                parameters={"times": times},
                command=[
                    "python3",
                    "-c",
                    PROGRAM,
                    "{inputs.text}",
                    "{outputs.folder}",
                    "{parameters.times}",
                ],
            )
            written.options(name=f"written{self.left}")(program.folder)


def random_pipeline(
    seed: int, steps: int, gates: int, *, spot: bool = True, image: str = ""
) -> Any:
    """Return a pipeline that is made up from a number; arguments as for `Builder`."""

    @wf.pipeline(name="random")
    def pipeline(whole: int = 3, real: float = 0.5, text: str = "bc", sure: bool = True) -> None:
        parameters = {"whole": whole, "real": real, "text": text, "sure": sure}
        Builder(seed, steps, gates, parameters, spot=spot, image=image).build()

    return pipeline
