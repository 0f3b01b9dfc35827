"""Looking at what runs on SageMaker need of AWS: roles that it may assume, images, secrets."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.cloud.examining import looked_at, python_check
from waterflow.errors import NotFoundError
from waterflow.provider import Check
from waterflow_sagemaker import images
from waterflow_sagemaker.errors import translated
from waterflow_sagemaker.rights import Rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waterflow import spec
    from waterflow_sagemaker.connections import Connections

SAGEMAKER: Final = "sagemaker.amazonaws.com"
SCHEDULER: Final = "scheduler.amazonaws.com"
_REPOSITORY: Final = re.compile(r"(\d{12})\.dkr\.ecr\.([\w-]+)\.[^/]+/([^:@]+)(?:[:@].+)?")
_STACK: Final = "See infra/README.md for the stack that makes it"


class Examination:
    """One look at what a profile names on AWS.

    Args:
        connections: The AWS clients.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections, self._settings = connections, connections.settings

    def identity(self) -> str:
        """Return the ARN of who asks.

        Raises:
            AuthenticationError: There are no credentials, or AWS does not know them.
        """
        with translated("GetCallerIdentity"):
            return str(self._connections.client("sts").get_caller_identity()["Arn"])

    def all(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Yield every finding.

        Args:
            pipeline: A pipeline whose secrets are looked at too.
        """
        settings = self._settings
        roles = dict.fromkeys([settings.role, *(one.role for one in settings.steps.values())])
        for role in roles:
            if role is not None:
                checks = list(
                    looked_at("role", lambda r=role: self._role(r, SAGEMAKER), needed=False)
                )
                yield from checks
                if all(check.state == "ok" for check in checks):
                    yield from Rights(self._connections, self.identity()).of(role)
        if settings.scheduler_role is not None:
            name, role = "scheduler_role", settings.scheduler_role
            yield from looked_at(name, lambda: self._role(role, SCHEDULER), needed=False)
        yield from self._images()
        steps = pipeline.steps if pipeline is not None else ()
        for secret in sorted({n for step in steps for n in step.environment.secrets.values()}):
            name = f"secret {secret}"
            yield from looked_at(name, lambda s=secret: self._secret(s), needed=False)

    # --- roles ----------------------------------------------------------------------------------

    def _role(self, arn: str, service: str) -> str | Check:
        """See that there is a role, and that a service may assume it."""
        name = "role" if service == SAGEMAKER else "scheduler_role"
        try:
            with translated("GetRole"):
                role: Any = self._connections.client("iam").get_role(
                    RoleName=arn.rpartition("/")[2]
                )["Role"]
        except NotFoundError:
            return Check(
                name,
                "broken",
                f"there is no role {arn}",
                f"Correct `{name}` in the profile. {_STACK}",
            )
        if role["Arn"] != arn:
            return Check(
                name,
                "broken",
                f"{arn} is not of the account that is signed in: there it is {role['Arn']}",
                "Sign in to the profile's account, or correct the profile: waterflow profile show",
            )
        if not _may_assume(role["AssumeRolePolicyDocument"], service):
            return Check(
                name,
                "broken",
                f"{arn} does not let {service} assume it",
                f"Let it, in the role's trust policy: aws iam update-assume-role-policy. {_STACK}",
            )
        return f"{arn}, which {service} may assume"

    # --- images ---------------------------------------------------------------------------------

    def _images(self) -> Iterator[Check]:
        """Yield a finding for the profile's image and for each step that has its own."""
        settings, profile = self._settings, "profiles.NAME"
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        if settings.image is None:
            region = settings.region
            its_python: str = settings.python or here
            yield from looked_at(
                "image",
                lambda: python_check(
                    "image", images.for_python(region, its_python), its_python, profile
                ),
            )
        else:
            yield from self._image("image", settings.image, settings.python, profile)
        for step, own in settings.steps.items():
            if own.image is not None:
                python = own.python or settings.python
                yield from self._image(
                    f"image of {step}", own.image, python, f"{profile}.steps.{step}"
                )

    def _image(self, name: str, image: str, python: str | None, where: str) -> Iterator[Check]:
        check = python_check(name, image, python, where)
        if check.state != "ok":
            yield check
            return
        yield from looked_at(name, lambda: self._repository(name, image) or check, needed=False)

    def _repository(self, name: str, image: str) -> Check | None:
        """See that an image's repository is there, where it is one of ECR's."""
        match = _REPOSITORY.fullmatch(image)
        if match is None or match[1] in images.ACCOUNTS.values():
            return None
        account, _, repository = match.groups()
        try:
            with translated("DescribeRepositories"):
                self._connections.client("ecr").describe_repositories(
                    registryId=account, repositoryNames=[repository]
                )
        except NotFoundError:
            return Check(
                name,
                "broken",
                f"there is no repository '{repository}' in account {account}",
                f"Push the image: aws ecr create-repository --repository-name {repository}",
            )
        return None

    # --- secrets --------------------------------------------------------------------------------

    def _secret(self, name: str) -> str | Check:
        """See that there is a secret; its value is not read."""
        try:
            with translated("DescribeSecret"):
                self._connections.secrets.describe_secret(SecretId=name)
        except NotFoundError:
            return Check(
                f"secret {name}",
                "broken",
                f"there is no secret '{name}' in Secrets Manager",
                f"Make it: aws secretsmanager create-secret --name {name} --secret-string ...",
            )
        return "is in Secrets Manager"


def _may_assume(policy: Any, service: str) -> bool:
    """Say whether a trust policy lets a service assume its role.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    for statement in _listed(policy.get("Statement")):
        principal = statement.get("Principal")
        services = _listed(principal.get("Service")) if isinstance(principal, dict) else []
        if (
            statement.get("Effect") == "Allow"
            and any(
                action in ("sts:AssumeRole", "sts:*", "*")
                for action in _listed(statement.get("Action"))
            )
            and (principal == "*" or service in services)
        ):
            return True
    return False


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]
