"""AWS's scikit-learn images: their addresses and their Pythons, known without asking AWS."""

from __future__ import annotations

from typing import Final

from waterflow.errors import ConfigurationError

VERSIONS: Final = {"1.9-0": "3.12", "1.4-2-py312": "3.12", "1.4-2": "3.10", "1.2-1": "3.9"}
"""Image version -> its Python, newest first.

https://github.com/aws/sagemaker-scikit-learn-container (docker/*/base/Dockerfile.cpu) and, for
1.9-0, https://github.com/aws/deep-learning-containers/pull/6397; looked at in 2026. Whether an
address is right is tested against AWS's own SDK.
"""

ACCOUNTS: Final = {
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
"""Region -> the account that holds AWS's scikit-learn images there."""

_DOMAINS: Final = {
    "cn-": "amazonaws.com.cn", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}  # fmt: skip


def uri(region: str, version: str) -> str:
    """Return the address of an AWS scikit-learn image.

    Args:
        region: An AWS region.
        version: A version of the image: a key of `VERSIONS`.

    Raises:
        ConfigurationError: AWS has no such image in that region.
    """
    if region not in ACCOUNTS:
        raise ConfigurationError(
            f"AWS has no scikit-learn image in region '{region}'. Name an image of your own in the "
            'profile: image = "...", python = "3.12"'
        )
    domain = next((d for start, d in _DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    account = ACCOUNTS[region]
    return f"{account}.dkr.ecr.{region}.{domain}/sagemaker-scikit-learn:{version}-cpu-py3"


def for_python(region: str, python: str) -> str:
    """Return the newest AWS scikit-learn image that has a Python.

    Args:
        region: An AWS region.
        python: The Python that the pipeline was built with, such as "3.12".

    Raises:
        ConfigurationError: No image has it.
    """
    for version, its_python in VERSIONS.items():
        if its_python == python:
            return uri(region, version)
    known = ", ".join(sorted(set(VERSIONS.values()), key=lambda text: int(text.partition(".")[2])))
    raise ConfigurationError(
        f"AWS's scikit-learn images have Python {known}, and this environment is Python {python}. "
        f"Work in one of those, or name an image of your own in the profile: "
        f'image = "...", python = "{python}"'
    )


def is_ecr(image: str) -> bool:
    """Say whether an image lies in Amazon ECR, the only place that SageMaker pulls from by itself.

    https://docs.aws.amazon.com/sagemaker/latest/dg/docker-containers.html
    """
    return ".dkr.ecr" in image.partition("/")[0]
