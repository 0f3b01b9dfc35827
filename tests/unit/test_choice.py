"""What `wf.first` has chosen, as what tells whether a step does the same in two executions."""

import pytest

from waterflow.cloud.fingerprint import NEW, SKIPPED, Fingerprint, NativeExpression, Side, same

CHOICE = NativeExpression("first of a and b", choice=("a", "b"))

CASES = [
    # Jobs of the run to come, of the one before, whether the step does the same, whether it reads
    # what is yet to be made.
    ({"a": "1", "b": SKIPPED}, {"a": "1", "b": SKIPPED}, True, False),
    ({"a": "1", "b": "9"}, {"a": "1", "b": "8"}, True, False),  # what was not chosen is not read
    ({"a": "2", "b": SKIPPED}, {"a": "1", "b": SKIPPED}, False, False),
    ({"a": SKIPPED, "b": "2"}, {"a": "1", "b": SKIPPED}, False, False),
    ({"a": SKIPPED, "b": "2"}, {"a": SKIPPED, "b": "2"}, True, False),
    ({"a": SKIPPED, "b": SKIPPED}, {"a": SKIPPED, "b": SKIPPED}, True, False),
    ({"a": NEW, "b": SKIPPED}, {"a": "1", "b": SKIPPED}, False, True),
    ({"a": "1", "b": NEW}, {"a": "1", "b": SKIPPED}, True, False),
    ({"b": "2"}, {"a": SKIPPED, "b": "2"}, None, False),
    ({"a": "1", "b": SKIPPED}, {"b": SKIPPED}, None, False),
]


@pytest.mark.parametrize(("new", "old", "alike", "reads_new"), CASES)
def test_only_the_step_that_was_chosen_counts(new, old, alike, reads_new):
    assert same(CHOICE, Side({}, new), CHOICE, Side({}, old)) is alike
    assert Fingerprint({"artifacts": {"x": CHOICE}}).reads_new(new) is reads_new
