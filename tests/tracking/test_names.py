"""Names: what MLflow takes, held against MLflow's own checks; no two become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from waterflow.tracking.names import (
    ALIAS_LIMIT,
    KEY_LIMIT,
    MODEL_LIMIT,
    alias_mistake,
    model_name_mistake,
    valid_key,
)

KEYS = (
    "auc", "val/auc", "a b", "a:b", "a.b", "ünï", "a@b", "a#b", "a_b", "a%b", "a(b)", "a[b]",
    "a\nb", "a\tb", "", ".", "..", "...", "/a", "a/", "a//b", "a/./b", "a/../b", "../a", "..a",
    "._", "_", "__", "/", "//", "p@5", "p@10", "p_5", "p_10", "f1 (macro)", "f1 [macro]",
    "f1 {macro}", "loss=0.1", "loss>0.1", "k" * 250, "k" * 251, "k" * 252, "k" * 250 + "/",
    "@" * 251, "é" * 251,
)  # fmt: skip

MODELS = (
    "fraud", "team.fraud", "a b", "a@b", "ünï", "v1", "latest", "..a", "a/b", "/a", "a:b", "", " ",
    "\t", ".", "..", "a.", "a..", "%", "'", '"', "x" * 256,
)  # fmt: skip

ALIASES = (
    "champion", "Champion-2", "a_b", "ünï", "v", "vv1", "v1a", "version1", "1", "v3", "V3", "v0",
    "latest", "Latest", "LATEST", "latest-1", "", " ", "a b", "a/b", "a.b", "a:b", "a@b", "x" * 255,
    "x" * 256,
)  # fmt: skip


def refuses(*checks, value):
    """Say whether one of MLflow's own checks refuses a value."""
    try:
        for check in checks:
            check(value)
    except MlflowException:
        return True
    return False


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_each_key_becomes_one_that_mlflow_takes(key):
    valid = valid_key(key)
    assert len(valid) <= KEY_LIMIT
    for check in (
        validation._validate_metric_name,
        validation._validate_param_name,
        validation._validate_tag_name,
    ):
        check(valid)
    assert valid_key(valid) == valid
    if len(key) <= KEY_LIMIT and not refuses(validation._validate_metric_name, value=key):
        assert valid == key, "what MLflow takes stays as it is"


def test_no_two_keys_become_one():
    keys = {}
    for key in KEYS:
        keys.setdefault(valid_key(key), []).append(key)
    assert [same for same in keys.values() if len(same) > 1] == []


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_no_two_texts_become_one(texts):
    keys = [valid_key(text) for text in texts]
    assert len(set(keys)) == len(texts)
    for key in keys:
        validation._validate_metric_name(key)


@pytest.mark.parametrize("name", MODELS, ids=repr)
def test_names_of_models_are_those_of_mlflows_registry(name):
    refused = refuses(validation._validate_model_name, value=name)
    assert (model_name_mistake(name) is not None) is refused


def test_a_models_name_fits_mlflows_column():
    from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModel

    assert SqlRegisteredModel.__table__.c.name.type.length == MODEL_LIMIT
    assert "256" in (model_name_mistake("x" * 257) or "")


@pytest.mark.parametrize("alias", ALIASES, ids=repr)
def test_aliases_are_those_of_mlflows_registry(alias):
    checks = (validation._validate_model_alias_name, validation._validate_model_alias_name_reserved)
    assert (alias_mistake(alias) is not None) is refuses(*checks, value=alias)
    assert validation.MAX_REGISTERED_MODEL_ALIAS_LENGTH == ALIAS_LIMIT
