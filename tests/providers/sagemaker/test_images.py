"""AWS's image addresses against AWS's own SDK, and which Python a pipeline finds there."""

import json
from importlib import resources

import pytest
from waterflow_sagemaker import images

from tests.providers.sagemaker.builds import build, compiled, function, native_steps, pipeline
from waterflow import spec
from waterflow.errors import ConfigurationError

STEP = pipeline(function("fit"))


def test_the_accounts_are_those_of_the_sdk():
    text = resources.files("sagemaker.core").joinpath("image_uri_config/sklearn.json").read_text()
    versions = json.loads(text)["training"]["versions"]
    assert versions.keys() >= images.VERSIONS.keys()
    for version in images.VERSIONS:
        assert versions[version]["registries"] == images.ACCOUNTS


@pytest.mark.filterwarnings("ignore")  # the SDK's own, when it is imported
def test_every_address_is_the_one_that_the_sdk_gives():
    from sagemaker.core import image_uris

    for region in images.ACCOUNTS:
        for version in images.VERSIONS:
            published = image_uris.retrieve(
                "sklearn",
                region,
                version=version,
                py_version="py3",
                instance_type="ml.m5.large",
                image_scope="training",
            )
            assert images.uri(region, version) == published


def test_the_newest_with_this_python():
    assert images.for_python("us-east-1", "3.12").endswith(":1.9-0-cpu-py3")
    assert images.for_python("us-east-1", "3.10").endswith(":1.4-2-cpu-py3")
    assert images.for_python("us-east-1", "3.9").endswith(":1.2-1-cpu-py3")


def test_a_python_that_no_image_has():
    with pytest.raises(ConfigurationError) as raised:
        compiled(STEP, build_options={"python": "3.11"})
    assert "have Python 3.9, 3.10, 3.12, and this environment is Python 3.11" in str(raised.value)
    assert 'image = "...", python = "3.11"' in str(raised.value)


def test_a_region_without_images():
    with pytest.raises(ConfigurationError, match="no scikit-learn image in region 'eu-nowhere-1'"):
        images.uri("eu-nowhere-1", "1.9-0")


@pytest.mark.parametrize(
    ("step", "settings", "image", "python"),
    [
        ({}, {"image": "own:1", "python": "3.12"}, "own:1", "3.12"),
        ({"environment": spec.Environment(image="its:1")}, {"python": "3.12"}, "its:1", "3.12"),
        ({}, {"steps": {"fit": {"image": "step:1", "python": "3.12"}}}, "step:1", "3.12"),
    ],
)
def test_an_image_of_ones_own(step, settings, image, python):
    document = compiled(pipeline(function("fit", **step)), settings)
    uri = native_steps(document)["fit"]["Arguments"]["AppSpecification"]["ImageUri"]
    assert uri == image
    assert document.control["fit"].launch["python"] == python
    assert f"where '{image}' is not" in document.jobs[0].notes[0]


def test_an_image_with_another_python():
    with pytest.raises(ConfigurationError) as raised:
        compiled(STEP, {"image": "own:1", "python": "3.10"})
    assert "'own:1' with Python 3.10, and this environment is Python 3.12" in str(raised.value)


def test_an_image_whose_python_nobody_says():
    graph = pipeline(function("fit", environment=spec.Environment(image="its:1")))
    with pytest.raises(ConfigurationError, match=r'steps.fit\] python = "3.12"'):
        compiled(build(graph))


def test_a_name_that_is_no_image():
    graph = pipeline(function("fit", environment=spec.Environment(image="a b")))
    with pytest.raises(ConfigurationError, match="'a b' cannot name an image"):
        compiled(graph, {"python": "3.12"})
