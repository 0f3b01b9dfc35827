"""What a report tells of a run: typed, and without a word about how it looks."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from waterflow import spec  # noqa: TC001 - msgspec reads the annotations
from waterflow.provider.state import Status  # noqa: TC001 - as above


class Output(Struct, frozen=True, kw_only=True):
    """One output of a step.

    Attributes:
        name: The output's name.
        type: The artifact's type.
        size: Bytes.
        sha256: Its digest; None for a skipped one.
        uri: Where it is.
        value: A short plain value, as JSON text; None for anything else.
    """

    name: str
    type: str
    size: int
    sha256: str | None
    uri: str
    value: str | None = None


class Bill(Struct, frozen=True, kw_only=True):
    """What the service bills, by its own records of the jobs.

    Attributes:
        seconds: Machine time.
        cost: US dollars for it, but for `unpriced`; None where no price is known.
        unpriced: Those of the seconds for which no price is known, as spot machines have none.
    """

    seconds: float
    cost: float | None
    unpriced: float = 0.0


class MlflowRun(Struct, frozen=True, kw_only=True):
    """A run, or a step run, as MLflow knows it.

    Attributes:
        run: Its id there.
        url: Its page; None where it has no lasting address.
    """

    run: str
    url: str | None


class Step(Struct, frozen=True, kw_only=True):
    """A step run.

    Attributes:
        name: The step.
        label: What its call was given, `train(c=0.1)`; its name where there is no more to say.
        family: What it has in common with the steps that run the same: the function's name.
        status: What it is.
        attempt: The attempt under way or last made; 0 before the first.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        error: Why it failed.
        detail: The user's own traceback.
        reason: Why it was skipped.
        why: Why it ran, and no earlier result stood for it.
        origin: For a cached one the run that did the work.
        items: Of a map, how far it has come, in words.
        job: The native job's id.
        url: Its page in the console.
        machine: What it runs on, where that is known.
        image: The image that it runs in, where there is one.
        cost: US dollars, estimated from the machine's price and the step's time.
        bill: What the service bills; None where it does not tell, or before the run's end.
        mlflow: Its run in MLflow; None where it is not known.
        inputs: Argument -> where its value comes from.
        outputs: What it made.
        log: The last lines of a failed step's log.
        omitted: Lines of the log before those.
    """

    name: str
    label: str
    family: str
    status: Status
    attempt: int = 0
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    detail: str | None = None
    reason: str | None = None
    why: tuple[str, ...] = ()
    origin: str | None = None
    items: str = ""
    job: str | None = None
    url: str | None = None
    machine: str = ""
    image: str = ""
    cost: float | None = None
    bill: Bill | None = None
    mlflow: MlflowRun | None = None
    inputs: dict[str, str] = {}
    outputs: tuple[Output, ...] = ()
    log: tuple[str, ...] = ()
    omitted: int = 0


class Condition(Struct, frozen=True, kw_only=True):
    """A gate, as it was decided.

    Attributes:
        name: The gate's name.
        text: The condition.
        values: The condition with its values; None where they are not known.
        answer: Whether it held; None where it has no answer, or none yet.
        then: The steps that run when it holds.
        otherwise: The steps that run when it does not.
    """

    name: str
    text: str
    values: str | None
    answer: bool | None
    then: tuple[str, ...]
    otherwise: tuple[str, ...]


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter of the pipeline.

    Attributes:
        name: Its name.
        value: Its value in this run, as JSON text; None where it is not known.
        default: Its default as JSON text; None where it has none.
        hidden: Whether the value is left out, as its name says that it is a secret.
    """

    name: str
    value: str | None
    default: str | None
    hidden: bool = False


class Series(Struct, frozen=True, kw_only=True):
    """The values of a metric that a step has logged, or its only one.

    Attributes:
        key: The metric's name.
        value: The last value; None for one that is no finite number.
        points: Training step and value, where there are several; at most 200.
    """

    key: str
    value: float | None
    points: tuple[tuple[int, float], ...] = ()


class Metrics(Struct, frozen=True, kw_only=True):
    """Metrics of one step: returned ones, or logged ones.

    Attributes:
        source: "step", or "step.output" where a step has several outputs.
        step: The step.
        series: The metrics.
    """

    source: str
    step: str
    series: tuple[Series, ...]


class Candidate(Struct, frozen=True, kw_only=True):
    """One of several results that are compared.

    Attributes:
        label: The step, or the number of the item.
        step: The step that made it.
        cells: Column -> value.
    """

    label: str
    step: str
    cells: dict[str, Any]


class Comparison(Struct, frozen=True, kw_only=True):
    """Candidates side by side.

    Attributes:
        title: What they are: the function, or the output.
        settings: The columns that tell how they differ in what they were given.
        metrics: The columns that tell how they did.
        candidates: The candidates.
    """

    title: str
    settings: tuple[str, ...]
    metrics: tuple[str, ...]
    candidates: tuple[Candidate, ...]


class Figure(Struct, frozen=True, kw_only=True):
    """A picture that a step returned.

    Attributes:
        step: The step.
        output: The output's name.
        png: Its bytes; None where the page would become too large.
        width: Pixels.
        height: Pixels.
    """

    step: str
    output: str
    png: bytes | None
    width: int = 0
    height: int = 0


class Table(Struct, frozen=True, kw_only=True):
    """The head of a table that a step returned.

    Attributes:
        step: The step.
        output: The output's name.
        columns: The names of the columns that are shown.
        cells: The first rows, as text.
        rows: All rows.
        width: All columns.
    """

    step: str
    output: str
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: int
    width: int


class Fact(Struct, frozen=True, kw_only=True):
    """One line of the lineage.

    Attributes:
        name: What it tells of.
        value: What it tells.
        code: Whether that is an identifier, or something to type.
    """

    name: str
    value: str
    code: bool = False


class Model(Struct, frozen=True, kw_only=True):
    """A model version that the run registered.

    Attributes:
        name: The model's name in the registry.
        version: Its version.
        uri: How to load it.
    """

    name: str
    version: str
    uri: str


class Report(Struct, frozen=True, kw_only=True):
    """All that a report tells of a run.

    Attributes:
        run: The run's id.
        status: What it is.
        pipeline: The spec that it runs; None where it is not kept.
        name: The pipeline's name.
        started: Milliseconds since the epoch.
        ended: Milliseconds since the epoch.
        now: Milliseconds since the epoch, when this was gathered.
        error: Why it failed, when that is no step's fault alone.
        url: Its page in the console.
        tracking: The address of MLflow.
        mlflow: The run in MLflow; None where it is not known.
        mlflow_command: What opens MLflow's pages, where no server shows them.
        experiment: MLflow's experiment.
        provider: The provider's name.
        profile: The profile's name.
        steps: The step runs, in the pipeline's order.
        conditions: The gates.
        parameters: The parameters.
        metrics: Metrics that steps returned.
        logged: Metrics that steps logged on their way.
        comparisons: Candidates side by side.
        figures: Pictures.
        tables: Tables.
        models: Model versions that the run registered.
        lineage: Where it comes from.
        patch: How its code differs from its commit; "" where it does not.
        cost: US dollars, estimated; None where no machine has a price.
        bill: What the service bills for all jobs, those that are no step's too; None where it does
            not tell, or before the run's end.
        missing: What could not be read, in words.
    """

    run: str
    status: Status
    pipeline: spec.Pipeline | None
    name: str
    now: int
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    url: str | None = None
    tracking: str | None = None
    mlflow: MlflowRun | None = None
    mlflow_command: str = ""
    experiment: str = ""
    provider: str = ""
    profile: str = ""
    steps: tuple[Step, ...] = ()
    conditions: tuple[Condition, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    metrics: tuple[Metrics, ...] = ()
    logged: tuple[Metrics, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    models: tuple[Model, ...] = ()
    lineage: tuple[Fact, ...] = ()
    patch: str = ""
    cost: float | None = None
    bill: Bill | None = None
    missing: tuple[str, ...] = ()
