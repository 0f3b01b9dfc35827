"""Mistakes planted on Google Cloud: which of them a preview tells, and which layer tells it."""

from pathlib import Path

from suites.mistakes import MistakesSuite


class TestGoogle(MistakesSuite):
    PROGRAM = Path(__file__).parent / "stacks" / "gcp_mistakes"
    ZONE = Path(__file__).parents[2] / "gcp"
    COUNTED = "that are Google's own"

    # By mistake: the layer that tells it, and words of the message. The last ones nothing tells.
    CAUGHT = {
        "unknown_argument": ("sdk", "unexpected keyword argument 'uniform_access'"),
        "missing_argument": ("sdk", "Missing required property 'role'"),
        "wrong_type": ("schema", "retentionDays: expected a value of type integer, not string"),
        "text_for_list": ("schema", "permissions: expected a list"),
        "misspelt_inside": ("schema", "condition.age_days: there is no such property"),
        "missing_inside": ("schema", "lifecycleRules[0].condition: this property is required"),
        "undocumented_value": ("schema", "mode: 'STANDARD' is none of the documented values"),
        "duplicate_name": ("engine", "Duplicate resource URN"),
        "public_bucket": ("policy", "publicAccessPrevention has to be 'enforced'"),
        "lists_of_access": ("policy", "uniformBucketLevelAccess has to be True"),
        "everybody_reads": ("policy", "allUsers may read it"),
        "kept_for_ever": ("policy", "lifecycleRules is not set"),
        "editor": ("policy", "it gives roles/editor"),
        "starred_role": ("policy", "permission 'aiplatform.*' holds a star"),
        "every_repository": ("policy", "attributeCondition is not set"),
        "whole_pool": ("policy", "is all of the pool"),
        "account_key": ("policy", "it is a key that lasts"),
        "old_key": ("policy", "rotationPeriod is not set"),
        "plain_database": ("policy", "sslMode is not ENCRYPTED_ONLY"),
        "open_database": ("policy", "value lets 0.0.0.0/0 in"),
        "open_firewall": ("policy", "sourceRanges lets 0.0.0.0/0 in"),
        "everybody_calls": ("policy", "allUsers may call it"),
        "waiting_gpus": ("policy", "minNodeCount is 1: GPU machines would run"),
        "password_in_environment": ("policy", "holds a secret as plain text"),
        "no_labels": ("policy", "labels lack stack, environment"),
    }
    MISSED = {
        "capitals": "to the SDK one text is as good as another for a bucket's name",
        "other_region": "Google alone knows that a key is of the region of what it encrypts",
    }
