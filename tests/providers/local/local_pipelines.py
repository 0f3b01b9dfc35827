"""What the local provider's own tests run; copied into a project of each test's."""

import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import waterflow as wf


@wf.step(cpu=0.5)
def make(number: int, salt: int) -> Path:
    folder = Path("made")
    folder.mkdir()
    for index in range(4):
        (folder / f"{index}.txt").write_text(f"{salt}/{number}/{index}\n" * 500)
        time.sleep(0.02)
    return folder


@wf.step(cpu=0.5)
def join(left: Path, right: Path) -> Path:
    folder = Path("joined")
    (folder / "inner").mkdir(parents=True)
    for side in (left, right):
        for file in sorted(side.rglob("*.txt")):
            with (folder / "inner" / file.name).open("a") as out:
                out.write(file.read_text())
            time.sleep(0.01)
    return folder


@wf.pipeline
def folders(salt: int = 0) -> None:
    one, two, three, four = (make.options(name=f"make{n}")(n, salt) for n in range(4))
    left = join.options(name="left")(one, two)
    right = join.options(name="right")(three, four)
    join.options(name="whole")(left, right)


@wf.step
def patient(note: str) -> str:
    """Write down this process, leave a checkpoint, and wait to be ended."""
    (wf.checkpoint_dir() / "kept").write_text("kept")
    Path(note).write_text(str(os.getpid()))
    while True:
        time.sleep(0.02)


@wf.pipeline
def waits(note: str) -> None:
    patient(note)


@wf.step(cpu=1)
def busy(number: int, folder: str) -> int:
    """Note when this began and ended."""
    began = time.time()
    time.sleep(0.3)
    (Path(folder) / str(number)).write_text(f"{began} {time.time()}")
    return number


@wf.pipeline
def crowd(folder: str, cpu: wf.Static[float] = 1, memory: wf.Static[str] = "1MiB") -> None:
    for number in range(6):
        busy.options(name=f"busy{number}", cpu=cpu, memory=memory)(number, folder)


@wf.step(cache=False)
def first(folder: str) -> str:
    with (Path(folder) / "first").open("a") as out:
        out.write("x")
    return "first"


@wf.step(cache=False)
def second(before: str, folder: str) -> str:
    with (Path(folder) / "second").open("a") as out:
        out.write("x")
    if not (Path(folder) / "repaired").exists():
        raise RuntimeError("not repaired yet")
    return before + " second"


@wf.pipeline
def resumable(folder: str) -> None:
    second(first(folder), folder)


@wf.step
def who() -> int:
    return os.getpid()


@wf.step
def words(salt: int) -> dict[str, int]:
    return {"salt": salt}


@wf.pipeline
def inline(salt: int = 1) -> None:
    who()
    words(salt)


@wf.step
def tiny_version() -> str:
    import waterflow_tiny

    return waterflow_tiny.VERSION


@wf.pipeline
def own_requirement(wheel: wf.Static[str]) -> None:
    tiny_version.options(requirements=[wheel])()
    who()


@wf.step
def step_of_many(before: int) -> int:
    return before + 1


@wf.pipeline
def many(count: wf.Static[int]) -> None:
    for number in range(count):
        step_of_many.options(name=f"s{number}", cpu=0.5)(number)


@wf.step(cpu=0.5)
def prints(note: str) -> int:
    """Print values, the last without an end of its line, once a file is there."""
    for number in range(3):
        print(f"{number}: loss={1 / 2**number}", flush=True)
    while not Path(note).exists():
        time.sleep(0.02)
    print("loss=7", end="", file=sys.stderr, flush=True)
    return 3


@wf.pipeline
def printed(note: str, name: wf.Static[str] = "loss") -> None:
    prints.options(metrics={name: r"loss=(\S+)"})(note)
    wf.container(
        name="program",
        image="any",
        command=["sh", "-c", "echo loss=3; echo loss=4 >&2; printf loss=5; touch {outputs.made}/x"],
        outputs=["made"],
        metrics={name: r"loss=(\S+)"},
        cpu=0.5,
    )


@wf.step
def imports() -> str:
    """Use a library that takes for ever to import: the test puts it in place."""
    import everlasting  # pyright: ignore[reportMissingImports]

    return everlasting.__name__


@wf.pipeline
def importing() -> None:
    imports()


def doubled(number: int) -> int:
    return number * 2


@wf.step(cpu=0.5)
def work(method: str) -> list[int]:
    """Let workers double numbers."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(doubled, [1, 2, 3])


@wf.step(cpu=0.5)
def late() -> Path:
    """Return a folder into which a thread still writes."""
    folder = Path("late")
    folder.mkdir(exist_ok=True)

    def write() -> None:
        time.sleep(0.3)
        (folder / "written").touch()

    threading.Thread(target=write).start()
    return folder


@wf.pipeline
def crowded() -> None:
    for method in ("fork", "spawn", "forkserver"):
        work.options(name=method)(method)
    late()
