"""Types of Google Cloud's resources that are carried out: how each is made, read and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from standin.carriers.gcp import Google
    from standin.values import Properties

STORAGE = "storage.googleapis.com/storage/v1/b"
IAM = "iam.googleapis.com/v1"
PROJECTS = "cloudresourcemanager.googleapis.com/v1"
SECRETS = "secretmanager.googleapis.com/v1"
USAGE = "serviceusage.googleapis.com/v1"
_STATES = {"LIVE": True, "ARCHIVED": False}


class Kind(Protocol):
    """A type of resource. The outputs hold what the stand-in made up, its `id` among it."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        """Make one."""
        ...

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        """Return what Google has now of the outputs, None where it has none."""
        ...

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        """Change one."""
        ...

    def delete(self, google: Google, outputs: Properties) -> None:
        """Remove one."""
        ...


class Bucket:
    """A bucket of Cloud Storage."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        body = {"name": outputs["name"], "location": inputs["location"], **_bucket(inputs)}
        google.call("POST", STORAGE, body, project=outputs["project"])

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        kept = google.look("GET", f"{STORAGE}/{outputs['name']}")
        if kept is None:
            return None
        access = kept["iamConfiguration"]
        whole = {
            "publicAccessPrevention": access["publicAccessPrevention"],
            "uniformBucketLevelAccess": access["uniformBucketLevelAccess"]["enabled"],
            "versioning": {"enabled": kept.get("versioning", {}).get("enabled", False)},
            "softDeletePolicy": {
                **outputs.get("softDeletePolicy", {}),
                "retentionDurationSeconds": int(
                    kept["softDeletePolicy"]["retentionDurationSeconds"]
                ),
            },
            "encryption": kept.get("encryption"),
            "labels": kept.get("labels", {}),
            "lifecycleRules": [
                {"action": rule["action"], "condition": _condition_back(rule["condition"])}
                for rule in kept.get("lifecycle", {}).get("rule", [])
            ],
        }
        return {name: value for name, value in whole.items() if name in outputs}

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        google.call("PATCH", f"{STORAGE}/{outputs['name']}", _bucket(inputs))

    def delete(self, google: Google, outputs: Properties) -> None:
        place = f"{STORAGE}/{outputs['name']}"
        token = ""
        while outputs.get("forceDestroy"):
            more = {"pageToken": token} if token else {}
            page = google.look("GET", f"{place}/o", versions="true", **more) or {}
            for one in page.get("items", []):
                name = quote(one["name"], safe="")
                google.look("DELETE", f"{place}/o/{name}", generation=one["generation"])
            token = page.get("nextPageToken", "")
            if not token:
                break
        google.look("DELETE", place)


def _bucket(inputs: Properties) -> dict[str, Any]:
    """Return a bucket as Cloud Storage takes it."""
    body: dict[str, Any] = {
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": bool(inputs.get("uniformBucketLevelAccess"))},
            "publicAccessPrevention": inputs.get("publicAccessPrevention", "inherited"),
        },
        "lifecycle": {
            "rule": [
                {"action": rule["action"], "condition": _condition(rule["condition"])}
                for rule in inputs.get("lifecycleRules", [])
            ]
        },
    }
    if "softDeletePolicy" in inputs:
        seconds = int(inputs["softDeletePolicy"]["retentionDurationSeconds"])
        body["softDeletePolicy"] = {"retentionDurationSeconds": str(seconds)}
    for name in ("versioning", "encryption", "labels"):
        if inputs.get(name):
            body[name] = inputs[name]
    return body


_CONDITIONS = {"matchesPrefixes": "matchesPrefix", "matchesSuffixes": "matchesSuffix"}
"""The SDK's names of a rule's conditions -> Cloud Storage's, where they differ."""


def _condition(condition: Properties) -> dict[str, Any]:
    held = {_CONDITIONS.get(name, name): value for name, value in condition.items()}
    state = held.pop("withState", "ANY")
    return held | ({"isLive": _STATES[state]} if state in _STATES else {})


def _condition_back(condition: Mapping[str, Any]) -> dict[str, Any]:
    ours = {theirs: own for own, theirs in _CONDITIONS.items()}
    held = {ours.get(name, name): value for name, value in condition.items()}
    live = held.pop("isLive", None)
    states = {value: name for name, value in _STATES.items()}
    return held | ({} if live is None else {"withState": states[live]})


class Account:
    """A service account."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        body = {"accountId": inputs["accountId"], "serviceAccount": _said(inputs)}
        google.call("POST", f"{IAM}/projects/{outputs['project']}/serviceAccounts", body)

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        kept = google.look("GET", f"{IAM}/{outputs['id']}")
        if kept is None:
            return None
        held = {**kept, "member": f"serviceAccount:{kept['email']}"}
        return {name: held[name] for name in outputs if name in held}

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        body = {"serviceAccount": _said(inputs), "updateMask": "displayName,description"}
        google.call("PATCH", f"{IAM}/{outputs['id']}", body)

    def delete(self, google: Google, outputs: Properties) -> None:
        google.look("DELETE", f"{IAM}/{outputs['id']}")


def _said(inputs: Properties) -> dict[str, Any]:
    return {name: inputs[name] for name in ("displayName", "description") if name in inputs}


class Role:
    """A custom role of a project; one that was deleted keeps its id, and is had back."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        kept = google.look("GET", f"{IAM}/{outputs['id']}")
        if kept is not None and kept.get("deleted"):
            google.call("POST", f"{IAM}/{outputs['id']}:undelete", {})
            self.update(google, inputs, outputs)
            return
        body = {"roleId": inputs["roleId"], "role": _role(inputs)}
        google.call("POST", f"{IAM}/projects/{outputs['project']}/roles", body)

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        kept = google.look("GET", f"{IAM}/{outputs['id']}")
        if kept is None or kept.get("deleted"):
            return None
        held = {**kept, "permissions": kept.get("includedPermissions", [])}
        return {name: held[name] for name in outputs if name in held}

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        google.call("PATCH", f"{IAM}/{outputs['id']}", _role(inputs))

    def delete(self, google: Google, outputs: Properties) -> None:
        google.look("DELETE", f"{IAM}/{outputs['id']}")


def _role(inputs: Properties) -> dict[str, Any]:
    held = {name: inputs[name] for name in ("title", "description", "stage") if name in inputs}
    return {**held, "includedPermissions": inputs["permissions"]}


class Secret:
    """A secret, without a value."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        replication = dict(inputs["replication"])
        if "auto" in replication:
            replication["automatic"] = replication.pop("auto") or {}
        body = {"replication": replication, "labels": inputs.get("labels", {})}
        place = f"{SECRETS}/projects/{outputs['project']}/secrets"
        google.call("POST", place, body, secretId=outputs["secretId"])

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        kept = google.look("GET", f"{SECRETS}/{outputs['id']}")
        if kept is None:
            return None
        return {"labels": kept.get("labels", {})} if "labels" in outputs else {}

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        body = {"labels": inputs.get("labels", {})}
        google.call("PATCH", f"{SECRETS}/{outputs['id']}", body, updateMask="labels")

    def delete(self, google: Google, outputs: Properties) -> None:
        google.look("DELETE", f"{SECRETS}/{outputs['id']}")


class Enabled:
    """A service that is enabled; with `disableOnDestroy` it is disabled in the end."""

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        google.call("POST", f"{USAGE}/{self._place(outputs)}:enable", {})

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        kept = google.look("GET", f"{USAGE}/{self._place(outputs)}")
        return {} if kept is not None and kept["state"] == "ENABLED" else None

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        self.create(google, inputs, outputs)

    def delete(self, google: Google, outputs: Properties) -> None:
        if outputs.get("disableOnDestroy"):
            google.call("POST", f"{USAGE}/{self._place(outputs)}:disable", {})

    @staticmethod
    def _place(outputs: Properties) -> str:
        return f"projects/{outputs['project']}/services/{outputs['service']}"


@dataclass(frozen=True)
class Member:
    """Who has a role on something: a line of its policy.

    Attributes:
        place: Returns the address of what the role is given on.
        bucket: Whether that is a bucket, whose policy is read and written otherwise.
    """

    place: Callable[[Properties], str]
    bucket: bool = False

    def create(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        with google.changing:
            policy = self._policy(google, outputs)
            for one in policy["bindings"]:
                if one["role"] == inputs["role"] and "condition" not in one:
                    if inputs["member"] not in one["members"]:
                        one["members"].append(inputs["member"])
                    break
            else:
                binding = {"role": inputs["role"], "members": [inputs["member"]]}
                policy["bindings"].append(binding)
            self._set(google, outputs, policy)

    def read(self, google: Google, outputs: Properties) -> Properties | None:
        policy = self._policy(google, outputs)
        held = any(_is(one, outputs) for one in policy["bindings"])
        return {} if held else None

    def update(self, google: Google, inputs: Properties, outputs: Properties) -> None:
        self.create(google, inputs, outputs)

    def delete(self, google: Google, outputs: Properties) -> None:
        with google.changing:
            policy = self._policy(google, outputs)
            for one in policy["bindings"]:
                if _is(one, outputs):
                    one["members"].remove(outputs["member"])
            policy["bindings"] = [one for one in policy["bindings"] if one["members"]]
            self._set(google, outputs, policy)

    def _policy(self, google: Google, outputs: Properties) -> dict[str, Any]:
        place = self.place(outputs)
        if self.bucket:
            policy = google.call("GET", f"{place}/iam")
        elif place.startswith(SECRETS):
            policy = google.call("GET", f"{place}:getIamPolicy")
        else:
            policy = google.call("POST", f"{place}:getIamPolicy", {})
        return {**policy, "bindings": list(policy.get("bindings", []))}

    def _set(self, google: Google, outputs: Properties, policy: dict[str, Any]) -> None:
        place = self.place(outputs)
        if self.bucket:
            google.call("PUT", f"{place}/iam", policy)
        else:
            google.call("POST", f"{place}:setIamPolicy", {"policy": policy})


def _is(binding: Mapping[str, Any], outputs: Properties) -> bool:
    return binding["role"] == outputs["role"] and outputs["member"] in binding["members"]


KINDS: dict[str, Kind] = {
    f"gcp:{token}": kind
    for token, kind in {
        "projects/service:Service": Enabled(),
        "projects/iAMCustomRole:IAMCustomRole": Role(),
        "projects/iAMMember:IAMMember": Member(lambda one: f"{PROJECTS}/projects/{one['project']}"),
        "serviceaccount/account:Account": Account(),
        "serviceaccount/iAMMember:IAMMember": Member(
            lambda one: f"{IAM}/{one['serviceAccountId']}"
        ),
        "storage/bucket:Bucket": Bucket(),
        "storage/bucketIAMMember:BucketIAMMember": Member(
            lambda one: f"{STORAGE}/{one['bucket'].removeprefix('b/')}", bucket=True
        ),
        "secretmanager/secret:Secret": Secret(),
        "secretmanager/secretIamMember:SecretIamMember": Member(
            lambda one: f"{SECRETS}/projects/{one['project']}/secrets/{one['secretId']}"
        ),
    }.items()
}
"""Type of resource -> how it is carried out."""
