"""A process of an attempt's own looks for no garbage in its libraries; another is left alone."""

from __future__ import annotations

import gc

import pytest

from waterflow.runtime.completion import Ending


@pytest.mark.parametrize("alone", [True, False], ids=["of its own", "of another's"])
def test_only_a_process_of_its_own_keeps_what_is_there(alone):
    frozen, kept = gc.get_freeze_count(), [[] for _ in range(100)]
    Ending(alone=alone).keep_libraries()
    assert (gc.get_freeze_count() >= frozen + len(kept)) is alone
