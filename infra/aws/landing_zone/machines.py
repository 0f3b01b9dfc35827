"""Families of machines and their sizes, and where AWS keeps its scikit-learn image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# The application's own tables, which this program cannot import: a test holds both together.
FAMILIES: Final = {
    "ml.t3": ("medium", "large", "xlarge", "2xlarge"),
    "ml.m5": ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"),
    "ml.m6i": (
        "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
        "32xlarge",
    ),
    "ml.m7i": (
        "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
        "48xlarge",
    ),
    "ml.c5": ("xlarge", "2xlarge", "4xlarge", "9xlarge", "18xlarge"),
    "ml.c6i": (
        "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge",
    ),
    "ml.r5": (
        "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
    ),
    "ml.g4dn": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"),
    "ml.g5": (
        "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge",
    ),
    "ml.g6": (
        "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge",
    ),
    "ml.p3": ("2xlarge", "8xlarge", "16xlarge"),
    "ml.p4d": ("24xlarge",),
    "ml.p4de": ("24xlarge",),
    "ml.p5": ("48xlarge",),
}  # fmt: skip
"""Family -> sizes, smallest first."""

IMAGE_REPOSITORY: Final = "sagemaker-scikit-learn"

IMAGE_ACCOUNTS: Final = {
    "af-south-1": "510948584623", "ap-east-1": "651117190479", "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698", "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776", "ap-south-2": "628508329040", "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285", "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589", "ca-central-1": "341280168497", "ca-west-1": "190319476487",
    "cn-north-1": "450853457545", "cn-northwest-1": "451049120500", "eu-central-1": "492215442770",
    "eu-central-2": "680994064768", "eu-north-1": "662702820516", "eu-south-1": "978288397137",
    "eu-south-2": "104374241257", "eu-west-1": "141502667606", "eu-west-2": "764974769150",
    "eu-west-3": "659782779980", "il-central-1": "898809789911", "me-central-1": "272398656194",
    "me-south-1": "801668240914", "sa-east-1": "737474898029", "us-east-1": "683313688378",
    "us-east-2": "257758044811", "us-gov-east-1": "237065988967", "us-gov-west-1": "414596584902",
    "us-iso-east-1": "833128469047", "us-isob-east-1": "281123927165",
    "us-isof-east-1": "108575199400", "us-isof-south-1": "124985052026",
    "us-west-1": "746614075791", "us-west-2": "246618743249",
}  # fmt: skip
"""Region -> the account that holds AWS's scikit-learn image there."""


def types(families: Iterable[str]) -> list[str]:
    """Return all machine types of some families, as a profile names them."""
    return [f"{family}.{size}" for family in families for size in FAMILIES[family]]
