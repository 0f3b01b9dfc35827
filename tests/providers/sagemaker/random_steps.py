"""Steps on plain values, and pipelines of them that are made up from a number."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import waterflow as wf

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tool:1"
DEPTH = 3
"""Gates within each other."""
PROGRAM = (
    "import pathlib, sys; source, target, times = sys.argv[1:]; "
    "text = pathlib.Path(source, 'value.json').read_text(); "
    "pathlib.Path(target, 'told.txt').write_text(text * int(times))"
)


class Pair(NamedTuple):
    """A number and a text."""

    left: int
    right: str


@wf.step
def number(x: int, plus: int = 1) -> int:
    return (x * 3 + plus) % 7


@wf.step
def total(items: list[int]) -> int:
    return sum(items) % 9


@wf.step
def word(x: int, text: str = "a") -> str:
    return text[:3] + "abc"[x % 3]


@wf.step
def flag(x: int) -> bool:
    return x % 2 == 0


@wf.step
def rounded(x: float) -> int:
    return round(x)


@wf.step
def scores(x: int) -> wf.Metrics:
    return wf.Metrics(share=x / 4, whole=x)


@wf.step
def answer(x: int, text: str) -> dict[str, Any]:
    return {"ok": x > 2, "count": x, "name": text, "deep": [x, {"text": text}]}


@wf.step
def pair(x: int, sure: bool) -> Pair:
    return Pair(x + sure, f"ü{x}")


@wf.step
def told(made: Path) -> str:
    return next(one for one in made.rglob("told.txt")).read_text()


class Builder:
    """Calls steps as chance has it, while a pipeline is being traced.

    Args:
        seed: Decides everything.
        steps: How many steps, or up to two more.
        gates: How many gates at most.
        given: The pipeline's parameters: `whole`, `real`, `text` and `sure`.
        training: Whether some steps are training jobs.
        contained: Whether programs in images stand between some steps; all else stays the same.
    """

    def __init__(self, seed, steps, gates, given, *, training=True, contained=True):
        self.chance = random.Random(seed)
        self.left, self.gates, self.given = steps, gates, given
        self.training, self.contained = training, contained
        # What can be seen from here, by its type, and what stands behind gates that are closed.
        self.seen = {kind: [] for kind in ("int", "text", "bool", "metrics", "json")}
        self.hidden = []

    def build(self, depth=0):
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

    def gate(self, depth):
        self.gates -= 1
        outside = {kind: list(found) for kind, found in self.seen.items()}
        hidden, behind = self.hidden, []
        both = self.chance.random() < 0.7
        with wf.when(self.condition(2)) as gate:
            behind += self.side(depth, outside, hidden)
        if both and self.left > 0:
            with gate.otherwise():
                behind += self.side(depth, outside, hidden)
        self.seen, self.hidden = outside, hidden + behind

    def side(self, depth, outside, hidden):
        self.seen = {kind: list(found) for kind, found in outside.items()}
        self.hidden = list(hidden)
        self.build(depth + 1)
        new = [one for one in self.seen["int"] if not any(one is old for old in outside["int"])]
        return new + [one for one in self.hidden if not any(one is old for old in hidden)]

    # --- conditions -------------------------------------------------------------------------------

    def condition(self, depth):
        roll = self.chance.random()
        if depth == 0 or roll < 0.45:
            return self.comparison()
        left, right = self.condition(depth - 1), self.condition(depth - 1)
        if roll < 0.65:
            return left & right
        return left | right if roll < 0.85 else ~left

    def comparison(self):
        kinds = [kind for kind, found in self.seen.items() if found]
        kind = self.chance.choice([*kinds, "whole", "real", "text", "sure"])
        if kind == "bool":
            return self.pick("bool")
        if kind == "sure":
            return self.given["sure"]
        if kind == "text":
            right = self.chance.choice(["aa", "bc", self.given["text"]])
            left = self.pick("text") if self.seen["text"] else self.given["text"]
            return left == right if self.chance.random() < 0.5 else left != right
        if kind == "json":
            entry = self.chance.choice(["ok", "name", "count"])
            if entry == "name":
                return self.pick("json")["name"] == self.chance.choice(["aa", "b"])
            return self.pick("json")[entry] == self.chance.choice([True, 1, 3, 4.0])
        if kind == "metrics":
            left = self.pick("metrics")[self.chance.choice(["share", "whole"])]
        else:
            left = self.given[kind] if kind in self.given else self.pick("int")
        return self.compare(left, self.chance.choice([0, 1, 2.5, 4, "whole", "real", "int"]))

    def compare(self, left, right):
        if right == "int" and not self.seen["int"]:
            right = 3
        if isinstance(right, str):
            right = self.given[right] if right in self.given else self.pick("int")
        sign = self.chance.randrange(6)
        if sign < 2:
            return left == right if sign else left != right
        if sign < 4:
            return left < right if sign == 2 else left <= right
        return left > right if sign == 4 else left >= right

    # --- steps ------------------------------------------------------------------------------------

    def pick(self, kind):
        """Return something that can be seen from here, what is near more often."""
        found = self.seen[kind]
        return found[-1 - min(int(self.chance.expovariate(0.5)), len(found) - 1)]

    def whole(self):
        roll = self.chance.random()
        if not self.seen["int"] or roll < 0.15:
            return self.chance.choice([self.given["whole"], 2, 5])
        return self.pick("int")

    def string(self):
        return self.pick("text") if self.seen["text"] else self.given["text"]

    def step(self):
        kind = self.chance.choice(
            ["number"] * 5 + ["total"] * 3 + ["word", "flag", "rounded", "scores", "answer", "pair"]
            + ["first"] * 3 + ["after", "map", "training", "training", "program"]
        )  # fmt: skip
        self.left -= {"program": 3, "map": 2}.get(kind, 1)
        getattr(self, f"_{kind}")()

    def keep(self, kind, made):
        self.seen[kind].append(made)

    def _number(self):
        self.keep("int", number(self.whole(), plus=self.whole()))

    def _total(self):
        self.keep("int", total([self.whole() for _ in range(self.chance.randint(1, 6))]))

    def _word(self):
        self.keep("text", word(self.whole(), self.string()))

    def _flag(self):
        self.keep("bool", flag(self.whole()))

    def _rounded(self):
        known = self.seen["metrics"]
        self.keep("int", rounded(self.pick("metrics")["share"] if known else self.given["real"]))

    def _scores(self):
        self.keep("metrics", scores(self.whole()))

    def _answer(self):
        self.keep("json", answer(self.whole(), self.string()))

    def _pair(self):
        made = pair(self.whole(), self.pick("bool") if self.seen["bool"] else self.given["sure"])
        self.keep("int", made.left)
        self.keep("text", made.right)

    def _first(self):
        if len(self.hidden) < 2:
            self._number()
            return
        options = self.chance.sample(self.hidden, min(len(self.hidden), self.chance.randint(2, 4)))
        self.keep("int", number(wf.first(*options), plus=self.whole()))

    def _after(self):
        before = [self.pick("int")] if self.seen["int"] else []
        self.keep("int", number.options(after=before)(self.given["whole"]))

    def _map(self):
        items = [self.chance.randint(0, 9) for _ in range(self.chance.randint(0, 3))]
        self.keep("int", total(wf.map(number, items, plus=self.whole())))

    def _training(self):
        chosen = number.options(spot=True) if self.training else number
        self.keep("int", chosen(self.whole()))

    def _program(self):
        source = word.options(name=f"source{self.left}")(self.whole())
        times = self.chance.randint(1, 3)
        if self.contained:
            made = wf.container(
                name=f"program{self.left}", image=IMAGE, inputs={"text": source}, outputs=["made"],
                command=["python3", "-c", PROGRAM, "{inputs.text}", "{outputs.made}",
                         "{parameters.times}"], parameters={"times": times},
            )  # fmt: skip
            told.options(name=f"told{self.left}")(made.made)


def made(seed, steps, gates, **how):
    """Return a pipeline that is made up from a number."""

    @wf.pipeline(name="random")
    def found(whole: int = 3, real: float = 0.5, text: str = "bc", sure: bool = True):
        given = {"whole": whole, "real": real, "text": text, "sure": sure}
        Builder(seed, steps, gates, given, **how).build()

    return found
