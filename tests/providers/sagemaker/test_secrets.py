"""Secrets of Secrets Manager, as jobs read them."""

from __future__ import annotations

import pytest
from waterflow_sagemaker.job import secrets


def test_a_secret_that_is_no_text_is_told(aws, emulator, monkeypatch):
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    vault, (text, other) = aws("secretsmanager"), (aws.name("text"), aws.name("bytes"))
    vault.create_secret(Name=text, SecretString="a ✓")
    vault.create_secret(Name=other, SecretBinary=b"\xff\x00")
    assert secrets.read(text) == "a ✓"
    with pytest.raises(RuntimeError, match=f"the secret '{other}' is no text"):
        secrets.read(other)
