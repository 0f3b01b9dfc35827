"""Cron: what is refused and why, and what is meant."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

import waterflow as wf
from tests.unit import example_steps as steps
from waterflow.errors import DefinitionError
from waterflow.language import cron

WRONG = [
    ("0 3 * * XYZ", "'XYZ' is no day of week (0 to 7, both Sunday, or SUN to SAT)"),
    ("0 3 * XYZ *", "'XYZ' is no month (1 to 12, or JAN to DEC)"),
    ("mon * * * *", "'MON' is no minute (0 to 59)"),
    ("0 0 * mon *", "'MON' is no month"),
    ("0 0 mon * *", "'MON' is no day of month (1 to 31)"),
    ("*/0 * * * *", "'*/0' has a step of 0"),
    ("* 1-5/0 * * *", "'1-5/0' has a step of 0"),
    ("5-1 * * * *", "'5-1' goes backwards: write it as two parts"),
    ("0 22-2 * * *", "'22-2' goes backwards"),
    ("0 0 * * fri-mon", "'FRI-MON' goes backwards"),
    ("0 0 31 2 *", "that day never comes"),
    ("0 0 30,31 FEB *", "that day never comes"),
    ("0 0 31 4,6,9,11 */2", "that day never comes"),
    ("@daily", "it has 1 field."),
    ("@every 1h", "it has 2 fields"),
    ("", "it has 0 fields"),
    ("0 3 * *", "it has 4 fields"),
    ("0 0 3 * * 1", "it has 6 fields"),
    ("0 3 ? * 1", "'?' is no day of month"),
    ("60 * * * *", "'60' is no minute"),
    ("0 24 * * *", "'24' is no hour (0 to 23)"),
    ("0 0 0 * *", "'0' is no day of month"),
    ("0 0 32 * *", "'32' is no day of month"),
    ("0 0 * 13 *", "'13' is no month"),
    ("0 0 * * 8", "'8' is no day of week"),
    ("-1 * * * *", "'-1' is no minute"),
    ("*-5 * * * *", "'*-5' is no minute"),
    ("*/x * * * *", "'*/X' is no minute"),
    ("*/ * * * *", "'*/' is no minute"),
    ("1/2/3 * * * *", "'1/2/3' is no minute"),
    ("1,,2 * * * *", "'' is no minute"),
    ("\u0661 * * * *", "is no minute"),
    ("0 0 L * *", "'L' is no day of month"),
    ("0 0 LW * *", "'LW' is no day of month"),
    ("0 0 * * 5L", "'5L' is no day of week"),
    ("0 0 * * MON#2", "'MON#2' is no day of week"),
]


def scheduled() -> None:
    steps.add(1)


@pytest.mark.parametrize(("schedule", "why"), WRONG)
def test_what_is_no_cron_expression_is_refused_where_a_pipeline_is_defined(
    schedule: str, why: str
) -> None:
    with pytest.raises(DefinitionError, match="no cron expression") as raised:
        wf.pipeline(schedule=schedule)(scheduled)
    assert why in str(raised.value)
    assert f"schedule={schedule!r}" in str(raised.value)
    assert "test_cron.py:" in str(raised.value)


@pytest.mark.parametrize(
    ("schedule", "field", "values"),
    [
        ("0 0 * * 0", "weekdays", {0}),
        ("0 0 * * 7", "weekdays", {0}),
        ("0 0 * * sun", "weekdays", {0}),
        ("0 0 * * 5-7", "weekdays", {5, 6, 0}),
        ("0 0 * * */2", "weekdays", {0, 2, 4, 6}),
        ("0 0 * * mon-fri/2", "weekdays", {1, 3, 5}),
        ("0 0 * JAN,apr,Jul-Sep *", "months", {1, 4, 7, 8, 9}),
        ("50/5 * * * *", "minutes", {50, 55}),
        ("*/25 * * * *", "minutes", {0, 25, 50}),
    ],
)
def test_what_an_expression_means(schedule: str, field: str, values: set[int]) -> None:
    assert getattr(cron.read(schedule), field) == values


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        # Debian: both where a day field begins with *, otherwise one of them suffices.
        ("0 0 13 * 5", [2, 9, 13, 16, 23, 30]),
        ("0 0 */13 * 5", []),
        ("0 0 */3 * 5", [16]),
        ("0 0 13 * */5", []),
        ("0 0 13 * *", [13]),
    ],
)
def test_how_the_two_day_fields_go_together(schedule: str, days: list[int]) -> None:
    meaning = cron.read(schedule)
    enough = all if meaning.both else any
    january = [date(2026, 1, day) for day in range(1, 32)]
    assert [
        day.day
        for day in january
        if enough((day.day in meaning.days, day.isoweekday() % 7 in meaning.weekdays))
    ] == days


def five_fields() -> st.SearchStrategy[str]:
    """Return expressions that say only what some day matches, or none in February."""

    def field(low: int, high: int) -> st.SearchStrategy[str]:
        number = st.integers(low, high)
        step = st.integers(1, high + 3)
        spans = st.tuples(number, number).map(sorted)
        part = st.one_of(
            st.just("*"),
            number.map(str),
            step.map(lambda n: f"*/{n}"),
            spans.map(lambda ab: f"{ab[0]}-{ab[1]}"),
            st.tuples(spans, step).map(lambda one: f"{one[0][0]}-{one[0][1]}/{one[1]}"),
            st.tuples(number, step).map(lambda ab: f"{ab[0]}/{ab[1]}"),
        )
        return st.lists(part, min_size=1, max_size=3).map(",".join)

    return st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(
        " ".join
    )


@given(five_fields(), st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001
def test_whatever_is_accepted_has_a_next_time(schedule: str, moment: datetime) -> None:
    try:
        meaning = cron.read(schedule)
    except DefinitionError as error:
        assert "never comes" in str(error)  # noqa: PT017 - all else that is drawn can be read
        return
    coming = next(CronSim(schedule, moment.replace(tzinfo=UTC)))
    assert coming > moment.replace(tzinfo=UTC)
    assert coming.minute in meaning.minutes
    assert coming.hour in meaning.hours
    assert coming.month in meaning.months
    matches = coming.day in meaning.days, coming.isoweekday() % 7 in meaning.weekdays
    assert all(matches) if meaning.both else any(matches)


@given(
    st.text(max_size=20)
    | st.lists(st.text("*/-,0123456789LWSUNMOJA#", max_size=6), min_size=5, max_size=5).map(
        " ".join
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        cron.read(text)
    except DefinitionError as error:
        assert "no cron expression" in str(error)  # noqa: PT017 - both ends are right


def test_inside_a_job_nothing_checks_as_there_is_nothing_to_check_with() -> None:
    program = (
        "import sys; sys.modules['cronsim'] = None\n"
        "from waterflow.language.cron import check_schedule\n"
        "check_schedule('0 3 * * 1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
