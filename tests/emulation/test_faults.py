"""How faults are written, and that a seed makes them repeat."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterflow.emulation.faults import FaultRules, Faults
from waterflow.errors import ConfigurationError
from waterflow.provider.emulators import FAULTS

RULES = FaultRules(
    services=frozenset({"jobs"}), step=re.compile(r"run-[a-z]{4}-(?P<step>.+)-[a-z]{2}")
)


@given(st.text(alphabet="abcdehilorst=:,.0123456789*-", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        faults = Faults.parse(text, RULES)
    except ConfigurationError:
        return
    assert all(0 <= share <= 1 for share in faults.shares.values())


@given(seed=st.integers(0, 1000), share=st.floats(0, 1))
def test_a_seed_fixes_what_each_operation_meets(seed, share):
    one, other = (Faults.parse(f"throttle={share!r},seed={seed}", RULES) for _ in range(2))
    first = [one.request("throttle", "jobs", "A") for _ in range(20)]
    second = []
    for _ in range(20):
        second.append(other.request("throttle", "jobs", "A"))
        other.request("throttle", "jobs", "B")
    assert first == second


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_that_is_told_of_can_be_written(name):
    values = {"fail": "train*", "spot": "2", "seed": "7"}
    counted = ("capacity", "limit", "internal", "image")
    value = values.get(name, "train*:2" if name in counted else "0.5")
    Faults.parse(f"{name}={value}", RULES)


def test_an_emulator_without_a_fault_refuses_it():
    rules = FaultRules(known=("throttle", "seed"))
    with pytest.raises(ConfigurationError, match="no fault 'spot'; there are: throttle, seed"):
        Faults.parse("spot=1", rules)


def test_a_fault_of_no_service_spares_those_that_are_not_named():
    faults = Faults.parse("throttle=1,error503:store=1,lost:Copy=1", RULES)
    assert faults.request("throttle", "jobs", "Any")
    assert not faults.request("throttle", "store", "Any")
    assert faults.request("error503", "store", "Any")
    assert not faults.request("error503", "jobs", "Any")
    assert faults.request("lost", "store", "Copy")
    assert Faults.parse("throttle=1", FaultRules()).request("throttle", "store", "Any")


def test_attempts_at_one_step_are_counted_together():
    faults = Faults.parse("capacity=fit*:1,fail=fit_all", RULES)
    attempts = ["run-aaaa-fit-all-xx", "run-aaaa-fit-all-yy", "run-bbbb-fit-all-xx"]
    assert [faults.attempt("capacity", job) for job in attempts] == [True, False, True]
    assert not faults.attempt("capacity", "other")
    assert faults.fails("run-aaaa-fit-all-xx")
    assert not faults.fails("run-aaaa-fit-xx")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thottle=1", "there is no fault 'thottle'; there are: throttle"),
        ("throttle", "a value is missing"),
        ("throttle=", "a value is missing"),
        ("throttle=2", "is not a number from 0 to 1"),
        ("throttle=often", "is not a number"),
        ("spot=1.5", "is not a whole number"),
        ("spot=inf", "is not a whole number"),
        ("spot:train=1", "'spot' cannot be restricted"),
        ("capacity=train", "write the name and how many attempts: capacity=NAME:1"),
        ("capacity=train:0", "write the name and how many"),
        ("capacity=train:²", "write the name and how many"),
        ("seed=x", "is not a number"),
        ("lost=nan", "is not a number"),
    ],
)
def test_a_wrong_fault_is_one_clear_error(text, said):
    with pytest.raises(ConfigurationError, match="--fault") as caught:
        Faults.parse(text, RULES)
    assert said in str(caught.value)
