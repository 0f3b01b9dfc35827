"""Tiny pipelines for the tests of remote runs: they import nothing heavy."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import waterflow as wf

VERSION = "one"


@wf.step
def first(number: int = 1) -> int:
    """Print a number and return the next."""
    print(f"first → {number} ✓")
    return number + 1


@wf.step
def second(number: int) -> str:
    """Say which version of the code this is."""
    return f"{VERSION} {number}"


@wf.pipeline
def chain(number: int = 1) -> None:
    """One step after another."""
    second(first(number))


@wf.step
def wait_for(bell: str, talk: int = 0) -> str:
    """Go on when a file is there."""
    for line in range(talk):
        print(f"{line} grüße ☂", flush=True)
    Path(f"{bell}.here").touch()
    while not Path(bell).exists():
        time.sleep(0.02)
    print("the bell has rung", flush=True)
    return "rung"


@wf.pipeline
def waiting(bell: str, talk: int = 0) -> None:
    """Wait for a file, after some lines."""
    wait_for(bell, talk)


@wf.step
def speak(name: str, place: str) -> str:
    """Say lines, each when it is asked for, so that their order is known."""
    for turn in range(3):
        while not Path(f"{place}.{name}.{turn}").exists():
            time.sleep(0.01)
        print(f"{name} {turn} é漢", flush=True)
    return name


@wf.pipeline
def talking(place: str) -> None:
    """Two steps that speak in turns."""
    speak.options(name="left")("left", place)
    speak.options(name="right")("right", place)


@wf.step
def breaks(marker: str) -> int:
    """Fail until a file is there."""
    if not Path(marker).exists():
        print("about to break ✗", flush=True)
        raise ValueError(f"there is no {Path(marker).name} ✗")
    wf.log_metrics({"tries": 2.0})
    return 1


@wf.step
def after(number: int, other: int) -> int:
    """Add two numbers."""
    return number + other


@wf.pipeline
def fragile(marker: str, number: int = 1) -> None:
    """Break while a file is not there."""
    after(first(number), breaks(marker))


@wf.step
def killed() -> int:
    """End as for want of memory."""
    print("killing", flush=True)
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)
    return 0


@wf.pipeline
def hard() -> None:
    """One step that is killed."""
    killed()


@wf.step(spot=True)
def learn(rounds: int, place: str) -> list[str]:
    """Count up to a number, going on from what an interrupted attempt has left."""
    kept = wf.checkpoint_dir() / "round"
    begun = int(kept.read_text()) if kept.exists() else 0
    with Path(place).open("a") as attempts:
        attempts.write(f"{begun}\n")
    for number in range(begun, rounds):
        new = kept.with_suffix(".new")
        new.write_text(str(number + 1))
        new.replace(kept)  # whole or not at all: an interruption may come at any moment
        print(f"round {number + 1}", flush=True)
        if begun == 0 and number == 1:
            time.sleep(60)  # ended before
    return [str(begun), str(rounds)]


@wf.pipeline
def spotted(rounds: int, place: str) -> None:
    """Count on a machine that may be taken away."""
    learn(rounds, place)


@wf.step(instances=2)
def together(place: str) -> dict[str, str]:
    """Tell what each of two machines is given."""
    names = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "WATERFLOW_HOSTS")
    variables = {name: os.environ[name] for name in names}
    (Path(place) / variables["RANK"]).write_text("|".join(variables.values()))
    print(f"rank {variables['RANK']}", flush=True)
    while len(list(Path(place).iterdir())) < 2:
        time.sleep(0.02)
    return variables


@wf.step
def score(value: float) -> float:
    """Give a number to decide by."""
    return value


@wf.step
def good(value: float) -> bool:
    """Give a truth to decide by."""
    return value > 0.5


@wf.step
def word(text: str) -> str:
    """Give a text to decide by."""
    return text


@wf.step
def values(value: float) -> dict[str, float]:
    """Give plain data to decide by."""
    return {"auc": value, "count": 3}


@wf.step
def say(text: str) -> str:
    """Say something."""
    return text


@wf.pipeline
def judged(value: float = 0.9, text: str = "a 'b' ü", limit: float = 0.5) -> None:
    """Decide by values of all kinds."""
    scored, fine, spoken, many = score(value), good(value), word(text), values(value)
    conditions = {
        "metric": scored > limit,
        "flag": fine,
        "text": spoken == "a 'b' ü",
        "entry": (many["auc"] >= 0.9) & (many["count"] != 4),
        "mixed": ~((scored <= 0.5) | (spoken == "no")) & fine,  # pyright: ignore[reportDeprecated]
    }
    for name, condition in conditions.items():
        with wf.when(condition) as gate:
            say.options(name=f"{name}_yes")("yes")
        with gate.otherwise():
            say.options(name=f"{name}_no")("no")


@wf.pipeline(schedule="0 5 * * *")
def nightly(number: int = 4) -> None:
    """Run every night."""
    second(first(number))


@wf.step(cache=False)
def always(number: int) -> int:
    """Return a number, and never out of the cache."""
    return number


@wf.pipeline
def mixed(number: int = 1) -> None:
    """One step that may be cached, and one that may not."""
    first(number)
    always(number)


@wf.step
def exits() -> int:
    """End the process."""
    sys.stderr.write("going ✗\n")
    sys.exit(9)


@wf.pipeline
def exiting() -> None:
    """One step that ends its process."""
    exits()


@wf.pipeline
def single(number: int = 1) -> None:
    """One step."""
    first(number)


@wf.pipeline
def paired(place: str) -> None:
    """One step on two machines."""
    together(place)


@wf.pipeline
def starved(number: int = 1) -> None:
    """Steps that find no machine, no quota and no image."""
    second(first(number))
    exits()
    say("nothing")


@wf.step(metrics={"output": r"loss=(\S+)", "val:rate": "rate ([0-9]+)"})
def fit(rounds: int) -> float:
    """Print values, the last without an end of its line."""
    for number in range(rounds):
        print(f"{number}: loss={1 / 2**number}", flush=True)
    print("rate 5", file=sys.stderr, flush=True)
    print("loss=0.0625", end="", flush=True)
    return 0.75


@wf.step(metrics={"seen": "seen ([0-9]+)"})
def look(value: float) -> float:
    """Print values that become metrics."""
    print("seen 1\nseen 2", flush=True)
    return value


@wf.step
def measure(source: wf.Data) -> dict[str, int]:
    """Return the sizes of files."""
    place = source.path
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return {str(file.relative_to(place.parent)): file.stat().st_size for file in files}


@wf.pipeline
def measuring(source: wf.Data) -> None:
    """Measure outside data."""
    measure(source)


@wf.pipeline
def learning(image: wf.Static[str] = "", rounds: int = 3, limit: float = 0.5) -> None:
    """Print metrics; with an image, from a program too."""
    loss = fit(rounds)
    with wf.when(loss > limit):
        look(loss)
    if image:
        wf.container(
            name="count",
            image=image,
            command=["python3", "-c", "print('counted 1\\ncounted 2')"],
            metrics={"counted": "counted ([0-9]+)"},
        )


@wf.step
def lent() -> str:
    """Import what only the step's own requirements bring."""
    import tiny_loan  # pyright: ignore[reportMissingImports]

    return tiny_loan.VERSION


@wf.step
def used() -> str:
    """Import what this environment has, and the image has not."""
    import tiny_rate  # pyright: ignore[reportMissingImports]

    return tiny_rate.VERSION


@wf.pipeline
def lending(requirement: wf.Static[str]) -> None:
    """Bring a library of the step's own."""
    lent.options(requirements=[requirement])()


@wf.pipeline
def using() -> None:
    """Use a library of this environment."""
    word(used())


@wf.pipeline
def requiring(requirement: wf.Static[str]) -> None:
    """Bring a library that nobody imports."""
    word.options(requirements=[requirement])("none of it")


@wf.step
def listed(numbers: list[int]) -> list[int]:
    """Make the list at run time."""
    return numbers


@wf.step(cpu=2)
def halve(number: int, bell: str) -> float:
    """Fail for 0, and for 9 go on when a file is there."""
    sys.stdout.write(f"taking {number}\n")  # at once: another item prints, too
    sys.stdout.flush()
    if number == 0:
        raise ValueError("nothing to halve")
    while number == 9 and not Path(bell).exists():
        time.sleep(0.02)
    return number / 2


@wf.step
def told(results: list[float], failures: list[dict[str, Any]]) -> int:
    """Count what has succeeded, beside one that has not."""
    assert len(failures) == 1
    return len(results)


@wf.step
def add(number: int) -> int:
    """Return the next number."""
    return number + 1


@wf.pipeline
def halved(numbers: list[int], bell: str) -> int:
    """A map that leaves out what fails, and what reads of it."""
    halves = wf.map(halve, numbers, on_error="skip", bell=bell)
    return told(halves.results, halves.failures)


@wf.pipeline
def halves(numbers: list[int], bell: str) -> None:
    """A pipeline in a pipeline."""
    add(halved.named("inner")(listed(numbers), bell))
