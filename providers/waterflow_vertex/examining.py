"""Looking at what runs on Vertex AI need of Google: project, APIs, bucket, accounts, quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from waterflow.cloud.examining import looked_at, python_check
from waterflow.errors import NotFoundError, PermissionDeniedError, ProviderError
from waterflow.provider import Check
from waterflow_vertex.connections import STORAGE
from waterflow_vertex.permissions import RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow import spec
    from waterflow_vertex.connections import Connections

RESOURCES: Final = "https://cloudresourcemanager.googleapis.com/v1/projects"
SERVICES: Final = "https://serviceusage.googleapis.com/v1/projects"
ACCOUNTS: Final = "https://iam.googleapis.com/v1/projects/-/serviceAccounts"
SECRETS: Final = "https://secretmanager.googleapis.com/v1/projects"
QUOTAS: Final = "https://cloudquotas.googleapis.com/v1/projects"
TOKENS: Final = "https://oauth2.googleapis.com/tokeninfo"

APIS: Final = ("aiplatform.googleapis.com", "logging.googleapis.com", "storage.googleapis.com")
"""What every run asks."""
_VAULT: Final = "secretmanager.googleapis.com"
ACT_AS: Final = "iam.serviceAccounts.actAs"
CPUS: Final = "CustomModelTrainingCPUsPerProjectPerRegion"
_PLACE: Final = "bucket's place"
_STACK: Final = "See infra/README.md for the stack that makes it"


def identity(connections: Connections) -> str | None:
    """Return whose the credentials are; None where they do not say.

    Raises:
        AuthenticationError: There are none, or none that are still good.
    """
    token = connections.token()
    credentials = connections.credentials
    for name in ("service_account_email", "signer_email", "account"):
        who = getattr(credentials, name, None)
        if isinstance(who, str) and "@" in who:
            return who
    try:
        return connections.call("TokenInfo", "POST", TOKENS, query={"access_token": token})["email"]
    except (ProviderError, KeyError):
        return None  # what a token says is for people alone


class Examination:
    """One look at what a profile names in Google Cloud.

    Args:
        connections: The ways to Google Cloud.
    """

    def __init__(self, connections: Connections) -> None:
        self._google, self._settings = connections, connections.settings

    def all(self, pipeline: spec.Pipeline | None) -> Iterator[Check]:
        """Yield every finding.

        Args:
            pipeline: A pipeline whose secrets are looked at too.
        """
        steps = pipeline.steps if pipeline is not None else ()
        secrets = sorted({n for step in steps for n in step.environment.secrets.values()})
        checks = list(looked_at("project", self._project, needed=False))
        yield from checks
        if any(check.state == "broken" for check in checks):
            return  # of what is in it nothing can be told
        apis = (*APIS, _VAULT) if secrets else APIS
        yield from looked_at("APIs", lambda: self._apis(apis), needed=False)
        yield from self._bucket()
        yield from looked_at("your rights", self._rights, needed=False)
        settings = self._settings
        accounts = [settings.service_account, *(s.service_account for s in settings.steps.values())]
        for account in dict.fromkeys(accounts):
            if account is not None:
                name = f"service account {account}"
                yield from looked_at(name, lambda a=account: self._account(str(a)), needed=False)
        yield from self._images()
        yield from looked_at("quota", self._quota, needed=False)
        for secret in secrets:
            name = f"secret {secret}"
            yield from looked_at(name, lambda s=secret: self._secret(s), needed=False)

    # --- the project ----------------------------------------------------------------------------

    def _project(self) -> str | Check:
        settings = self._settings
        try:
            kept = self._google.call("GetProject", "GET", f"{RESOURCES}/{settings.project}")
        except NotFoundError:
            return Check(
                "project",
                "broken",
                f"there is no project '{settings.project}'",
                f"Correct `project` in the profile: gcloud projects list. {_STACK}",
            )
        if kept.get("lifecycleState", "ACTIVE") != "ACTIVE":
            return Check(
                "project",
                "broken",
                f"'{settings.project}' is being deleted",
                f"Bring it back: gcloud projects undelete {settings.project}",
            )
        return f"{settings.project} ({kept.get('projectNumber')})"

    def _apis(self, needed: tuple[str, ...]) -> str | Check:
        """See that the APIs are enabled.

        https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchGet
        """
        project = self._settings.project
        names = [f"projects/{project}/services/{api}" for api in needed]
        url = f"{SERVICES}/{project}/services:batchGet"
        answer = self._google.call("BatchGetServices", "GET", url, query={"names": names})
        enabled = {
            str(one["name"]).rpartition("/")[2]
            for one in answer.get("services") or ()
            if one.get("state") == "ENABLED"
        }
        missing = [api for api in needed if api not in enabled]
        if missing:
            return Check(
                "APIs",
                "broken",
                f"not enabled in {project}: {', '.join(missing)}",
                f"gcloud services enable {' '.join(missing)} --project {project}",
            )
        return f"enabled: {', '.join(needed)}"

    def _bucket(self) -> Iterator[Check]:
        """Look at the bucket itself, unless there is none: who wrote into it has told that."""
        url = f"{STORAGE}/storage/v1/b/{self._settings.bucket}"
        try:
            kept = self._google.call("GetBucket", "GET", url)
        except NotFoundError:
            return
        except PermissionDeniedError as error:
            yield Check.of(_PLACE, error, "warning")
            return
        except ProviderError as error:
            yield Check.of(_PLACE, error, "broken")
            return
        yield self._placed(kept)

    def _placed(self, kept: Mapping[str, Any]) -> Check:
        """See that the bucket is where the jobs are, and encrypts as they do."""
        settings = self._settings
        where = str(kept.get("location", "")).lower()
        wide = str(kept.get("locationType", "region")) != "region"
        name = f"gs://{settings.bucket}"
        if where and where != settings.region and not (wide and _holds(where, settings.region)):
            return Check(
                _PLACE,
                "broken",
                f"{name} is in {where}, and the profile says {settings.region}: Vertex AI takes a "
                "pipeline root in its own region only",
                f'Write in the profile: region = "{where}", or name a bucket that is there: '
                f"gcloud storage buckets create gs://NAME --location {settings.region}",
            )
        key = (kept.get("encryption") or {}).get("defaultKmsKeyName")
        if settings.kms_key is not None and key != settings.kms_key:
            return Check(
                _PLACE,
                "broken",
                f"{name} encrypts by {key or 'keys of Google'}, and the profile says "
                f"{settings.kms_key}",
                f"gcloud storage buckets update {name} --default-encryption-key {settings.kms_key}",
            )
        return Check(_PLACE, "ok", f"{name} in {where or settings.region}")

    # --- rights ---------------------------------------------------------------------------------

    def _held(self, url: str, permissions: tuple[str, ...]) -> list[str]:
        body = {"permissions": list(permissions)}
        answer = self._google.call("TestIamPermissions", "POST", f"{url}:testIamPermissions", body)
        return cast("list[str]", answer.get("permissions") or [])

    def _rights(self) -> str | Check:
        """See what Google says who asks may do in the project.

        It tells everybody that of a project that is there: a refusal says that there is none.
        https://cloud.google.com/iam/docs/testing-permissions
        """
        project = self._settings.project
        try:
            held = self._held(f"{RESOURCES}/{project}", RUNNING)
        except PermissionDeniedError as error:
            finding = Check.of("your rights", error, "broken").finding
            hint = "Correct `project` in the profile (waterflow profile show): gcloud projects list"
            return Check("your rights", "broken", finding, f"{hint}. {_STACK}")
        missing = [one for one in RUNNING if one not in held]
        if missing:
            return Check(
                "your rights",
                "broken",
                f"you may not do in the project what runs need: {', '.join(missing)}",
                f"gcloud projects add-iam-policy-binding {project} --member user:YOU --role "
                "roles/aiplatform.user. What a pipeline needs: waterflow plan TARGET --permissions",
            )
        return "you may do in the project what runs need"

    def _account(self, email: str) -> str | Check:
        """See that there is a service account, and that who asks may run jobs as it."""
        name = f"service account {email}"
        url = f"{ACCOUNTS}/{quote(email)}"
        try:
            kept = self._google.call("GetServiceAccount", "GET", url)
        except NotFoundError:
            return Check(
                name,
                "broken",
                "there is none of that name",
                f"Correct `service_account` in the profile: gcloud iam service-accounts list "
                f"--project {self._settings.project}. {_STACK}",
            )
        if kept.get("disabled"):
            return Check(
                name, "broken", "it is disabled", f"gcloud iam service-accounts enable {email}"
            )
        if ACT_AS not in self._held(url, (ACT_AS,)):
            return Check(
                name,
                "broken",
                f"you may not run jobs as it: {ACT_AS}",
                f"gcloud iam service-accounts add-iam-policy-binding {email} --member user:YOU "
                "--role roles/iam.serviceAccountUser",
            )
        return "you may run jobs as it"

    # --- where jobs run -------------------------------------------------------------------------

    def _images(self) -> Iterator[Check]:
        """Yield a finding for each image that the profile names."""
        settings, profile = self._settings, "profiles.NAME"
        if settings.image is not None:
            yield python_check("image", settings.image, settings.python, profile)
        for step, own in settings.steps.items():
            if own.image is not None:
                python = own.python or settings.python
                where = f"{profile}.steps.{step}"
                yield python_check(f"image of {step}", own.image, python, where)

    def _quota(self) -> str | Check:
        """See how many CPUs jobs may have in the region.

        https://cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos
        """
        settings = self._settings
        url = f"{QUOTAS}/{settings.project}/locations/global/services/{APIS[0]}/quotaInfos/{CPUS}"
        try:
            kept = self._google.call("GetQuotaInfo", "GET", url)
        except NotFoundError:
            return f"Google tells none of CPUs in {settings.region}"
        limit = next(
            (
                int((one.get("details") or {}).get("value", 0))
                for one in kept.get("dimensionsInfos") or ()
                if settings.region in _regions(one)
            ),
            None,
        )
        if limit is not None and not limit:
            return Check(
                "quota",
                "broken",
                f"jobs may have no CPU in {settings.region}",
                "Ask for some: https://console.cloud.google.com/iam-admin/quotas"
                f"?project={settings.project}&service={APIS[0]}",
            )
        if limit is None:
            return f"Google tells none of CPUs in {settings.region}"
        return f"{'unlimited' if limit < 0 else limit} CPUs for jobs in {settings.region}"

    # --- secrets --------------------------------------------------------------------------------

    def _secret(self, name: str) -> str | Check:
        """See that there is a secret with a version to read; its value is not read."""
        project = self._settings.project
        url = f"{SECRETS}/{project}/secrets/{quote(name, safe='')}/versions/latest"
        try:
            kept = self._google.call("GetSecretVersion", "GET", url)
        except NotFoundError:
            kept = {"state": "DESTROYED"}
        if kept.get("state", "ENABLED") != "ENABLED":
            return Check(
                f"secret {name}",
                "broken",
                f"there is no secret '{name}' in the project {project}",
                f"printf VALUE | gcloud secrets create {name} --data-file - --project {project}",
            )
        return f"is in the project {project}"


def _regions(info: Mapping[str, Any]) -> set[str]:
    """Return the regions that an entry of a quota is for."""
    said = (info.get("dimensions") or {}).get("region")
    listed = cast("list[str]", info.get("applicableLocations") or [])
    return {str(said)} if said else set(listed)


def _holds(multi: str, region: str) -> bool:
    """Say whether a bucket of several regions is in one of them.

    https://cloud.google.com/storage/docs/locations#location-mr
    """
    return multi == region.partition("-")[0] or (multi == "eu" and region.startswith("europe-"))
