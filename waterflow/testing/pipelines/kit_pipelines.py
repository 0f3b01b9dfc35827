"""The pipelines that the kit runs."""

import importlib.util
from typing import Any, Literal

import kit_accounts
import kit_attempts
import kit_cache
import kit_coded
import kit_figures
import kit_files
import kit_jobs
import kit_learning
import kit_ledger
import kit_models
import kit_plain
import kit_processes
import kit_sweeps
import kit_tables

import waterflow as wf

PROGRAM = (
    "import pathlib, sys; source, target, times = sys.argv[1:]; "
    "text = pathlib.Path(source, 'value.json').read_text(); "
    "pathlib.Path(target, 'repeated.txt').write_text(text * int(times))"
)
"""One line: services take no line break in an argument."""


def contained(image: str, times: int) -> None:
    """Put a program in an image between two steps."""
    text = kit_plain.say.options(name="source")("text")
    repeated = wf.container(
        name="program",
        image=image,
        command=[
            "python3",
            "-c",
            PROGRAM,
            "{inputs.text}",
            "{outputs.folder}",
            "{parameters.times}",
        ],
        inputs={"text": text},
        outputs=["folder"],
        parameters={"times": times},
    )
    kit_plain.read_text(repeated.folder)


@wf.pipeline
def types(
    rows: int = 12, name: str = "naïve ✓", times: int = 2, image: wf.Static[str] = ""
) -> None:
    """Pass a value of each type from step to step; with an image, through a program too."""
    whole = kit_tables.table(rows)
    halves = kit_tables.halve(whole)
    columns = kit_tables.to_arrow(whole)
    numbers = kit_tables.to_array(columns)
    model = kit_models.fit(whole)
    kit_models.judge(model, halves.right)
    figure: Any = kit_figures.draw(numbers)
    known = kit_files.rename(kit_files.record(name))
    frames = wf.map(kit_tables.scaled, kit_plain.count(3), whole=whole)
    kit_tables.gather([halves.left, halves.right, whole], [halves.rows, halves.rows])
    pieces = wf.map(kit_tables.piece, kit_plain.count.options(name="three")(3), whole=whole)
    kit_tables.gather.options(name="gather_pieces")(pieces.part, pieces.at)
    kit_models.read_back(
        kit_files.one_file(kit_plain.say(name)),
        kit_files.folder(),
        kit_files.raw(),
        figure,
        model,
        known,
        frames,
    )
    kit_accounts.entries(kit_ledger.ledger(name))
    kit_accounts.added(wf.map(kit_ledger.part, kit_plain.count.options(name="two")(2)))
    if importlib.util.find_spec("polars") is not None:
        import kit_polars

        kit_polars.to_polars(whole)  # type: ignore[arg-type]
    if image:
        contained(image, times)


@wf.pipeline
def plain(
    whole: int,
    real: float,
    yes: bool,
    text: str,
    nested: dict[str, Any],
    reals: list[float],
    nothing: str | None = None,
    choice: Literal["red", "green"] = "red",
    default: int = 1,
    upto: int = 3,
    limit: float = 0.9,
    colour: str = "blue",
    strict: bool = True,
    folds: wf.Static[int] = 2,
) -> None:
    """Parameters of all types, both kinds of fan-out, gates of all kinds."""
    kit_plain.parameters(whole, real, yes, text, nested, reals, nothing, choice, default)
    kit_plain.parameters.options(name="fixed")(
        7,
        0.1,
        False,
        'it\'s "fixed" $HOME {x} %s\n✓',
        {"a": [None, 1.5, {"b": "ü"}]},
        [5e-324, -0.0],
        None,
        "green",
    )
    fanned = [kit_plain.square.options(name=f"fold{i}")(i, plus=100) for i in range(folds)]
    kit_plain.total.options(name="fan_in")(fanned)
    items = kit_plain.count(upto)
    kit_plain.total.options(name="mapped")(wf.map(kit_plain.square, items, plus=1))
    none = kit_plain.count.options(name="none")(0)
    kit_plain.total.options(name="mapped_none")(
        wf.map(kit_plain.square.options(name="square_none"), none)
    )
    _gates(limit, colour, strict, choice)


@wf.pipeline
def jobs(given: list[int]) -> None:
    """Maps over lists from everywhere, with a job for each item; and in processes, to compare."""
    whole = kit_tables.table(5)
    items = kit_plain.count(2)
    none = kit_plain.count.options(name="none")(0)
    ways: tuple[Literal["processes", "jobs"], ...] = ("processes", "jobs")
    for way in ways:
        wf.map(kit_plain.square.options(name=f"{way}_plain"), items, plus=1, fan_out=way)
        wf.map(kit_tables.piece.options(name=f"{way}_files"), items, whole=whole, fan_out=way)
        wf.map(kit_plain.square.options(name=f"{way}_none"), none, fan_out=way)
    wf.map(kit_plain.square.options(name="of_parameter"), given, fan_out="jobs")
    fixed = wf.map(kit_plain.square.options(name="of_constant"), [7], fan_out="jobs")
    again = wf.map(kit_plain.square.options(name="of_map"), fixed, fan_out="jobs")
    kit_plain.total(again)


@wf.pipeline
def stumbles(over: int, until: str) -> None:
    """One item of a map fails, each of which has a job."""
    step = kit_plain.stumble.options(name="stumbling", retries=1, retry_delay=0.01)
    seen = wf.map(step, kit_plain.count(2), over=over, until=until, fan_out="jobs")
    kit_plain.total(seen)
    kit_plain.say("aside")


def _gates(limit: float, colour: str, strict: bool, choice: str) -> None:
    """Gates of all kinds, steps on both sides, and what follows from a skipped step."""
    scores = kit_plain.scores()
    yes = kit_plain.flag.options(name="yes")(True)
    no = kit_plain.flag.options(name="no")(False)
    word, answer = kit_plain.word(), kit_plain.answer()
    conditions: dict[str, Any] = {
        "equal": scores["auc"] == limit,
        "unequal": scores["count"] != 3,
        "less": scores["loss"] < 0.5,
        "at_most": scores["count"] <= 3,
        "more": scores["auc"] > limit,
        "at_least": scores["auc"] >= limit,
        "both": (scores["auc"] > 0.5) & (scores["loss"] < 0.5) & yes,
        "either": (scores["auc"] > 2) | yes,
        "negated": ~(scores["auc"] > 0.5),  # pyright: ignore[reportDeprecated]
        "word": word == colour,
        "flag": yes,
        "entry": answer["ok"],
        "parameter": strict,
        "mixed": ~((answer["count"] == 3) & ((word == "red") | ~no)),  # pyright: ignore[reportDeprecated]
    }
    for name, condition in conditions.items():
        with wf.when(condition) as gate:
            then = kit_plain.say.options(name=f"{name}_then")("then")
        with gate.otherwise():
            other = kit_plain.say.options(name=f"{name}_else")("otherwise")
        if name in ("equal", "unequal"):
            kit_plain.say.options(name=f"{name}_first")(wf.first(then, other))
    with wf.when(yes):
        inside = kit_plain.say.options(name="outer")("outer")
        with wf.when(no) as inner:
            skipped = kit_plain.flag.options(name="skipped")(True)
            kit_plain.say.options(name="skipped_too")(inside)
            with wf.when(skipped) as undecided:
                kit_plain.say.options(name="undecided_then")("never")
            with undecided.otherwise():
                kit_plain.say.options(name="undecided_else")("never")
        with inner.otherwise():
            kit_plain.say.options(name="inner_else")(inside)
    with wf.when(no) as one:
        left = kit_plain.say.options(name="left")("left")
        middle = kit_plain.say.options(name="middle")(left)
    with one.otherwise(), wf.when(no):
        right = kit_plain.say.options(name="right")("right")
    kit_plain.say.options(name="neither")(wf.first(middle, right))
    # Texts have an order: of a step, of plain data, of a parameter that a step takes too.
    with wf.when((word >= "blu") & (answer["name"] < "green") & (choice < "s")) as gate:
        kit_plain.say.options(name="sorted_then")("then")
    with gate.otherwise():
        kit_plain.say.options(name="sorted_else")("otherwise")


GATES: dict[str, bool] = {
    "equal": True, "unequal": False, "less": True, "at_most": True, "more": False, "at_least": True,
    "both": True, "either": True, "negated": False, "word": True, "sorted": True, "flag": True,
    "entry": True, "parameter": True, "mixed": False,
}  # fmt: skip
"""Each gate of `plain`, and whether it opens with the default parameters."""


@wf.pipeline
def attempts(timeouts: wf.Static[bool] = True) -> None:
    """Fail in every way, and succeed in the end."""
    kit_attempts.flaky(2)
    kit_attempts.killed()
    kit_attempts.leaves()
    kit_attempts.wrong_type()
    kit_attempts.unwritable()
    kit_attempts.hidden_import()
    wf.map(kit_attempts.fragile.options(retries=1, retry_delay=0.1), [0, 1, 2, 3, 4])
    scores = kit_attempts.forgetful()
    with wf.when(scores["auc"] > 0.5):
        kit_plain.say.options(name="remembered")("remembered")
    if timeouts:
        kit_attempts.slow()


@wf.pipeline
def fails() -> None:
    """Fail for good, between two other steps and beside two more."""
    broken = kit_attempts.breaks(kit_plain.say("fine"))
    kit_plain.say.options(name="after")(broken)
    kit_plain.say.options(name="later")(kit_plain.say.options(name="aside")("aside"))


@wf.pipeline
def waiting(hold: str) -> None:
    """Wait for a file, then go on."""
    kit_plain.say.options(name="after")(kit_attempts.waits(hold))


@wf.pipeline
def cached(
    hold: str,
    source: wf.Data = wf.Data("source.txt"),
    extra: wf.Data | None = None,
    number: int = 3,
    factor: float = 0.5,
) -> None:
    """Results that may stand for later ones, each for its own reasons."""
    kit_plain.say(kit_cache.read(source, hold))
    kit_cache.maybe(extra)
    kit_cache.after_parity(kit_cache.parity(number))
    kit_cache.after_scale(kit_cache.scale(factor))
    kit_cache.dice()
    kit_cache.after_always(kit_cache.always())
    kit_coded.coded()


@wf.pipeline(trusted_types=["kit_line.Line"])
def tracked(
    hold: str,
    slope: float = 2.0,
    secret: wf.Static[bool] = True,
    requirements: wf.Static[bool] = True,
) -> None:
    """Everything that a job is given and that tracking must show."""
    look = kit_jobs.surroundings
    (look if requirements else look.options(requirements=[]))()
    if secret:
        kit_jobs.secretive()
    kit_jobs.track()
    rows = kit_tables.examples()
    fitted = kit_learning.learn(rows, slope, hold)
    wf.register(
        fitted,
        name="conformance",
        example=rows,
        metrics=kit_learning.measure(fitted, rows),
        alias="challenger",
    )


OPTIONS: dict[str, dict[str, Any]] = {
    "gpu": {"gpu": 1},
    "instances": {"instances": 2},
    "spot": {"spot": True},
    "timeouts": {"timeout": 60},
    "secrets": {"secrets": {"TOKEN": wf.secret("conformance-token")}},
    "requirements": {"requirements": ["pandas>=1"]},
    "image": {"image": "registry.example/nobody/knows:1"},
}
"""What a step may ask for, by the capability that it needs."""


@wf.pipeline
def asks(what: wf.Static[str]) -> None:
    """Ask for one thing."""
    if what == "map_jobs":
        wf.map(kit_plain.square, [1, 2], fan_out="jobs")
    elif what == "containers":
        wf.container(name="asking", image=OPTIONS["image"]["image"], command=["true"])
    else:
        kit_plain.nothing.options(name="asking", **OPTIONS[what])()


@wf.pipeline
def processes() -> None:
    """Start processes in each way, and leave some running."""
    for way in kit_processes.WAYS:
        for method in kit_processes.METHODS:
            kit_processes.by_method.options(name=f"{way}_{method}")(way, method)
    kit_processes.by_joblib()
    kit_processes.by_command()
    kit_processes.ended_at_once()
    kit_processes.reporting()
    kit_processes.names.options(name="of_thread")(kit_processes.leaves_a_thread())
    kit_processes.names.options(name="of_pools")(kit_processes.leaves_work_in_pools())
    kit_processes.leaves_processes()
    kit_processes.leaves_an_exit_handler()


@wf.pipeline
def endings() -> None:
    """End each step's first attempt in a way of its own."""
    for how in kit_processes.ENDS:
        kit_processes.ending.options(name=f"ends_{how}")(how)


@wf.pipeline
def sweeps(name: str, looking: bool = False) -> None:
    """Use MLflow in steps as a script does; look at what others have made."""
    kit_sweeps.sweep(3)
    with wf.when(looking == True) as gate:  # noqa: E712 - a symbol
        kit_sweeps.look(name)
    with gate.otherwise():
        kit_sweeps.keep(name)
