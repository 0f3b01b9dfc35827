"""The settings of a SageMaker profile: what they may be, and what must hold between them."""

import pytest
from waterflow_sagemaker.profile import SageMakerSettings

from tests.providers.sagemaker.builds import compiled, function, pipeline, profile
from waterflow.errors import ConfigurationError

OTHER = "arn:aws:iam::123456789012:role/other"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"role": "waterflow"}, 'role = "waterflow" is no ARN of a role'),
        ({"scheduler_role": "x"}, 'scheduler_role = "x" is no ARN'),
        ({"region": "Frankfurt"}, "is no AWS region"),
        ({"region": "xx-nowhere-1"}, "has no scikit-learn image of AWS. Name your own"),
        ({"bucket": "s3://my-bucket"}, "write it without s3://"),
        ({"prefix": "/a"}, 'prefix = "/a" cannot begin keys'),
        ({"image": "own:1"}, "needs its Python beside it"),
        ({"python": "3"}, "is no Python version"),
        ({"subnets": ["subnet-1"]}, "subnets needs security_groups beside it"),
        ({"security_groups": ["sg-1"]}, "security_groups needs subnets beside it"),
        ({"subnets": ["s"] * 17, "security_groups": ["g"]}, "subnets names 17"),
        ({"kms_key": "a key"}, "is no key id, alias or ARN"),
        ({"volume_size": 0}, "volume_size = 0 is outside 1 to 16384"),
        ({"machines": ["m5.large"]}, 'machines names "m5.large", which is not known'),
        ({"tags": {"aws:x": "1"}}, 'tags."aws:x" is no tag'),
        ({"tags": {"a": "x" * 257}}, "a value has at most 256"),
        ({"tags": {f"k{n}": "v" for n in range(46)}}, "tags has 46 entries"),
        ({"parallel": 0}, "parallel = 0 is too small"),
        ({"cache_days": 0}, "cache_days = 0 is too small"),
        ({"poll": 0}, "poll = 0 must be above 0"),
        ({"steps": {"fit": {"machine": "x"}}}, 'machine = "x" is not known'),
        ({"steps": {"fit": {"role": "x"}}}, 'role = "x" is no ARN'),
        ({"steps": {"fit": {"memory": 1}}}, "there is no setting `memory`"),
        ({"libraries": "pip"}, "'pip'"),
        ({"colour": "red"}, "no setting 'colour'"),
    ],
)
def test_what_does_not_fit(settings, said):
    with pytest.raises(ConfigurationError) as raised:
        profile(settings).convert(SageMakerSettings)
    assert said in str(raised.value)
    assert "waterflow.toml, profile 'aws'" in str(raised.value)


def test_what_must_be_there():
    chosen = profile()
    del chosen.settings["role"]
    with pytest.raises(ConfigurationError, match="role"):
        chosen.convert(SageMakerSettings)


def test_settings_of_a_step_that_is_not_there():
    with pytest.raises(ConfigurationError) as raised:
        compiled(pipeline(function("fit")), {"steps": {"fitt": {"role": OTHER}}})
    assert "[profiles.aws.steps.fitt] names no step of pipeline 'a_pipeline'" in str(raised.value)
    assert "which has: fit." in str(raised.value)


def test_settings_of_another_pipelines_step_are_left_alone():
    settings = {
        "steps": {"other.fitt": {"role": OTHER}, "a_pipeline.fit": {"machine": "ml.m5.large"}}
    }
    document = compiled(pipeline(function("fit")), settings)
    assert document.jobs[0].machine == "ml.m5.large"
