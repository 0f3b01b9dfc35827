"""Google's access control, as far as a landing zone uses it: who may do what, where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

OBJECT = re.compile(r"/(?:upload/|download/)?storage/v1/b/([^/?]+)")
SECRET = re.compile(r"projects/([^/]+)/secrets/([^/:]+)")
ACCOUNT = re.compile(r"projects/[^/]+/serviceAccounts/([^/:]+)")


@dataclass(frozen=True)
class Grant:
    """A role on something, as IAM keeps it.

    Attributes:
        member: Who has it.
        permissions: What it allows.
        place: Of what: `project`, or `buckets/B`, `secrets/S`, `serviceAccounts/A`.
    """

    member: str
    permissions: frozenset[str]
    place: str


def grants(policies, roles):
    """Return what policies and custom roles say.

    Args:
        policies: Place -> the bindings there.
        roles: The custom roles, as IAM lists them whole.
    """
    allowed = {one["name"]: frozenset(one["includedPermissions"]) for one in roles}
    return [
        Grant(member, allowed[binding["role"]], place)
        for place, bindings in policies.items()
        for binding in bindings
        for member in binding["members"]
    ]


def place_of(call):
    """Return what a recorded call was about, the project where it was no single resource."""
    resource, service = unquote(call["resource"]), call["action"].partition(".")[0]
    if service == "storage":
        match = OBJECT.match(resource)
        # The XML API has the bucket first: /BUCKET/OBJECT
        bucket = match[1] if match else resource.lstrip("/").partition("/")[0]
        return f"buckets/{bucket}"
    if service == "secretmanager" and (match := SECRET.search(resource)):
        return f"secrets/{match[2]}"
    if call["action"].startswith("iam.serviceAccounts."):
        match = ACCOUNT.search(resource)
        return f"serviceAccounts/{match[1] if match else resource}"
    return "project"


def refused(calls, held):
    """Return what of recorded calls is not allowed, a line each.

    What is given on the project holds in all of it.

    Args:
        calls: The calls.
        held: The grants.
    """
    return [
        f"{call['account']}: {call['action']} on {call['resource']}"
        for call in calls
        if not any(
            one.member == f"serviceAccount:{call['account']}"
            and call["action"] in one.permissions
            and one.place in ("project", place_of(call))
            for one in held
        )
    ]
