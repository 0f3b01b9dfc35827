"""What a provider cannot honour is refused, with the setting as it was written and a way out."""

from __future__ import annotations

from typing import Any

import pytest

from waterflow import spec
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.provider import Capabilities
from waterflow.provider.capabilities import check_capabilities, unsupported
from waterflow.spec.parameters import check_length

FUNCTION = spec.Function("steps", "train")
GPU = spec.Resources(gpu=spec.Gpu(2))
SECRET = spec.Environment(secrets={"TOKEN": "api-token"})

ASKED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a container step", {"run": spec.Container("alpine:3", ("true",))}, {"containers": True}),
    ("image=", {"environment": spec.Environment(image="alpine:3")},
     {"images": frozenset({"alpine:3"})}),
    ('fan_out="jobs"', {"run": spec.Function("s", "f", over="x", fan_out="jobs")},
     {"map_jobs": True}),
    ("gpu=2", {"resources": GPU}, {"gpu": True}),
    ("instances=3", {"resources": spec.Resources(instances=3)}, {"instances": 3}),
    ("spot=True", {"resources": spec.Resources(spot=True)}, {"spot": True}),
    ("timeout=60s", {"timeout": 60.0}, {"timeouts": True}),
    ("secrets", {"environment": SECRET}, {"secrets": True}),
    ("requirements", {"environment": spec.Environment(requirements=("x",))},
     {"requirements": True}),
]  # fmt: skip


def pipeline(**settings: Any) -> spec.Pipeline:
    step = spec.Step(**{"name": "train", "run": FUNCTION, **settings})
    return spec.Pipeline("p", steps=(step,))


@pytest.mark.parametrize(("feature", "settings", "can"), ASKED)
def test_a_setting_is_refused_or_honoured(
    feature: str, settings: dict[str, Any], can: dict[str, Any]
) -> None:
    document = pipeline(**settings)
    with pytest.raises(UnsupportedFeatureError) as caught:
        check_capabilities(document, "stub", Capabilities())
    assert feature in str(caught.value)
    assert "Step 'train': provider 'stub' cannot honour" in str(caught.value)
    assert caught.value.alternative
    check_capabilities(document, "stub", Capabilities(**can))


def test_disk_is_measured() -> None:
    document = pipeline(resources=spec.Resources(disk=2**30))
    check_capabilities(document, "stub", Capabilities(disk=2**30))
    with pytest.raises(UnsupportedFeatureError, match="It has 1 MiB"):
        check_capabilities(document, "stub", Capabilities(disk=2**20))


def test_all_that_is_refused_is_told_at_once() -> None:
    document = pipeline(resources=spec.Resources(gpu=spec.Gpu(), spot=True), timeout=1.0)
    features = [error.feature for error in unsupported(document, "stub", Capabilities())]
    assert features == ["gpu=1", "spot=True", "timeout=1s"]


def test_a_plain_step_asks_for_nothing() -> None:
    assert list(unsupported(pipeline(), "stub", Capabilities())) == []


def test_a_parameter_may_be_no_longer_than_the_provider_carries() -> None:
    check_length("p", {"text": "x" * 8}, 10, "stub")
    check_length("p", {"text": "x" * 8000}, None, "stub")
    with pytest.raises(DefinitionError, match="'text' has 11 characters; provider 'stub'"):
        check_length("p", {"text": "x" * 9}, 10, "stub")
