"""Tiny pipelines for the tests of run control: they import nothing heavy. Copied into projects."""

import os
import sys
import time
from pathlib import Path

import waterflow as wf

VERSION = "one"


@wf.step
def first(number: int = 1) -> int:
    print(f"first → {number} ✓")
    return number + 1


@wf.step
def second(number: int) -> str:
    return f"{VERSION} {number}"


@wf.pipeline
def chain(number: int = 1) -> None:
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
def after(number: int, told: int) -> int:
    return number + told


@wf.pipeline
def fragile(marker: str, number: int = 1) -> None:
    after(first(number), breaks(marker))


@wf.step
def killed() -> int:
    print("killing", flush=True)
    os.kill(os.getppid(), 9)
    os.kill(os.getpid(), 9)
    return 0


@wf.pipeline
def hard() -> None:
    killed()


@wf.step(spot=True)
def learn(rounds: int, place: str) -> list[str]:
    """Count up to a number, going on from what an interrupted attempt has left."""
    kept = wf.checkpoint_dir() / "round"
    begun = int(kept.read_text()) if kept.exists() else 0
    with Path(place).open("a") as told:
        told.write(f"{begun}\n")
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
    learn(rounds, place)


@wf.step(instances=2)
def together(place: str) -> dict[str, str]:
    names = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "WATERFLOW_HOSTS")
    found = {name: os.environ[name] for name in names}
    (Path(place) / found["RANK"]).write_text("|".join(found[name] for name in names))
    print(f"rank {found['RANK']}", flush=True)
    while len(list(Path(place).iterdir())) < 2:
        time.sleep(0.02)
    return found


@wf.step
def score(value: float) -> float:
    return value


@wf.step
def good(value: float) -> bool:
    return value > 0.5


@wf.step
def word(text: str) -> str:
    return text


@wf.step
def values(value: float) -> dict[str, float]:
    return {"auc": value, "count": 3}


@wf.step
def say(text: str) -> str:
    return text


@wf.pipeline
def judged(value: float = 0.9, text: str = "a 'b' ü", limit: float = 0.5) -> None:
    scored, fine, told, many = score(value), good(value), word(text), values(value)
    conditions = {
        "metric": scored > limit,
        "flag": fine,
        "text": told == "a 'b' ü",
        "entry": (many["auc"] >= 0.9) & (many["count"] != 4),
        "mixed": ~((scored <= 0.5) | (told == "no")) & fine,
    }
    for name, condition in conditions.items():
        with wf.when(condition) as gate:
            say.options(name=f"{name}_yes")("yes")
        with gate.otherwise():
            say.options(name=f"{name}_no")("no")


@wf.pipeline(schedule="0 5 * * *")
def nightly(number: int = 4) -> None:
    second(first(number))


@wf.step(cache=False)
def always(number: int) -> int:
    return number


@wf.pipeline
def mixed(number: int = 1) -> None:
    first(number)
    always(number)


@wf.step
def exits() -> int:
    sys.stderr.write("going ✗\n")
    sys.exit(9)


@wf.pipeline
def exiting() -> None:
    exits()


@wf.pipeline
def single(number: int = 1) -> None:
    first(number)


@wf.pipeline
def paired(place: str) -> None:
    together(place)


@wf.pipeline
def starved(number: int = 1) -> None:
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
    print("seen 1\nseen 2", flush=True)
    return value


@wf.step
def measure(source: wf.Data) -> dict[str, int]:
    """Return the sizes of files."""
    place = source.path
    found = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
    return {str(one.relative_to(place.parent)): one.stat().st_size for one in found}


@wf.pipeline
def measuring(source: wf.Data) -> None:
    measure(source)


@wf.pipeline
def learning(rounds: int = 3, limit: float = 0.5) -> None:
    found = fit(rounds)
    with wf.when(found > limit):
        look(found)
    wf.container(
        name="count",
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/tool:1",
        command=["python3", "-c", "print('counted 1\\ncounted 2')"],
        metrics={"counted": "counted ([0-9]+)"},
    )
