"""Planted mistakes: which of them a preview tells, and which layer tells it."""

from pathlib import Path

from suites.mistakes import MistakesSuite


class TestAws(MistakesSuite):
    PROGRAM = Path(__file__).parent / "stacks" / "mistakes"
    COUNTED = "planted mistakes"

    # By mistake: the layer that tells it, and words of the message. The last ones nothing tells.
    CAUGHT = {
        "unknown_argument": ("sdk", "unexpected keyword argument 'buckett'"),
        "missing_argument": ("sdk", "Missing required property 'versioning_configuration'"),
        "unknown_class": ("sdk", "has no attribute 'Buckett'"),
        "wrong_type": (
            "schema",
            "retentionInDays: expected a value of type integer, not string 'thirty'",
        ),
        "text_for_list": ("schema", "vpcSecurityGroupIds: expected a list"),
        "misspelt_inside": ("schema", "imageScanningConfiguration.scan_on_pull: there is no such"),
        "missing_inside": ("schema", "versioningConfiguration.status: this property is required"),
        "bad_enum": ("schema", "instanceType: 't3.mirco' is none of a1.2xlarge"),
        "bad_value": ("schema", "imageTagMutability: 'IMMUTABEL' is none of the documented values"),
        "unknown_type": ("schema", "no resource type aws:s3/buckett:Buckett"),
        "no_region": ("schema", "region: the provider needs it: pulumi config set aws:region"),
        "duplicate_name": ("engine", "Duplicate resource URN"),
        "missing_parent": ("engine", "pass ResourceOptions(parent=self)"),
        "output_in_text": ("engine", "alarmDescription: an output stands in a text"),
        "secret_in_output": ("engine", "output secret_in_output shows the plain text of a secret"),
        "secret_in_environment": ("engine", "environment.BACKEND_STORE shows the plain text"),
        "literal_secret": ("policy", "DB_PASSWORD holds a secret as plain text"),
        "public_bucket": ("policy", "blockPublicPolicy has to be True"),
        "starred_permissions": ("policy", "action 's3:*' holds a star"),
        "trust_of_all": ("policy", "may assume it without a condition"),
        "no_rotation": ("policy", "enableKeyRotation is not true"),
        "open_group": ("policy", "cidrIpv4 lets 0.0.0.0/0 in"),
    }
    MISSED = {
        "overlapping_subnets": "AWS alone knows which networks a VPC has",
        "role_for_key": "to the SDK one ARN is as good as another",
    }

    def test_the_table_holds_as_many_as_ever(self) -> None:
        assert len(self.CAUGHT) >= 21
        assert len(self.CAUGHT) + len(self.MISSED) == 24
